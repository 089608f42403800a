/**
 * A migration that waits: in the queue, deferred, or preparing. Its VM can be suspended, resumed,
 * switched off and on, saved or taken elsewhere meanwhile, so nothing that was seen at acceptance counts
 * later. Whatever ends one that waits only says why; where its guest is by then is asked of libvirt,
 * and the answer is the outcome.
 */
import type { Effect } from "./effect.ts";
import type { Outcome, VmStatus } from "./event.ts";
import type { Location } from "./input.ts";
import { SETTLE_MAX_MS, SURE_READS } from "./location.ts";
import type { Migration, WaitingEnd } from "./migration.ts";
import { type Found, neverBegan } from "./outcome.ts";
import { unavailableAs } from "./post-copy-availability.ts";
import { type RunState, isOff } from "./run-state.ts";
import { beginsWithPostCopy } from "./schedule.ts";
import { type Stepped, ask } from "./turn.ts";

/** Accepted: the engine is told from here on, once, that the VM is leaving. */
export function accepted(migration: Migration): Stepped {
  const status: VmStatus =
    migration.mode === "file" ? { kind: "savingState" } : { kind: "migrationSource" };
  return { migration, effects: [{ kind: "event", event: { kind: "vmStatus", status } }] };
}

/** What may be known of a VM that waits. */
export type SeenVm = Partial<Pick<Migration, "runState" | "vmName" | "memoryBytes">> & {
  /** Between two of the host's own downtime steps, by that memory. */
  readonly stepWaitMs?: number;
};

/** The VM as libvirt shows it now, and whether post-copy is possible for it. The same object if so before. */
export function seenWaiting(before: Migration, seen: SeenVm): Migration {
  const { runState = before.runState, vmName = before.vmName } = seen;
  const { memoryBytes = before.memoryBytes, stepWaitMs } = seen;
  const isNews =
    runState !== before.runState || vmName !== before.vmName || memoryBytes !== before.memoryBytes;
  if (!isNews) return before;
  // What is off has no guest that could be paused: it is judged when it is on again, or at the end.
  const postCopy = isOff(runState) ? before.postCopy : postCopyOf(before, runState);
  const { downtime } = before;
  const waits =
    downtime !== null && stepWaitMs !== undefined ? { ...downtime, stepWaitMs } : downtime;
  return { ...before, runState, vmName, memoryBytes, postCopy, downtime: waits };
}

function postCopyOf(migration: Migration, runState: RunState): Migration["postCopy"] {
  const { postCopy, schedule } = migration;
  const unavailableReason = unavailableAs(postCopy.unavailableReason, runState);
  if (unavailableReason === postCopy.unavailableReason) return postCopy;
  const possible = unavailableReason === null;
  const begins = possible && schedule !== null && beginsWithPostCopy(schedule.schedule);
  return { ...postCopy, possible, unavailableReason, wanted: postCopy.wanted || begins };
}

/** It is to end: first libvirt is asked where its guest is. */
export function leaveQueue(before: Migration, waitingEnd: WaitingEnd, nowMs: number): Stepped {
  const effects: Effect[] = [];
  const leaving: Migration = {
    ...before,
    phase: "settling",
    settlingSinceMs: nowMs,
    waitingEnd,
  };
  return { migration: ask(leaving, effects, { kind: "locateGuest" }), effects };
}

/** How it ends, by where its guest was found; null: to be asked again. */
export function endOfWaiting(
  migration: Migration,
  waitingEnd: WaitingEnd,
  location: Location,
  nowMs: number,
): Outcome | null {
  const found = foundAt(migration, location);
  if (isUnclear(migration, location, found, nowMs)) return null;
  return neverBegan(migration, waitingEnd, found, nowMs);
}

/** It may be told soon: libvirt says nothing of a VM while it works on it, for seconds. */
function isUnclear(migration: Migration, location: Location, found: Found, nowMs: number): boolean {
  const { settlingSinceMs, lostReads } = migration;
  if (nowMs - (settlingSinceMs ?? nowMs) >= SETTLE_MAX_MS) return false;
  // What is taken apart is gone next time; and an event that says why it is may be on its way.
  if (found.kind === "absent") return lostReads < SURE_READS;
  return found.kind === "silent" || location.source === "ending";
}

/** What its definition says comes first; how it was stopped an event says better (outcome.ts). */
export function foundAt(
  { mode, guestStopped, stoppedByJob }: Migration,
  location: Location,
): Found {
  const there = location.destination === "active" || location.destination === "left";
  switch (location.source) {
    case "active":
    case "switching":
    case "ending":
      return { kind: "here" };
    case "pausedCopy":
      return { kind: "left", there };
    case "unknown":
      return { kind: "silent" };
    case "notActive": {
      const { endedHere } = location;
      if (endedHere === "migrated") return { kind: "left", there };
      if (endedHere !== undefined) return { kind: "stopped", how: guestStopped ?? endedHere };
      if (there) return { kind: "left", there };
      // Of one that is to be saved libvirt's word is that it was saved: by somebody else.
      if (stoppedByJob) return mode === "file" ? SAVED : { kind: "left", there };
      return guestStopped === null ? { kind: "absent" } : { kind: "stopped", how: guestStopped };
    }
  }
}

const SAVED: Found = { kind: "stopped", how: "saved" };
