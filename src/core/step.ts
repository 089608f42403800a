/**
 * The one way a migration changes: (migration, input, now) -> { migration, effects }. Same state and
 * same input give the same result; nothing here reads a clock, calls libvirt or logs. The daemon
 * performs the effects and feeds back what came of them.
 *
 * After `ended` nothing produces an effect any more, except what is learnt late of where the guest is
 * (late.ts).
 */
import { adopted } from "./adopt.ts";
import { changed } from "./change.ts";
import { beginPostCopy, cycleStep, passBegan } from "./cycle.ts";
import { SOON_MS, judgeSilence, refusedTriesAfter } from "./destination.ts";
import { effectDone } from "./effect-done.ts";
import type { Effect } from "./effect.ts";
import type { Refusal } from "./refusal.ts";
import { end } from "./end.ts";
import type { Input, Location } from "./input.ts";
import type { JobStats } from "./job-stats.ts";
import { learntLate } from "./late.ts";
import { countReads, judgeLocation, mayDestroyPausedCopy, noteEndHere } from "./location.ts";
import type { Migration, Phase, WaitingEnd } from "./migration.ts";
import { abandoned } from "./outcome.ts";
import { restored } from "./restore.ts";
import {
  admitted,
  begin,
  beginWithoutPostCopy,
  deferred,
  downtimeFound,
  downtimePrepared,
} from "./start.ts";
import { askAbort } from "./steer.ts";
import { type Stepped, ask } from "./turn.ts";
import { accepted, endOfWaiting, leaveQueue, seenWaiting } from "./waiting.ts";

const LIVE: readonly Phase[] = [
  "queued",
  "preparing",
  "starting",
  "running",
  "postCopy",
  "settling",
];
const WAITING: readonly Phase[] = ["queued", "preparing"];
const CALL_OUT: readonly Phase[] = ["starting", "running", "postCopy"];
const FROM_CALL: readonly Phase[] = [...CALL_OUT, "settling"];

/** In which phases an input means anything; in the others it came too late and changes nothing. */
const PHASES_OF: Readonly<Record<Input["kind"], readonly Phase[]>> = {
  accepted: ["queued"],
  admitted: ["queued"],
  seen: WAITING,
  cleared: [],
  departureOver: [],
  reserved: ["preparing"],
  downtimeFound: ["preparing", "settling"],
  downtimePrepared: ["preparing"],
  deferred: ["preparing"],
  reached: ["preparing"],
  unanswered: ["preparing"],
  notAdmitted: WAITING,
  begin: ["preparing"],
  notBegun: WAITING,
  cycle: LIVE,
  passBegan: LIVE,
  jobCompleted: FROM_CALL,
  stoppedByJob: LIVE,
  guestStopped: LIVE,
  guestStarted: WAITING,
  callEnded: CALL_OUT,
  effectDone: LIVE,
  location: LIVE,
  change: ["queued", "preparing", "starting", "running", "postCopy"],
  restore: LIVE,
  adopt: ["queued"],
  cancel: ["queued", "preparing", "starting", "running", "settling"],
  abandoned: LIVE,
};

/** Advances one migration by one input. Pure; never throws. */
export function step(migration: Migration, input: Input, nowMs: number): Stepped {
  if (migration.phase === "ended") return afterEnd(migration, input, nowMs);
  if (!PHASES_OF[input.kind].includes(migration.phase)) return unchanged(migration);
  switch (input.kind) {
    case "accepted":
      return accepted(migration);
    case "admitted":
      return admitted(migration);
    case "seen":
      return unchanged(seenWaiting(migration, input));
    case "cleared":
    case "departureOver":
      return unchanged(migration);
    case "reserved":
      return unchanged({ ...migration, reservedThere: true });
    case "downtimeFound":
      return unchanged(downtimeFound(migration, input.foundMs));
    case "downtimePrepared":
      return downtimePrepared(migration, input, nowMs);
    case "deferred":
      return migration.stop === null
        ? deferred(migration, { ...input, refusedTries: 0 }, nowMs)
        : leaveQueue(migration, STOPPED, nowMs);
    case "reached":
      return unchanged({ ...migration, destinationReached: true });
    case "unanswered":
      return unanswered(migration, input, nowMs);
    case "notAdmitted":
      return leaveQueue(migration, { kind: "notAdmitted" }, nowMs);
    case "begin":
      return migration.stop === null
        ? begin(migration, input, nowMs)
        : leaveQueue(migration, STOPPED, nowMs);
    case "notBegun":
      return leaveQueue(migration, { kind: "notBegun", refusal: input.refusal }, nowMs);
    case "cycle":
      return cycleStep(migration, input, nowMs);
    case "passBegan":
      return passBegan(migration, input.sample, nowMs);
    case "jobCompleted":
      // Of somebody else's job it says nothing of ours.
      return unchanged(migration.superseded ? migration : withRecord(migration, input.stats));
    case "stoppedByJob":
      return unchanged(migration.superseded ? migration : { ...migration, stoppedByJob: true });
    case "guestStopped":
      return unchanged({ ...migration, guestStopped: input.how });
    case "guestStarted":
      return unchanged({ ...migration, guestStopped: null, stoppedByJob: false });
    case "callEnded":
      return callEnded(migration, input.refusal, nowMs);
    case "effectDone":
      return effectDone(migration, input, nowMs);
    case "location":
      return located(migration, input, nowMs);
    case "change":
      return unchanged(changed(migration, input.changes, nowMs));
    case "restore":
      return unchanged(restored(migration, input.after, nowMs));
    case "adopt":
      return unchanged(adopted(migration, input, nowMs));
    case "cancel":
      return cancel(migration, nowMs);
    case "abandoned":
      return end(migration, abandoned(migration, nowMs), nowMs);
  }
}

/** What is still learnt of one that has ended. */
function afterEnd(migration: Migration, input: Input, nowMs: number): Stepped {
  if (input.kind === "cleared") return unchanged({ ...migration, cleared: true });
  if (input.kind === "departureOver") return unchanged({ ...migration, departureOver: input.why });
  if (input.kind === "restore") return unchanged(restored(migration, input.after, nowMs));
  return input.kind === "location" ? learntLate(migration, input, nowMs) : unchanged(migration);
}

/** The record of this migration's job; a backup that ends meanwhile has one, too. */
function withRecord(migration: Migration, stats: JobStats): Migration {
  const own = migration.mode === "file" ? "save" : "migrationOut";
  return stats.operation === own ? { ...migration, completedStats: stats } : migration;
}

function unchanged(migration: Migration): Stepped {
  return { migration, effects: [] };
}

function unanswered(
  migration: Migration,
  { silence, reachedBefore, retryAtMs }: Extract<Input, { kind: "unanswered" }>,
  nowMs: number,
): Stepped {
  if (migration.stop !== null) return leaveQueue(migration, STOPPED, nowMs);
  const { cause, text: reason } = silence;
  const refusedTries = refusedTriesAfter(migration.refusedTries, cause);
  switch (judgeSilence(cause, { refusedTries, reachedBefore })) {
    case "fatal":
      return leaveQueue(
        migration,
        { kind: "noDestination", why: reason, tries: refusedTries },
        nowMs,
      );
    case "soon":
      return deferred(migration, { retryAtMs: nowMs + SOON_MS, reason, refusedTries }, nowMs);
    case "wait":
      return deferred(migration, { retryAtMs, reason, refusedTries }, nowMs);
  }
}

function callEnded(migration: Migration, refusal: Refusal | null, nowMs: number): Stepped {
  const begun = migration.stats !== null || migration.phase !== "starting";
  const retry =
    refusal?.refusesPostCopy === true &&
    migration.postCopy.possible &&
    migration.stop === null &&
    !begun;
  if (retry) return beginWithoutPostCopy(migration, refusal);
  const effects: Effect[] = [];
  const settling: Migration = {
    ...migration,
    phase: "settling",
    settlingSinceMs: nowMs,
    callReturned: true,
    callRefusal: refusal,
    callSucceeded: refusal === null,
  };
  return { migration: ask(settling, effects, { kind: "locateGuest" }), effects };
}

function cancel(migration: Migration, nowMs: number): Stepped {
  // A second one joins the first: the cycle pursues it already, and not past libvirt's acceptance.
  if (migration.stop !== null && migration.phase !== "queued") return unchanged(migration);
  // Taken over from `preparing` it waits in the queue with the stop that it was given there.
  const stop = migration.stop ?? {
    why: "cancel" as const,
    sinceMs: nowMs,
    acceptedAtMs: null,
    refusal: null,
  };
  const stopping: Migration = { ...migration, stop };
  if (migration.phase === "queued") return leaveQueue(stopping, STOPPED, nowMs);
  if (migration.phase === "preparing") return unchanged(stopping);
  // As in the phase postCopy: nothing may stop it any more.
  if (migration.postCopy.begun) return unchanged(migration);
  // In settling it is only remembered: should the job go on after all, it is pursued.
  if (migration.phase === "settling" || migration.superseded) return unchanged(stopping);
  const effects: Effect[] = [];
  return { migration: askAbort(stopping, effects), effects };
}

function located(
  before: Migration,
  input: Extract<Input, { kind: "location" }>,
  nowMs: number,
): Stepped {
  const answered: Migration = {
    ...noteEndHere(before, input.location),
    pending: before.pending.filter((kind) => kind !== "locateGuest"),
    completedStats: before.completedStats ?? input.record,
    runState: input.location.runState ?? before.runState,
    superseded: before.superseded || isOthersJob(before, input.location),
  };
  if (answered.phase !== "settling" && !answered.callReturned) return unchanged(answered);
  const { waitingEnd } = answered;
  if (waitingEnd !== null) return locatedWaiting(answered, waitingEnd, input.location, nowMs);
  const effects: Effect[] = [];
  // A paused copy is left by post-copy alone, also by one that began while no daemon looked.
  const begun = answered.postCopy.begun || answered.superseded;
  const switched = input.location.source === "pausedCopy" && !begun;
  const seen = switched ? beginPostCopy(answered, nowMs, effects) : answered;
  const migration = countReads(seen, input.location, nowMs);
  const verdict = judgeLocation(migration, input.location, nowMs);
  if (verdict.kind === "ended") {
    const othersJob = migration.superseded ? input.location.job : undefined;
    const ended = end(migration, verdict.outcome, nowMs, othersJob);
    return { migration: ended.migration, effects: [...effects, ...ended.effects] };
  }
  const watched = resumeWatching(migration, input.location, nowMs);
  const cleaned = mayDestroyPausedCopy(watched)
    ? ask(watched, effects, DESTROY_PAUSED_COPY)
    : watched;
  return { migration: cleaned, effects };
}

/** libvirt refused our call because the VM had a job: the one that it shows is somebody else's. */
function isOthersJob(
  { callRefusal, dataSinceMs, unwatched }: Migration,
  location: Location,
): boolean {
  const refused = callRefusal?.kind === "invalidState";
  return refused && dataSinceMs === null && unwatched === null && location.job !== undefined;
}

function locatedWaiting(
  before: Migration,
  waitingEnd: WaitingEnd,
  location: Location,
  nowMs: number,
): Stepped {
  const migration = countReads(before, location, nowMs);
  const outcome = endOfWaiting(migration, waitingEnd, location, nowMs);
  return outcome === null ? unchanged(migration) : end(migration, outcome, nowMs, location.job);
}

const STOPPED: WaitingEnd = { kind: "stopped" };
const DESTROY_PAUSED_COPY = { kind: "destroyPausedCopy" } as const;

/**
 * The call came back, but what it was for goes on: its connection broke, or post-copy did. Such a
 * migration is watched, limited and can be steered as before; its end is found by asking the place.
 */
function resumeWatching(before: Migration, location: Location, nowMs: number): Migration {
  // While its job is there nobody waits for a place that cannot be told.
  const goesOn = location.sourceJob && location.source !== "pausedCopy";
  const migration = goesOn ? { ...before, settlingSinceMs: nowMs } : before;
  if (!location.sourceJob && !migration.postCopy.begun) return { ...migration, phase: "settling" };
  const inPreCopy = migration.dataSinceMs === null ? "starting" : "running";
  return { ...migration, phase: migration.postCopy.begun ? "postCopy" : inPreCopy };
}
