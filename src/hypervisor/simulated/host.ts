/**
 * A simulated host: its libvirt, which can be down, its VMs, and who listens to its events. A call that
 * waits when libvirt goes down is told that the connection is lost.
 */
import { isOff } from "../../core/run-state.ts";
import type { HypervisorEvent } from "../port.ts";
import type { Domain } from "./domain.ts";
import type { QemuProfile } from "./qemu-profile.ts";
import type { Refusal } from "../../core/refusal.ts";
import type { Done, Outcome } from "./surroundings.ts";

export interface HostSpec {
  readonly name: string;
  readonly uuid: string;
  /** By which others reach it, as they stand in URIs. */
  readonly addresses: readonly string[];
  readonly profile: QemuProfile;
  /** Of its link, each way. */
  readonly linkBytesPerSecond: number;
  /** At which a guest's memory is saved. */
  readonly diskBytesPerSecond: number;
}

/** What the next guest that is to come is met with. */
export interface StartRefusal {
  readonly refusal: Refusal;
  readonly afterMs: number;
}

const LOST = "the simulated libvirt is gone";

export class Host {
  readonly spec: HostSpec;
  readonly domains = new Map<string, Domain>();
  readonly startRefusals: StartRefusal[] = [];
  /** Events are not told for as long as this is set. */
  deaf = false;
  #up = true;
  readonly #listeners = new Set<(event: HypervisorEvent) => void>();
  readonly #calls = new Set<Done<never>>();

  constructor(spec: HostSpec) {
    this.spec = spec;
  }

  get libvirtUp(): boolean {
    return this.#up;
  }

  /** Guests that are here, arriving ones included. */
  get active(): readonly Domain[] {
    return [...this.domains.values()].filter(({ state }) => !isOff(state));
  }

  /** Returns how to stop listening. */
  listen(listener: (event: HypervisorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(event: HypervisorEvent): void {
    if (this.deaf || !this.#up) return;
    for (const listener of this.#listeners) listener(event);
  }

  /** `call` is told how to answer; without libvirt the answer is given at once. */
  serve<T>(done: Done<T>, call: (done: Done<T>) => void): void {
    if (!this.#up) {
      done({ kind: "disconnected", message: LOST });
      return;
    }
    const answered = (outcome: Outcome<T>): void => {
      if (this.#calls.delete(answered)) done(outcome);
    };
    this.#calls.add(answered);
    call(answered);
  }

  goDown(): void {
    this.tell({ kind: "disconnected", message: LOST });
    this.#up = false;
    const waiting = [...this.#calls];
    for (const each of waiting) each({ kind: "disconnected", message: LOST });
  }

  comeUp(): void {
    this.#up = true;
    this.tell({ kind: "connected" });
  }
}
