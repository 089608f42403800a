/**
 * Guests that come to this host, whoever sends them: each arrival is told once, in the state that the
 * guest has. libvirt has an event for one that runs on; of a suspended one it says that it is coming and
 * that it is paused, both before it has all arrived. So events only say whom to look at, and a look
 * decides: one that was coming, and whose job is over, is here. An event that was lost costs time alone.
 */
import { isHalfArrived } from "../core/run-state.ts";
import type { GuestEvent, StoppedHow, VmJobView } from "../hypervisor/port.ts";
import type { Context } from "./context.ts";
import { EndedArrivals } from "./ended-arrivals.ts";
import type { Registry } from "./registry.ts";
import { arrivedToWire } from "./wire-events.ts";

/** So long after an event that may be its last the guest is looked at in each woken cycle. */
const LOOKED_AT_MS = 2_000;

/** A guest on its way. */
interface Coming {
  readonly sinceMs: number;
  /** It may be here any moment: until then it is looked at often. */
  readonly soonUntilMs: number;
  /** libvirt said that it runs on here. */
  readonly hasCome: boolean;
}

export class Arrivals {
  readonly #context: Context;
  readonly #registry: Registry;
  readonly #coming = new Map<string, Coming>();
  /** Told, and still here: an event of theirs that comes late tells nothing new. */
  readonly #told = new Set<string>();
  readonly ended = new EndedArrivals();

  constructor(context: Context, registry: Registry) {
    this.#context = context;
    this.#registry = registry;
  }

  /** VMs that are to be looked at. */
  get vmIds(): ReadonlySet<string> {
    return new Set(this.#coming.keys());
  }

  /** On its way here, or taken apart again by libvirt after its migration has failed. */
  isComing({ vm: { vmId, runState } }: VmJobView): boolean {
    const transfer = this.#context.hostView.transfer(vmId);
    if (transfer === "incoming" || transfer === "broken") return true;
    // In its own switchover one of ours is just as half.
    const ours = this.#registry.liveOf(vmId) !== undefined;
    return isHalfArrived(runState) && this.#coming.has(vmId) && !ours;
  }

  /** One of them may be here any moment. */
  get soon(): boolean {
    const nowMs = this.#context.clock.monotonicMs();
    return [...this.#coming.values()].some(({ soonUntilMs }) => soonUntilMs > nowMs);
  }

  /** The daemon before this one expected them: one may have come since, and nobody told. */
  expects(vmIds: readonly string[]): void {
    for (const vmId of vmIds) this.#comes(vmId, 0);
  }

  onGuestEvent(event: GuestEvent): void {
    const { vmId } = event;
    switch (event.change) {
      case "started":
        this.#told.delete(vmId);
        this.ended.forget(vmId);
        if (event.incoming) this.#comes(vmId, 0);
        return;
      case "stopped":
        this.#noteEnd(vmId, event.how);
        this.#told.delete(vmId);
        this.#comesNoMore(vmId);
        return;
      case "resumed": {
        // A guest of ours whose migration has failed goes on here with the same words.
        const ours = this.#registry.liveOf(vmId) !== undefined && !this.#coming.has(vmId);
        if (ours || this.#told.has(vmId)) return;
        const hasCome = event.byMigration;
        if (hasCome || this.#coming.has(vmId)) this.#comes(vmId, LOOKED_AT_MS, hasCome);
        return;
      }
      case "suspended":
        if (this.#coming.has(vmId)) this.#comes(vmId, LOOKED_AT_MS);
        return;
      case "other":
        return;
    }
  }

  #comes(vmId: string, soonForMs: number, hasCome = false): void {
    const nowMs = this.#context.clock.monotonicMs();
    const known = this.#coming.get(vmId);
    this.#coming.set(vmId, {
      sinceMs: known?.sinceMs ?? nowMs,
      soonUntilMs: nowMs + soonForMs,
      hasCome: hasCome || known?.hasCome === true,
    });
    if (known === undefined) this.#context.journal.coming(this.vmIds);
  }

  #comesNoMore(vmId: string): void {
    if (this.#coming.delete(vmId)) this.#context.journal.coming(this.vmIds);
  }

  /** Of a guest that had come; one that was taken apart half arrived never was here. */
  #noteEnd(vmId: string, how: StoppedHow): void {
    const { clock, hostView } = this.#context;
    const had = this.#told.has(vmId) || this.#coming.get(vmId)?.hasCome === true;
    // What takes it away from here again and is ours says so itself.
    if (!had || how === "unknown" || this.#registry.liveOf(vmId) !== undefined) return;
    const vmName = hostView.get(vmId)?.vm.name ?? "";
    this.ended.note({ vmId, vmName, how, atMs: clock.monotonicMs() });
  }

  /** The host was looked at just now. */
  looked(): void {
    const { hostView } = this.#context;
    for (const { vm } of hostView.views()) {
      const { vmId } = vm;
      const transfer = hostView.transfer(vmId);
      const comes = transfer === "incoming" || transfer === "broken";
      if (comes && !this.#coming.has(vmId)) this.#comes(vmId, 0);
    }
    for (const [vmId, coming] of this.#coming) this.#settle(vmId, coming);
  }

  #settle(vmId: string, { sinceMs }: Coming): void {
    const { hostView, clock } = this.#context;
    const view = hostView.get(vmId);
    if (view === undefined) {
      // Gone again, or the look had begun before it was there.
      if (clock.monotonicMs() - sinceMs >= LOOKED_AT_MS) this.#comesNoMore(vmId);
      return;
    }
    if (hostView.transfer(vmId) !== "none") return;
    if (view.job.kind !== "stats" || isHalfArrived(view.vm.runState)) return;
    // It came back before the end of its departure was told: first that.
    if (this.#registry.liveOf(vmId) !== undefined) return;
    this.#told.add(vmId);
    this.#tell(view);
    this.#comesNoMore(vmId);
  }

  #tell({ vm: { vmId, name, runState } }: VmJobView): void {
    const { events, journal, clock, log } = this.#context;
    const arrived = events.number(arrivedToWire(vmId, runState, clock));
    journal.events([arrived]);
    events.send(arrived);
    log.info({ vmId, vmName: name, runState }, "a guest has arrived here");
  }
}
