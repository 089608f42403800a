/**
 * A VM that has left this host stays listed as Down until the engine destroys it, its record expires or
 * it comes back. Owns which ended migrations are departures, and what counts as a return; how the
 * migration ended stays in its record whatever happens to the VM later.
 */
import { type Transfer, isIncoming } from "./host-count.ts";
import type { Outcome } from "./event.ts";
import type { Call, End } from "./migration.ts";
import { type RunState, isHalfArrived, runStateRow } from "./run-state.ts";

/** What of a migration decides it. */
export interface DepartureFacts {
  readonly call: Pick<Call, "madeAtMs">;
  readonly end: (Pick<End, "departureOver"> & { readonly outcome: Pick<Outcome, "where"> }) | null;
}

/**
 * What shows that a VM is here, or will be. `seen`: it is active, or libvirt resumed it, which it also
 * does where a migration has failed. `comes`: it is started here, arrives, or is expected.
 * `migrates`: its next migration is accepted.
 */
export type Sighting = "seen" | "comes" | "migrates";

/** It took the guest away, to wherever that is, or nobody could tell whether it did. */
export function isDeparture({ end }: DepartureFacts): boolean {
  return end !== null && end.outcome.where !== "source" && end.departureOver === null;
}

/** A VM that nobody saw leave may never have left: that it is active here is no return. */
export function hasReturned({ call, end }: DepartureFacts, sighting: Sighting): boolean {
  if (end?.outcome.where !== "unknown" || sighting === "migrates") return true;
  return sighting === "comes" && call.madeAtMs !== null;
}

/** By what a look at the host shows; null: it shows nothing, as with the paused copy of one that left. */
export function sightingOf(runState: RunState, transfer: Transfer): Sighting | null {
  if (isIncoming(transfer)) return "comes";
  const isActive = runStateRow(runState).presence === "active" && !isHalfArrived(runState);
  return isActive ? "seen" : null;
}

/** A look that began before the end still shows the VM as it was. */
export function isLookSince(lookedAtMs: number, endedAtMs: number | null): boolean {
  return endedAtMs !== null && lookedAtMs > endedAtMs;
}
