/**
 * A migration that waits for its call: in the queue, deferred, or preparing. Its VM can be suspended,
 * resumed, renamed or given other memory meanwhile, so nothing that was seen at acceptance counts later.
 * When it may begin is admission.ts's, and how it ends without having begun never-began.ts's.
 */
import type { Input } from "./input.ts";
import type { Admission, Downtime, Migration, PostCopy } from "./migration.ts";
import { unavailableAs } from "./post-copy-availability.ts";
import { type RunState, isOff } from "./run-state.ts";
import { beginsWithPostCopy } from "./schedule.ts";
import { type Turn, decide, tell } from "./turn.ts";
import { statusLeaving } from "./vm-status.ts";

/** The engine is told from here on, once, that the VM is leaving. */
export function accepted(migration: Migration, _: Input<"accepted">, turn: Turn): Migration {
  tell(turn, { kind: "vmStatus", status: statusLeaving(migration.facts.mode, false) });
  return migration;
}

/** What may be known of a VM that waits. */
export type SeenVm = Partial<Omit<Input<"seen">, "kind">>;

/** The VM as libvirt shows it now, and whether post-copy is possible for it. The same object if so before. */
export function seenWaiting(before: Migration, seen: SeenVm): Migration {
  const { evidence, facts } = before;
  const { runState = evidence.runState, vmName = facts.vmName } = seen;
  const { memoryBytes = facts.memoryBytes, stepWaitMs } = seen;
  const isNews =
    runState !== evidence.runState || vmName !== facts.vmName || memoryBytes !== facts.memoryBytes;
  if (!isNews) return before;
  return {
    ...before,
    facts: { ...facts, vmName, memoryBytes },
    evidence: { ...evidence, runState },
    downtime: withStepWait(before.downtime, stepWaitMs),
    // What is off has no guest that could be paused: it is judged when it is on again, or at the end.
    postCopy: isOff(runState) ? before.postCopy : postCopyOf(before, runState),
  };
}

function withStepWait(downtime: Downtime | null, stepWaitMs: number | undefined): Downtime | null {
  return downtime === null || stepWaitMs === undefined ? downtime : { ...downtime, stepWaitMs };
}

function postCopyOf({ postCopy, schedule }: Migration, runState: RunState): PostCopy {
  const unavailableReason = unavailableAs(postCopy.unavailableReason, runState);
  if (unavailableReason === postCopy.unavailableReason) return postCopy;
  const possible = unavailableReason === null;
  const begins = possible && schedule !== null && beginsWithPostCopy(schedule.schedule);
  return { ...postCopy, possible, unavailableReason, wanted: postCopy.wanted || begins };
}

/** The destination's daemon has answered. */
export function reached(migration: Migration): Migration {
  return withAdmission(migration, { destinationReached: true });
}

/** The destination keeps a slot for the guest. */
export function reserved(migration: Migration, _: Input<"reserved">, turn: Turn): Migration {
  decide(turn, "reserved", "the destination expects the guest");
  return withAdmission(migration, { reservedThere: true });
}

function withAdmission(migration: Migration, changed: Partial<Admission>): Migration {
  return { ...migration, admission: { ...migration.admission, ...changed } };
}

/** What a look at the host means for a VM whose migration waits. */
export type WaitingLook =
  /** As known. */
  | "known"
  /** It is not here, and no event has said how it ended: ask. */
  | "ended"
  /** It is here although it had ended; this look may have begun before that, the next one cannot have. */
  | "maybeStarted"
  | "started";

/** `hadEnded`: libvirt said so. `wasHere`: the look before this one was `maybeStarted`. */
export function lookAtWaiting(isHere: boolean, hadEnded: boolean, wasHere: boolean): WaitingLook {
  if (isHere !== hadEnded) return "known";
  if (!isHere) return "ended";
  return wasHere ? "started" : "maybeStarted";
}
