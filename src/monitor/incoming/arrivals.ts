/**
 * Guests that arrive on this host, whoever sends them: keeps what is known of each, reports each arrival
 * once, in the state that the guest has, and remembers those that have ended here since. What counts as
 * an arrival is core/arrival.ts's.
 */
import {
  type ArrivalState,
  NO_ARRIVAL,
  afterEvent,
  afterLook,
  expected,
  hadArrived,
  isShownArriving,
  isSoon,
} from "../../core/arrival.ts";
import type { GuestEvent, StoppedHow, VmJobView } from "../../hypervisor/port.ts";
import type { Context } from "../context.ts";
import { EndedArrivals } from "./ended-arrivals.ts";
import type { Registry } from "../migrations/registry.ts";
import { momentOf } from "../../clock.ts";
import { arrivedMessage } from "../../wire/event-message.ts";

export class Arrivals {
  readonly #context: Context;
  readonly #registry: Registry;
  /** Of each VM that is arriving or has arrived. */
  readonly #states = new Map<string, ArrivalState>();
  readonly ended = new EndedArrivals();

  constructor(context: Context, registry: Registry) {
    this.#context = context;
    this.#registry = registry;
  }

  /** VMs on their way, which are to be looked at. */
  get vmIds(): ReadonlySet<string> {
    const arriving = [...this.#states].filter(([, state]) => state.arriving !== null);
    return new Set(arriving.map(([vmId]) => vmId));
  }

  isComing({ vm: { vmId, runState } }: VmJobView): boolean {
    const transfer = this.#context.hostView.transfer(vmId);
    return isShownArriving(this.#of(vmId), { transfer, runState }, this.#isOurs(vmId));
  }

  /** One of them may arrive any moment. */
  get soon(): boolean {
    const nowMs = this.#nowMs();
    return [...this.#states.values()].some((state) => isSoon(state, nowMs));
  }

  /** The daemon expected them before it was restarted: one may have arrived unreported. */
  expects(vmIds: readonly string[]): void {
    for (const vmId of vmIds) this.#set(vmId, expected(this.#of(vmId), this.#nowMs()));
  }

  onGuestEvent(event: GuestEvent): void {
    const { vmId, change } = event;
    if (change === "started") this.ended.forget(vmId);
    if (change === "stopped") this.#noteEnd(vmId, event.how);
    this.#set(vmId, afterEvent(this.#of(vmId), event, this.#isOurs(vmId), this.#nowMs()));
  }

  /** The host was looked at just now. */
  looked(): void {
    const { hostView } = this.#context;
    const seen = hostView.views().map(({ vm }) => vm.vmId);
    for (const vmId of new Set([...this.#states.keys(), ...seen])) {
      this.#look(vmId, hostView.get(vmId));
    }
  }

  #look(vmId: string, view: VmJobView | undefined): void {
    const transfer = this.#context.hostView.transfer(vmId);
    const seen =
      view === undefined ? null : { transfer, job: view.job, runState: view.vm.runState };
    const after = afterLook(this.#of(vmId), seen, this.#isOurs(vmId), this.#nowMs());
    if (after.arrived && view !== undefined) this.#report(view);
    this.#set(vmId, after.state);
  }

  /** What takes it away from here again and is ours reports that itself. */
  #noteEnd(vmId: string, how: StoppedHow): void {
    if (!hadArrived(this.#of(vmId)) || how === "unknown" || this.#isOurs(vmId)) return;
    const vmName = this.#context.hostView.get(vmId)?.vm.name ?? "";
    this.ended.note({ vmId, vmName, how, atMs: this.#nowMs() });
  }

  #report({ vm: { vmId, name, runState } }: VmJobView): void {
    const { events, journal, clock, log } = this.#context;
    const arrived = events.number(arrivedMessage(vmId, runState, momentOf(clock)));
    journal.events([arrived]);
    events.send(arrived);
    log.info({ vmId, vmName: name, runState }, "a guest has arrived here");
  }

  #of(vmId: string): ArrivalState {
    return this.#states.get(vmId) ?? NO_ARRIVAL;
  }

  /** Journaled when the set of those on their way changes. */
  #set(vmId: string, state: ArrivalState): void {
    const was = this.#of(vmId).arriving !== null;
    if (state.arriving === null && !state.reported) this.#states.delete(vmId);
    else this.#states.set(vmId, state);
    if (was !== (state.arriving !== null)) this.#context.journal.coming(this.vmIds);
  }

  #isOurs(vmId: string): boolean {
    return this.#registry.liveOf(vmId) !== undefined;
  }

  #nowMs(): number {
    return this.#context.clock.monotonicMs();
  }
}
