/**
 * Where the guest is, as both ends were seen, and what follows from it: the end of its migration, or
 * another question. A call's return is never believed without the place: libvirt has reported success
 * for a guest that was nowhere. How an end is worded is outcome.ts's.
 */
import type { Migration } from "./migration.ts";
import { arrived, lost, notSaved, saved, stayed, unseen, type Outcome } from "./outcome.ts";

/** What was seen of the guest on both ends, asked after the call had returned. */
export interface Place {
  /**
   * `shell`: what post-copy leaves here of a guest that runs elsewhere, paused. `switching`: paused for
   * the switchover, without a job: it goes next, or goes on here.
   */
  readonly source: "active" | "switching" | "shell" | "notActive" | "unknown";
  /** On the source libvirt still shows a job. */
  readonly sourceJob: boolean;
  readonly destination: "active" | "incoming" | "absent" | "silent" | "notAsked";
  /** Mode file, the guest not active here: whether libvirt has finished the image. */
  readonly image?: "complete" | "notComplete";
}

export type Verdict =
  | { readonly kind: "askAgain" }
  | { readonly kind: "ended"; readonly outcome: Outcome };

/** How long a place that cannot be known is asked for before the outcome says so. */
export const SETTLE_MAX_MS = 60_000;
/** A call that a killed daemon had just made may show its job only so much later. */
export const TAKEN_OVER_GRACE_MS = 5_000;
/** Post-copy without a byte, and without a word of the destination: its host may be gone. */
export const POSTCOPY_SILENT_MAX_MS = 600_000;
/** So often in a row a place is read before what cannot be taken back follows from it. */
export const SURE_READS = 2;

const ASK_AGAIN: Verdict = { kind: "askAgain" };

/** Judges where the guest is; `askAgain` while it is on its way or cannot be seen yet. */
export function judgePlace(migration: Migration, place: Place, nowMs: number): Verdict {
  switch (place.source) {
    case "active":
      return place.sourceJob || mayStillBegin(migration, nowMs)
        ? ASK_AGAIN
        : ended(stayed(migration, nowMs));
    case "shell":
      return judgeShell(migration, place, nowMs);
    case "switching":
      return sinceSettling(migration, nowMs) < SETTLE_MAX_MS
        ? ASK_AGAIN
        : ended(stayed(migration, nowMs));
    case "unknown":
      // Active and no longer incoming over there: it cannot be active here as well.
      return isSurelyThere(migration, place) ? ended(arrived(migration, true, nowMs)) : ASK_AGAIN;
    case "notActive":
      return migration.mode === "file"
        ? judgeSave(migration, place, nowMs)
        : judgeGone(migration, place, nowMs);
  }
}

/** Reads that agree with those before; see SURE_READS. */
export function countReads(migration: Migration, place: Place): Migration {
  const there = place.source === "shell" && !place.sourceJob && place.destination === "active";
  const lost = isLostInPostCopy(migration, place) || isAbsent(place);
  const arrived = place.destination === "active" && place.source !== "active";
  return {
    ...migration,
    shellReads: there ? migration.shellReads + 1 : 0,
    thereReads: arrived ? migration.thereReads + 1 : 0,
    lostReads: lost ? migration.lostReads + 1 : 0,
  };
}

/**
 * A destination that takes apart what arrived half shows it without a job for a moment, and a libvirtd
 * that has just been started knows less than all: where libvirt did not say that the guest has left,
 * one read is not enough.
 */
function isSurelyThere(migration: Migration, place: Place): boolean {
  const { callSucceeded, stoppedByJob, thereReads } = migration;
  const leftHere = place.source === "notActive" && (callSucceeded || stoppedByJob);
  return leftHere || thereReads >= SURE_READS;
}

function isAbsent(place: Place): boolean {
  return place.source === "notActive" && place.destination === "absent";
}

function isSurelyGone({ lostReads, guestStopped }: Migration, place: Place): boolean {
  return isAbsent(place) && (guestStopped !== null || lostReads >= SURE_READS);
}

/** The shell may go: read often enough, the guest runs over there and needs nothing of it. */
export function mayDestroyShell(migration: Migration): boolean {
  return migration.shellReads >= SURE_READS;
}

/**
 * In post-copy one half of the memory is gone: the destination's with its guest, or the source's, and
 * the destination waits for it for ever.
 */
function isLostInPostCopy(migration: Migration, place: Place): boolean {
  if (!migration.postCopy.begun || migration.callSucceeded || migration.stoppedByJob) return false;
  if (place.source === "shell") return place.destination === "absent";
  return place.source === "notActive" && place.destination === "incoming";
}

/** Nobody saw the call come back, and no byte was seen: its job may show up yet. */
function mayStillBegin({ unwatched, dataSinceMs, settlingSinceMs }: Migration, nowMs: number) {
  return (
    unwatched === "daemonDown" &&
    dataSinceMs === null &&
    nowMs - (settlingSinceMs ?? nowMs) < TAKEN_OVER_GRACE_MS
  );
}

function sinceSettling({ settlingSinceMs }: Migration, nowMs: number): number {
  return nowMs - (settlingSinceMs ?? nowMs);
}

function judgeShell(migration: Migration, place: Place, nowMs: number): Verdict {
  const heardAtMs = Math.max(migration.advance?.lastByteAtMs ?? 0, migration.settlingSinceMs ?? 0);
  if (place.destination === "silent" && nowMs - heardAtMs >= POSTCOPY_SILENT_MAX_MS) {
    return ended(unseen(migration, nowMs));
  }
  const sure = isLostInPostCopy(migration, place) && migration.lostReads >= SURE_READS;
  return sure ? ended(lost(migration, nowMs)) : ASK_AGAIN;
}

/** The source has it no more. */
function judgeGone(migration: Migration, place: Place, nowMs: number): Verdict {
  switch (place.destination) {
    case "active":
      return isSurelyThere(migration, place) ? ended(arrived(migration, true, nowMs)) : ASK_AGAIN;
    case "incoming": {
      const sure = isLostInPostCopy(migration, place) && migration.lostReads >= SURE_READS;
      return sure ? ended(lost(migration, nowMs)) : ASK_AGAIN;
    }
    case "absent":
      return isSurelyGone(migration, place) ? ended(lost(migration, nowMs)) : ASK_AGAIN;
    case "silent":
    case "notAsked":
      return judgeUnseen(migration, nowMs);
  }
}

function judgeSave(migration: Migration, place: Place, nowMs: number): Verdict {
  const isSaved =
    migration.callSucceeded ||
    migration.stoppedByJob ||
    migration.completedStats !== null ||
    (migration.unwatched !== null && place.image === "complete");
  return ended(isSaved ? saved(migration, nowMs) : notSaved(migration, nowMs));
}

/** The source has it no more and nobody can be asked on the destination. */
function judgeUnseen(migration: Migration, nowMs: number): Verdict {
  if (migration.callSucceeded || migration.stoppedByJob) {
    return ended(arrived(migration, false, nowMs));
  }
  if (sinceSettling(migration, nowMs) < SETTLE_MAX_MS) return ASK_AGAIN;
  return ended(unseen(migration, nowMs));
}

function ended(outcome: Outcome): Verdict {
  return { kind: "ended", outcome };
}
