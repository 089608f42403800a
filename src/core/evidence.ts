/**
 * What is known about where the guest is: libvirt's events and records, and the reads of its location. What
 * cannot be undone takes SURE_READS consecutive reads that agree, at least READ_SPACING_MS apart, since one
 * read may mislead: a destination answers from its last poll and may for a moment show no job for a
 * guest that has arrived in part only, and a libvirtd that has just started does not know everything yet.
 */
import { endFor } from "./guest-end.ts";
import type { Input, Location } from "./input.ts";
import { ownOperation } from "./job-stats.ts";
import type { Evidence, Migration } from "./migration.ts";
import { type Turn, decide } from "./turn.ts";

/** Consecutive reads that what cannot be undone takes. */
export const SURE_READS = 2;
export const READ_SPACING_MS = 1_000;
/** How long the guest is located before its location counts as unknown. */
export const SETTLE_MAX_MS = 60_000;

/** This daemon has read nothing yet. */
export const NO_READS = {
  pausedCopyReads: 0,
  thereReads: 0,
  lostReads: 0,
  readAtMs: null,
  undecidedSinceMs: null,
  heardAtMs: null,
} as const satisfies Partial<Evidence>;

function note(migration: Migration, noted: Partial<Evidence>): Migration {
  return { ...migration, evidence: { ...migration.evidence, ...noted } };
}

/** Whether what libvirt shows or says of a job may be about ours, which no reboot leaves alive. */
export function mayBeOurJob({ call, evidence }: Migration): boolean {
  return !evidence.superseded && call.returned?.unwatched !== "hostDown";
}

/** libvirt's record of a completed job. A backup has one as well. */
export function jobCompleted(
  migration: Migration,
  { stats }: Input<"jobCompleted">,
  turn: Turn,
): Migration {
  const isOurs = stats.operation === ownOperation(migration.facts.mode);
  if (!isOurs || !mayBeOurJob(migration)) return migration;
  decide(turn, "record", "libvirt's record of the job", {
    downtimeMs: stats.downtimeMs ?? null,
    downtimeNetMs: stats.downtimeNetMs ?? null,
    dataProcessedBytes: stats.dataProcessedBytes,
  });
  return note(migration, { record: stats });
}

export function stoppedByJob(
  migration: Migration,
  _: Input<"stoppedByJob">,
  turn: Turn,
): Migration {
  if (!mayBeOurJob(migration)) return migration;
  decide(turn, "guest", "libvirt says that the job has taken it away from here");
  return note(migration, { stoppedByJob: true });
}

export function guestStopped(
  migration: Migration,
  { how }: Input<"guestStopped">,
  turn: Turn,
): Migration {
  decide(turn, "guest", "it ended here", { how });
  return note(migration, { guestStopped: how });
}

/** Its migration still waits. */
export function guestStarted(migration: Migration): Migration {
  return note(migration, { guestStopped: null, stoppedByJob: false });
}

/**
 * An answer to where the guest is: what it says is noted, and reads that agree are counted. While the call
 * is out, or before it is made, nothing can follow from the location, so it is not counted.
 */
export function noteLocation(
  before: Migration,
  input: Input<"location">,
  nowMs: number,
): Migration {
  const migration = noteAnswer(before, input);
  return isLocated(migration) ? countReads(migration, input.location, nowMs) : migration;
}

/** What an answer says apart from the location itself. */
function noteAnswer(migration: Migration, { location, record }: Input<"location">): Migration {
  const noted = noteEndHere(migration, location);
  const { evidence } = noted;
  return note(noted, {
    record: evidence.record ?? record,
    runState: location.runState ?? evidence.runState,
    superseded: evidence.superseded || isOthersJob(migration, location),
  });
}

/** libvirt refused our call because the VM had a job: the job that it shows is another party's. */
function isOthersJob({ call, end, sample }: Migration, location: Location): boolean {
  const { returned } = call;
  if (end !== null) return false;
  if (returned === null || returned.unwatched !== null || sample.dataSinceMs !== null) return false;
  const refused = returned.refusal?.kind === "invalidState";
  return refused && location.job !== undefined;
}

/** How the guest ended here by the definition that is left, unless an event has already said. */
function noteEndHere(migration: Migration, { endedHere }: Location): Migration {
  const { evidence, facts } = migration;
  if (endedHere === undefined || evidence.superseded) return migration;
  const end = endFor(facts.mode, endedHere);
  if (end === null) return migration;
  if (end === "byOwnJob") {
    return mayBeOurJob(migration) ? note(migration, { stoppedByJob: true }) : migration;
  }
  return note(migration, { guestStopped: evidence.guestStopped ?? end });
}

/** Its location decides: the call has returned, or was never made and the migration is to end. */
function isLocated({ admission, call, end }: Migration): boolean {
  return call.returned !== null || admission.ending !== null || end !== null;
}

/** Counts consecutive reads that agree. */
function countReads(migration: Migration, location: Location, nowMs: number): Migration {
  const { evidence } = migration;
  const { readAtMs, pausedCopyReads, thereReads, lostReads } = evidence;
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
  return note(migration, {
    ...counted,
    readAtMs: changed ? nowMs : readAtMs,
    undecidedSinceMs: isUndecided(location) ? (evidence.undecidedSinceMs ?? nowMs) : null,
    heardAtMs: heard ? nowMs : evidence.heardAtMs,
  });
}

function isPausedCopyLeft({ source, sourceJob, destination }: Location): boolean {
  return source === "pausedCopy" && !sourceJob && destination === "active";
}

/** Before its migration the guest can be nowhere but here. */
function isLost(migration: Migration, location: Location): boolean {
  if (migration.admission.ending !== null) return location.source === "notActive";
  return isLostInPostCopy(migration, location) || isAbsent(location);
}

/** On neither host. */
function isAbsent({ source, sourceJob, destination }: Location): boolean {
  const notHere = source === "notActive" || (source === "switching" && !sourceJob);
  return notHere && destination === "absent";
}

/**
 * In post-copy, half of the memory is gone: the destination's with its guest, or the source's, for which
 * the destination waits for ever. Only post-copy leaves a paused copy here.
 */
function isLostInPostCopy(migration: Migration, location: Location): boolean {
  const { evidence, postCopy } = migration;
  if (saidToHaveLeft(migration)) return false;
  if (location.source === "pausedCopy") {
    return location.destination === "absent" && (postCopy.begun || !evidence.superseded);
  }
  return postCopy.begun && location.source === "notActive" && location.destination === "incoming";
}

/** libvirt does not say where it is, or it has left here and arrived in part only. */
function isUndecided({ source, sourceJob, destination }: Location): boolean {
  if (source === "unknown" || source === "ending") return true;
  return destination === "incoming" && !sourceJob && source !== "pausedCopy";
}

/**
 * libvirt said that the guest left: by the call's return, an event, or the definition. If it was never
 * called, somebody else's job took it.
 */
function saidToHaveLeft({ call, evidence }: Migration): boolean {
  if (call.madeAtMs === null) return false;
  return call.returned?.succeeded === true || evidence.stoppedByJob;
}

/** libvirt saw it end here. Unseen, it may just as well have migrated, or been saved. */
function saidToHaveEnded({ evidence }: Migration): boolean {
  return evidence.guestStopped !== null && evidence.guestStopped !== "unseen";
}

/** A location, and what it means with all that is known. */
export interface Reading extends Location {
  readonly saidToHaveLeft: boolean;
  readonly saidToHaveEnded: boolean;
  /** Active on the destination: libvirt says that it left here, or it was read often enough. */
  readonly surelyThere: boolean;
  /** On neither host: libvirt saw it end here, or it was read often enough. */
  readonly surelyGone: boolean;
  /** In post-copy, half of the memory is gone, read often enough. */
  readonly surelyHalved: boolean;
  /** Since the call returned, or the destination last said anything. */
  readonly settlingForMs: number;
  /** For how long the reads have left it undecided. */
  readonly undecidedForMs: number;
}

/** `location` has been counted already. */
export function readingOf(migration: Migration, location: Location, nowMs: number): Reading {
  const { call, evidence } = migration;
  const { heardAtMs, lostReads, thereReads, undecidedSinceMs } = evidence;
  const hasLeft = saidToHaveLeft(migration);
  const hasEnded = saidToHaveEnded(migration);
  const often = lostReads >= SURE_READS;
  return {
    ...location,
    saidToHaveLeft: hasLeft,
    saidToHaveEnded: hasEnded,
    surelyThere: (location.source === "notActive" && hasLeft) || thereReads >= SURE_READS,
    surelyGone: isAbsent(location) && (hasEnded || often),
    surelyHalved: isLostInPostCopy(migration, location) && often,
    settlingForMs: nowMs - Math.max(call.returned?.sinceMs ?? nowMs, heardAtMs ?? 0),
    undecidedForMs: nowMs - (undecidedSinceMs ?? nowMs),
  };
}
