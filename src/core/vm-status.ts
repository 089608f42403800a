/**
 * What is shown of a migration from outside: the phase that a caller sees, and what the engine is told
 * of the VM before, while and after it leaves. Events and answers both come from here, so they cannot
 * differ. Takes facts, not the whole state; the words on the wire are elsewhere.
 */
import type { DownWhy, Outcome, VmStatus } from "./event.ts";
import { type Transfer, isIncoming } from "./host-count.ts";
import type { Phase, Stop } from "./migration.ts";
import { type GuestStopped, type RunState, isPausedCopy } from "./run-state.ts";

/** A phase, or a stop that libvirt has not completed yet. */
export type ShownPhase = Phase | "cancelling" | "aborting";

/** From post-copy on a stop is only remembered, and while settling it has been carried out. */
export function shownPhase(phase: Phase, stop: Pick<Stop, "why"> | null): ShownPhase {
  const stoppable = phase === "preparing" || phase === "starting" || phase === "running";
  if (stop === null || !stoppable) return phase;
  return stop.why === "cancel" ? "cancelling" : "aborting";
}

/** Until the migration has ended. */
export function statusLeaving(mode: "remote" | "file", inPostCopy: boolean): VmStatus {
  if (inPostCopy) return { kind: "postCopy" };
  return { kind: mode === "file" ? "savingState" : "migrationSource" };
}

/** `migrationDestination`: it is arriving here. */
export type StatusHere = VmStatus | { readonly kind: "migrationDestination" };

/** Of a VM that libvirt shows on this host. `leaving`: the status of its own live migration, if any. */
export function statusHere(
  transfer: Transfer,
  runState: RunState,
  leaving: VmStatus | null,
): StatusHere {
  if (isIncoming(transfer)) return { kind: "migrationDestination" };
  if (isPausedCopy(runState)) return { kind: "postCopy" };
  if (leaving !== null) return leaving;
  return transfer === "outgoing" ? { kind: "migrationSource" } : { kind: "staysHere", runState };
}

/** How the VM of one that waits has ended here meanwhile; null: nothing is known of an end. */
export function downWhileWaiting(
  mode: "remote" | "file",
  guestStopped: GuestStopped | null,
  stoppedByJob: boolean,
): DownWhy | null {
  if (guestStopped !== null || !stoppedByJob) return guestStopped;
  return mode === "file" ? "saved" : "migrated";
}

export interface EndFacts {
  readonly runState: RunState;
  /** Post-copy had begun. */
  readonly inPostCopy: boolean;
  readonly guestStopped: GuestStopped | null;
}

/** Once it has ended, by where its guest is. */
export function statusAfter(
  where: Exclude<Outcome["where"], "unknown">,
  facts: EndFacts,
): VmStatus {
  switch (where) {
    case "source":
      return { kind: "staysHere", runState: facts.runState };
    case "destination":
      return { kind: "down", why: "migrated" };
    case "image":
      return { kind: "down", why: "saved" };
    case "nowhere":
      return {
        kind: "down",
        why: facts.inPostCopy ? "lostInPostCopy" : (facts.guestStopped ?? "lost"),
      };
  }
}
