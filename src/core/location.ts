/**
 * Where the guest is, as both ends were seen, and what follows from it: the end of its migration, or
 * another question. A call's return is never believed without the place: libvirt has reported success
 * for a guest that was nowhere. How an end is worded is outcome.ts's.
 */
import type { Outcome } from "./event.ts";
import { endFor } from "./guest-end.ts";
import type { Location } from "./input.ts";
import type { Migration } from "./migration.ts";
import {
  arrived,
  arrivedAndEnded,
  lost,
  notSaved,
  runsTwice,
  saved,
  startedAnew,
  stayed,
  unseen,
} from "./outcome.ts";

export type Verdict =
  | { readonly kind: "askAgain" }
  | { readonly kind: "ended"; readonly outcome: Outcome };

/** How long a place that cannot be known is asked for before the outcome says so. */
export const SETTLE_MAX_MS = 60_000;
/** A call that a killed daemon had just made may show its job only so much later. */
export const TAKEN_OVER_GRACE_MS = 5_000;
/** Post-copy without a byte, and without a word of the destination: its host may be gone. */
export const POSTCOPY_SILENT_MAX_MS = 600_000;
/** So long libvirt may say nothing of a VM, or a guest may be half arrived, before that is the end. */
export const UNDECIDED_MAX_MS = 600_000;
/** So often in a row a place is read before what cannot be taken back follows from it. */
export const SURE_READS = 2;
/** Two reads are two only so far apart: a destination answers from a look of a moment ago. */
export const READ_SPACING_MS = 1_000;

const ASK_AGAIN: Verdict = { kind: "askAgain" };

/** Judges where the guest is; `askAgain` while it is on its way or cannot be seen yet. */
export function judgeLocation(migration: Migration, location: Location, nowMs: number): Verdict {
  switch (location.source) {
    case "active":
      if (location.sourceJob && !migration.superseded) return ASK_AGAIN;
      // libvirt itself can leave it so: killed over the last step, it starts the guest there as well.
      if (location.destination === "active") {
        return migration.thereReads >= SURE_READS ? ended(runsTwice(migration, nowMs)) : ASK_AGAIN;
      }
      return mayStillBegin(migration, nowMs) ? ASK_AGAIN : ended(stayed(migration, nowMs));
    case "pausedCopy":
      return judgePausedCopy(migration, location, nowMs);
    case "switching":
      return judgeSwitching(migration, location, nowMs);
    case "ending":
      if (isSurelyThere(migration, location)) return ended(there(migration, nowMs));
      // Taken apart it would be gone by now: it hangs, and it is here.
      return lastsTooLong(migration, SETTLE_MAX_MS, nowMs)
        ? ended(stayed(migration, nowMs))
        : ASK_AGAIN;
    case "unknown":
      // Active and no longer incoming over there: it cannot be active here as well.
      if (isSurelyThere(migration, location)) return ended(there(migration, nowMs));
      return undecided(migration, nowMs);
    case "notActive":
      return migration.mode === "file"
        ? judgeSave(migration, location, nowMs)
        : judgeGone(migration, location, nowMs);
  }
}

/** What the definition that is left here says of its guest, where libvirt has not said it otherwise. */
export function noteEndHere(migration: Migration, { endedHere }: Location): Migration {
  if (endedHere === undefined || migration.superseded) return migration;
  const end = endFor(migration.mode, endedHere);
  if (end === null) return migration;
  if (end === "byOwnJob") return { ...migration, stoppedByJob: true };
  return { ...migration, guestStopped: migration.guestStopped ?? end };
}

/** Reads that agree with those before; see SURE_READS and READ_SPACING_MS. */
export function countReads(migration: Migration, location: Location, nowMs: number): Migration {
  const { readAtMs, pausedCopyReads, thereReads, lostReads } = migration;
  const spaced = readAtMs === null || nowMs - readAtMs >= READ_SPACING_MS;
  const count = (agrees: boolean, before: number): number => {
    if (!agrees) return 0;
    return before === 0 || spaced ? before + 1 : before;
  };
  const counted = {
    pausedCopyReads: count(isPausedCopyLeft(location), pausedCopyReads),
    thereReads: count(location.destination === "active", thereReads),
    lostReads: count(isLost(migration, location), lostReads),
  };
  const changed =
    counted.pausedCopyReads > pausedCopyReads ||
    counted.thereReads > thereReads ||
    counted.lostReads > lostReads;
  const heard = location.destination !== "silent" && location.destination !== "notAsked";
  return {
    ...migration,
    ...counted,
    readAtMs: changed ? nowMs : readAtMs,
    undecidedSinceMs: isUndecided(location) ? (migration.undecidedSinceMs ?? nowMs) : null,
    heardAtMs: heard ? nowMs : migration.heardAtMs,
  };
}

function isPausedCopyLeft(location: Location): boolean {
  return (
    location.source === "pausedCopy" && !location.sourceJob && location.destination === "active"
  );
}

/**
 * A destination that takes apart what arrived half shows it without a job for a moment, and a libvirtd
 * that has just been started knows less than all: where libvirt did not say that the guest has left,
 * one read is not enough.
 */
function isSurelyThere(migration: Migration, location: Location): boolean {
  const leftHere = location.source === "notActive" && saidToHaveLeft(migration);
  return leftHere || migration.thereReads >= SURE_READS;
}

/** One that never began can be nowhere else. */
function isLost(migration: Migration, location: Location): boolean {
  if (migration.waitingEnd !== null) return location.source === "notActive";
  return isLostInPostCopy(migration, location) || isAbsent(location);
}

function isAbsent({ source, sourceJob, destination }: Location): boolean {
  const notHere = source === "notActive" || (source === "switching" && !sourceJob);
  return notHere && destination === "absent";
}

function isSurelyGone(migration: Migration, location: Location): boolean {
  return isAbsent(location) && (saidToHaveEnded(migration) || migration.lostReads >= SURE_READS);
}

/** libvirt saw it end here. What it did not see may just as well have gone over, or into its image. */
function saidToHaveEnded({ guestStopped }: Migration): boolean {
  return guestStopped !== null && guestStopped !== "unseen";
}

/** The paused copy may go: read often enough, the guest runs over there and needs nothing of it. */
export function mayDestroyPausedCopy(migration: Migration): boolean {
  return migration.pausedCopyReads >= SURE_READS;
}

/**
 * In post-copy one half of the memory is gone: the destination's with its guest, or the source's, and
 * the destination waits for it for ever.
 */
function isLostInPostCopy(migration: Migration, location: Location): boolean {
  if (!migration.postCopy.begun || saidToHaveLeft(migration)) return false;
  if (location.source === "pausedCopy") return location.destination === "absent";
  return location.source === "notActive" && location.destination === "incoming";
}

/** Nobody saw the call come back, and no byte was seen: its job may show up yet. */
function mayStillBegin(migration: Migration, nowMs: number): boolean {
  const { unwatched, superseded, dataSinceMs, settlingSinceMs } = migration;
  return (
    unwatched === "daemonDown" &&
    !superseded &&
    dataSinceMs === null &&
    nowMs - (settlingSinceMs ?? nowMs) < TAKEN_OVER_GRACE_MS
  );
}

function sinceSettling({ settlingSinceMs, heardAtMs }: Migration, nowMs: number): number {
  return nowMs - Math.max(settlingSinceMs ?? nowMs, heardAtMs ?? 0);
}

/** Libvirt does not say where it is, or a guest that has left here has not all come. */
function isUndecided({ source, sourceJob, destination }: Location): boolean {
  if (source === "unknown" || source === "ending") return true;
  return destination === "incoming" && !sourceJob && source !== "pausedCopy";
}

/** So long in a row the place could not be told. */
function lastsTooLong({ undecidedSinceMs }: Migration, maxMs: number, nowMs: number): boolean {
  return nowMs - (undecidedSinceMs ?? nowMs) >= maxMs;
}

/** Asked for as long as it may change; then the outcome says that it is not known. */
function undecided(migration: Migration, nowMs: number): Verdict {
  return lastsTooLong(migration, UNDECIDED_MAX_MS, nowMs)
    ? ended(unseen(migration, nowMs))
    : ASK_AGAIN;
}

/** Paused for the switchover, and its job is over: a libvirtd that died over it leaves it so. */
function judgeSwitching(migration: Migration, location: Location, nowMs: number): Verdict {
  if (location.sourceJob) return ASK_AGAIN;
  switch (location.destination) {
    case "active":
      return isSurelyThere(migration, location) ? ended(there(migration, nowMs)) : ASK_AGAIN;
    case "left":
      return ended(there(migration, nowMs));
    case "incoming":
      return undecided(migration, nowMs);
    case "absent":
      return migration.lostReads >= SURE_READS ? ended(stayed(migration, nowMs)) : ASK_AGAIN;
    case "silent":
    case "notAsked":
      return sinceSettling(migration, nowMs) < SETTLE_MAX_MS
        ? ASK_AGAIN
        : ended(unseen(migration, nowMs));
  }
}

function judgePausedCopy(migration: Migration, location: Location, nowMs: number): Verdict {
  const { advance, settlingSinceMs } = migration;
  // It had all arrived and is not there any more: nobody needs the copy, and nobody comes to take it.
  if (location.destination === "left" && !location.sourceJob) return ended(there(migration, nowMs));
  const heardAtMs = Math.max(
    advance?.lastByteAtMs ?? 0,
    settlingSinceMs ?? 0,
    migration.heardAtMs ?? 0,
  );
  const silent = location.destination === "silent" || location.destination === "notAsked";
  if (silent && nowMs - heardAtMs >= POSTCOPY_SILENT_MAX_MS) {
    return ended(unseen(migration, nowMs));
  }
  const sure = isLostInPostCopy(migration, location) && migration.lostReads >= SURE_READS;
  return sure ? ended(lost(migration, nowMs)) : ASK_AGAIN;
}

/** The source has it no more. */
function judgeGone(migration: Migration, location: Location, nowMs: number): Verdict {
  switch (location.destination) {
    case "active":
      return isSurelyThere(migration, location) ? ended(there(migration, nowMs)) : ASK_AGAIN;
    case "left":
      return ended(there(migration, nowMs));
    case "incoming": {
      const sure = isLostInPostCopy(migration, location) && migration.lostReads >= SURE_READS;
      return sure ? ended(lost(migration, nowMs)) : undecided(migration, nowMs);
    }
    case "absent":
      return isSurelyGone(migration, location) ? ended(gone(migration, nowMs)) : ASK_AGAIN;
    case "silent":
    case "notAsked":
      return judgeUnseen(migration, location, nowMs);
  }
}

/** libvirt itself said that the guest has left: the call's return, its event, or the definition. */
function saidToHaveLeft({ callSucceeded, stoppedByJob }: Migration): boolean {
  return callSucceeded || stoppedByJob;
}

/** It runs over there: it has arrived, unless it may have been started anew with this host's reboot. */
function there(migration: Migration, nowMs: number): Outcome {
  const { unwatched, completedStats, callAtMs } = migration;
  const arrival = unwatched !== "hostDown" || (completedStats !== null && callAtMs !== null);
  return arrival ? arrived(migration, true, nowMs) : startedAnew(migration, nowMs);
}

/**
 * On neither host. If libvirt said that it has left, it arrived and ended there since, which is not the
 * migration's doing. Who did not look meanwhile cannot know that it is lost: it may have gone on.
 */
function gone(migration: Migration, nowMs: number): Outcome {
  const { unwatched, guestStopped, postCopy } = migration;
  if (saidToHaveLeft(migration)) return arrivedAndEnded(migration, nowMs);
  const seen = unwatched === null || guestStopped !== null || postCopy.begun;
  return seen || unwatched === "hostDown" ? lost(migration, nowMs) : unseen(migration, nowMs);
}

function judgeSave(migration: Migration, location: Location, nowMs: number): Verdict {
  const isSaved =
    saidToHaveLeft(migration) ||
    migration.completedStats !== null ||
    (migration.unwatched !== null && location.image === "complete");
  if (isSaved) return ended(saved(migration, nowMs));
  // Nobody saw how it went, and the image cannot be looked at: it may be the guest's only copy.
  const isUnread = migration.unwatched !== null && location.image === undefined;
  if (isUnread && sinceSettling(migration, nowMs) < SETTLE_MAX_MS) return ASK_AGAIN;
  const mayBeSaved = !saidToHaveEnded(migration) && location.image !== "notComplete";
  const outcome = migration.guestStopped === null || mayBeSaved ? notSaved : lost;
  return ended(outcome(migration, nowMs));
}

/** The source has it no more and nobody can be asked on the destination. */
function judgeUnseen(migration: Migration, location: Location, nowMs: number): Verdict {
  if (saidToHaveLeft(migration)) {
    return ended(arrived(migration, false, nowMs, location.destination !== "notAsked"));
  }
  // libvirt said itself that the guest has ended here, before it could have gone.
  if (saidToHaveEnded(migration) && !migration.postCopy.begun) {
    return ended(lost(migration, nowMs));
  }
  if (sinceSettling(migration, nowMs) < SETTLE_MAX_MS) return ASK_AGAIN;
  return ended(unseen(migration, nowMs));
}

function ended(outcome: Outcome): Verdict {
  return { kind: "ended", outcome };
}
