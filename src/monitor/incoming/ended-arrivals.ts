/**
 * Guests that had arrived on this host and have ended or moved on since: a source or an engine that asks
 * late learns that they arrived and how they ended. Kept as long as core/retention.ts says, and until the
 * VM is started here again or expected again.
 */
import { ENDED_KEPT_MAX, isRemembered } from "../../core/retention.ts";
import type { GuestStopped } from "../../core/run-state.ts";

export interface EndedArrival {
  readonly vmId: string;
  readonly vmName: string;
  /** `migrated`: moved on by somebody else's migration. */
  readonly how: GuestStopped | "migrated";
  /** Monotonic. */
  readonly atMs: number;
}

export class EndedArrivals {
  readonly #ended = new Map<string, EndedArrival>();

  note(ended: EndedArrival): void {
    // The newest is last.
    this.#ended.delete(ended.vmId);
    this.#ended.set(ended.vmId, ended);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > ENDED_KEPT_MAX && oldest !== undefined) this.#ended.delete(oldest);
  }

  /** False: it was not known. */
  forget(vmId: string): boolean {
    return this.#ended.delete(vmId);
  }

  of(vmId: string, nowMs: number): EndedArrival | undefined {
    return this.all(nowMs).find((each) => each.vmId === vmId);
  }

  all(nowMs: number): readonly EndedArrival[] {
    return [...this.#ended.values()].filter(({ atMs }) => isRemembered(nowMs - atMs));
  }
}
