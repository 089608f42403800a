/**
 * What is known of where the guest is: libvirt's events and records, and the reads of its location. What
 * cannot be taken back follows from SURE_READS consecutive reads that agree, at least READ_SPACING_MS
 * apart: a destination answers from a look of a moment ago, shows a guest that arrived half without a
 * job for a moment, and a libvirtd that was just started knows less than everything.
 */
import { endFor } from "./guest-end.ts";
import type { Input, Location } from "./input.ts";
import { ownOperation } from "./job-stats.ts";
import type { Evidence, Migration } from "./migration.ts";
import { type Turn, decide } from "./turn.ts";

/** So many reads in a row before what cannot be taken back follows from them. */
export const SURE_READS = 2;
export const READ_SPACING_MS = 1_000;
/** How long an unknown location is asked for before the outcome says so. */
export const SETTLE_MAX_MS = 60_000;

/** Nothing is read yet, by this daemon. */
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

/** libvirt's record of a job that ended; a backup that ends meanwhile has one, too. */
export function jobCompleted(
  migration: Migration,
  { stats }: Input<"jobCompleted">,
  turn: Turn,
): Migration {
  const { evidence, facts } = migration;
  if (evidence.superseded || stats.operation !== ownOperation(facts.mode)) return migration;
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
  if (migration.evidence.superseded) return migration;
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

/** Only of one that waits. */
export function guestStarted(migration: Migration): Migration {
  return note(migration, { guestStopped: null, stoppedByJob: false });
}

/** What one answer says beside the location itself. */
export function noteAnswer(
  migration: Migration,
  { location, record }: Input<"location">,
): Migration {
  const noted = noteEndHere(migration, location);
  const { evidence } = noted;
  return note(noted, {
    record: evidence.record ?? record,
    runState: location.runState ?? evidence.runState,
    superseded: evidence.superseded || isOthersJob(migration, location),
  });
}

/** libvirt refused our call because the VM had a job: the one that it shows is another party's. */
function isOthersJob({ call, sample }: Migration, location: Location): boolean {
  const { returned } = call;
  if (returned === null || returned.unwatched !== null || sample.dataSinceMs !== null) return false;
  const refused = returned.refusal?.kind === "invalidState";
  return refused && location.job !== undefined;
}

/** What the definition left here says about its guest, where libvirt has not said otherwise. */
export function noteEndHere(migration: Migration, { endedHere }: Location): Migration {
  const { evidence, facts } = migration;
  if (endedHere === undefined || evidence.superseded) return migration;
  const end = endFor(facts.mode, endedHere);
  if (end === null) return migration;
  if (end === "byOwnJob") return note(migration, { stoppedByJob: true });
  return note(migration, { guestStopped: evidence.guestStopped ?? end });
}

/** Counts the reads that agree with those before. */
export function countReads(migration: Migration, location: Location, nowMs: number): Migration {
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

/** One that never began can be nowhere else. */
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
 * In post-copy one half of the memory is gone: the destination's with its guest, or the source's, and
 * the destination waits for it for ever.
 */
function isLostInPostCopy(migration: Migration, location: Location): boolean {
  if (!migration.postCopy.begun || saidToHaveLeft(migration)) return false;
  if (location.source === "pausedCopy") return location.destination === "absent";
  return location.source === "notActive" && location.destination === "incoming";
}

/** libvirt does not say where it is, or a guest that has left here has not all come. */
function isUndecided({ source, sourceJob, destination }: Location): boolean {
  if (source === "unknown" || source === "ending") return true;
  return destination === "incoming" && !sourceJob && source !== "pausedCopy";
}

/** libvirt said that the guest has left: the call's return, its event, or the definition. */
function saidToHaveLeft({ call, evidence }: Migration): boolean {
  return call.returned?.succeeded === true || evidence.stoppedByJob;
}

/** libvirt saw it end here. What it did not see may just as well have gone over, or into its image. */
function saidToHaveEnded({ evidence }: Migration): boolean {
  return evidence.guestStopped !== null && evidence.guestStopped !== "unseen";
}

/** A location, and what it means together with all that was known and read before. */
export interface Reading extends Location {
  readonly saidToHaveLeft: boolean;
  readonly saidToHaveEnded: boolean;
  /** Active over there: libvirt says that it left here, or it was read often enough. */
  readonly surelyThere: boolean;
  /** On neither host: libvirt saw it end here, or it was read often enough. */
  readonly surelyGone: boolean;
  /** One half of a post-copy is gone, read often enough. */
  readonly surelyHalved: boolean;
  /** Since the call returned, or the destination last said anything. */
  readonly settlingForMs: number;
  /** For how long each read has left it undecided. */
  readonly undecidedForMs: number;
}

/** Of a migration whose reads are counted. */
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
