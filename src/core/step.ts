/**
 * The one way a migration changes: (migration, input, now) -> { migration, effects }. Same state and
 * same input give the same result; nothing here reads a clock, calls libvirt or logs. The shell
 * performs the effects and feeds back what came of them.
 *
 * After `ended` nothing produces an effect any more, except a late confirmation, which changes the
 * record and nothing else.
 */
import { beginPostCopy, cycleStep, passBegan, statusEvent } from "./cycle.ts";
import { judgeSilence, refusedTriesAfter, SOON_MS } from "./destination.ts";
import { effectDone } from "./effect-done.ts";
import type { JobStats } from "./job-stats.ts";
import { admitted, begin, beginWithoutPostCopy, deferred, downtimePrepared } from "./start.ts";
import type { Input } from "./input.ts";
import { ask, askAbort } from "./steer.ts";
import type { DownWhy, Effect, Migration, Phase, Refusal, Stepped, VmStatus } from "./migration.ts";
import {
  abandoned,
  confirmedLate,
  endedBeforeCall,
  noDestination,
  notAdmitted,
  type Outcome,
} from "./outcome.ts";
import { refusesPostCopy } from "./post-copy-refusal.ts";
import {
  countReads,
  judgePlace,
  mayDestroyShell,
  noteEndHere,
  SURE_READS,
  type Place,
} from "./place.ts";

const LIVE: readonly Phase[] = [
  "queued",
  "preparing",
  "starting",
  "running",
  "postCopy",
  "settling",
];
const CALL_OUT: readonly Phase[] = ["starting", "running", "postCopy"];
const FROM_CALL: readonly Phase[] = [...CALL_OUT, "settling"];

/** In which phases an input means anything; in the others it came too late and changes nothing. */
const PHASES_OF: Readonly<Record<Input["kind"], readonly Phase[]>> = {
  admitted: ["queued"],
  cleared: [],
  departureOver: [],
  reserved: ["preparing"],
  downtimeFound: ["preparing"],
  downtimePrepared: ["preparing"],
  deferred: ["preparing"],
  reached: ["preparing"],
  unanswered: ["preparing"],
  notAdmitted: ["queued", "preparing"],
  begin: ["preparing"],
  notBegun: ["queued", "preparing"],
  cycle: LIVE,
  passBegan: LIVE,
  jobCompleted: FROM_CALL,
  stoppedByJob: LIVE,
  guestStopped: LIVE,
  callEnded: CALL_OUT,
  effectDone: LIVE,
  place: LIVE,
  cancel: ["queued", "preparing", "starting", "running", "settling"],
  abandoned: LIVE,
};

/** Advances one migration by one input. Pure; never throws. */
export function step(migration: Migration, input: Input, nowMs: number): Stepped {
  if (migration.phase === "ended") {
    if (input.kind === "cleared") return unchanged({ ...migration, cleared: true });
    if (input.kind === "departureOver") {
      return unchanged({ ...migration, departureOver: input.why });
    }
    return input.kind === "place"
      ? lateConfirmation(migration, input, nowMs)
      : unchanged(migration);
  }
  if (!PHASES_OF[input.kind].includes(migration.phase)) return unchanged(migration);
  switch (input.kind) {
    case "admitted":
      return admitted(migration);
    case "cleared":
    case "departureOver":
      return unchanged(migration);
    case "reserved":
      return unchanged({ ...migration, reservedThere: true });
    case "downtimeFound":
      // Begun before, it was deferred or taken over since: what is found now is a value of ours.
      return unchanged({
        ...migration,
        downtimeFoundMs: migration.downtimeFoundMs ?? input.foundMs,
      });
    case "downtimePrepared":
      return downtimePrepared(migration, input, nowMs);
    case "deferred":
      return migration.stop === null
        ? deferred(migration, { ...input, refusedTries: 0 }, nowMs)
        : end(migration, endedBeforeCall(migration, null, true), nowMs);
    case "reached":
      return unchanged({ ...migration, destinationReached: true });
    case "unanswered":
      return unanswered(migration, input, nowMs);
    case "notAdmitted":
      return end(migration, notAdmitted(migration, nowMs), nowMs);
    case "begin":
      return migration.stop === null
        ? begin(migration, input, nowMs)
        : end(migration, endedBeforeCall(migration, null, true), nowMs);
    case "notBegun":
      return end(migration, endedBeforeCall(migration, input.refusal, input.active), nowMs);
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
    case "callEnded":
      return callEnded(migration, input.refusal, nowMs);
    case "effectDone":
      return effectDone(migration, input, nowMs);
    case "place":
      return placed(migration, input, nowMs);
    case "cancel":
      return cancel(migration, nowMs);
    case "abandoned":
      return end(migration, abandoned(migration, nowMs), nowMs);
  }
}

/** The record of this migration's job; a backup that ends meanwhile has one, too. */
function withRecord(migration: Migration, stats: JobStats): Migration {
  const own = migration.mode === "file" ? "save" : "migrationOut";
  return stats.operation === own ? { ...migration, completedStats: stats } : migration;
}

function unchanged(migration: Migration): Stepped {
  return { migration, effects: [] };
}

function vmStatus(status: VmStatus): Effect {
  return { kind: "event", event: { kind: "vmStatus", status } };
}

function unanswered(
  migration: Migration,
  { silence, reachedBefore, retryAtMs }: Extract<Input, { kind: "unanswered" }>,
  nowMs: number,
): Stepped {
  if (migration.stop !== null) return end(migration, endedBeforeCall(migration, null, true), nowMs);
  const { cause, text: reason } = silence;
  const refusedTries = refusedTriesAfter(migration.refusedTries, cause);
  switch (judgeSilence(cause, { refusedTries, reachedBefore })) {
    case "fatal":
      return end(migration, noDestination(migration, reason, refusedTries), nowMs);
    case "soon":
      return deferred(migration, { retryAtMs: nowMs + SOON_MS, reason, refusedTries }, nowMs);
    case "wait":
      return deferred(migration, { retryAtMs, reason, refusedTries }, nowMs);
  }
}

function callEnded(migration: Migration, refusal: Refusal | null, nowMs: number): Stepped {
  const begun = migration.stats !== null || migration.phase !== "starting";
  const retry =
    refusal !== null &&
    migration.postCopy.possible &&
    migration.stop === null &&
    !begun &&
    refusesPostCopy(refusal, migration.vmName);
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
  return { migration: ask(settling, effects, { kind: "askPlace" }), effects };
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
  if (migration.phase === "queued") {
    const here = migration.guestStopped === null;
    return end(stopping, endedBeforeCall(stopping, null, here), nowMs);
  }
  if (migration.phase === "preparing") return unchanged(stopping);
  // As in the phase postCopy: nothing may stop it any more.
  if (migration.postCopy.begun) return unchanged(migration);
  // In settling it is only remembered: should the job go on after all, it is pursued.
  if (migration.phase === "settling" || migration.superseded) return unchanged(stopping);
  const effects: Effect[] = [];
  return { migration: askAbort(stopping, effects), effects };
}

function placed(
  before: Migration,
  input: Extract<Input, { kind: "place" }>,
  nowMs: number,
): Stepped {
  const answered: Migration = {
    ...noteEndHere(before, input.place),
    pending: before.pending.filter((kind) => kind !== "askPlace"),
    completedStats: before.completedStats ?? input.record,
    runState: input.place.runState ?? before.runState,
  };
  if (answered.phase !== "settling" && !answered.callReturned) return unchanged(answered);
  const effects: Effect[] = [];
  // A shell is left by post-copy alone, also by one that began while no daemon looked.
  const begun = answered.postCopy.begun || answered.superseded;
  const switched = input.place.source === "shell" && !begun;
  const seen = switched ? beginPostCopy(answered, nowMs, effects) : answered;
  const migration = countReads(seen, input.place, nowMs);
  const verdict = judgePlace(migration, input.place, nowMs);
  if (verdict.kind === "ended") {
    const ended = end(migration, verdict.outcome, nowMs);
    return { migration: ended.migration, effects: [...effects, ...ended.effects] };
  }
  const watched = watchOn(migration, input.place, nowMs);
  const cleaned = mayDestroyShell(watched) ? ask(watched, effects, DESTROY_SHELL) : watched;
  return { migration: cleaned, effects };
}

const DESTROY_SHELL = { kind: "destroyShell" } as const;

/**
 * The call came back, but what it was for goes on: its connection broke, or post-copy did. Such a
 * migration is watched, limited and can be steered as before; its end is found by asking the place.
 */
function watchOn(before: Migration, place: Place, nowMs: number): Migration {
  // While its job is there nobody waits for a place that cannot be told.
  const goesOn = place.sourceJob && place.source !== "shell";
  const migration = goesOn ? { ...before, settlingSinceMs: nowMs } : before;
  if (!place.sourceJob && !migration.postCopy.begun) return { ...migration, phase: "settling" };
  const inPreCopy = migration.dataSinceMs === null ? "starting" : "running";
  return { ...migration, phase: migration.postCopy.begun ? "postCopy" : inPreCopy };
}

function lateConfirmation(
  before: Migration,
  { place, record }: Extract<Input, { kind: "place" }>,
  nowMs: number,
): Stepped {
  const { outcome } = before;
  const pending = before.pending.filter((kind) => kind !== "askPlace");
  if (outcome === null || outcome.confirmed) return unchanged({ ...before, pending });
  const migration = countReads(before, place, nowMs);
  const completedStats = migration.completedStats ?? record;
  const sure = place.destination === "left" || migration.thereReads >= SURE_READS;
  // After a reboot of this host it may have been started anew over there.
  const arrival = before.unwatched !== "hostDown" || completedStats !== null;
  if (!sure || !arrival || place.source === "active") return unchanged({ ...migration, pending });
  const seen: Migration = { ...migration, pending, completedStats, progressPercent: 100 };
  return unchanged({ ...seen, outcome: confirmedLate(seen, outcome) });
}

/** The one end: the last status, then what the VM is now, then the outcome, once. */
function end(before: Migration, outcome: Outcome, nowMs: number): Stepped {
  const completed = outcome.outcome === "completed";
  const migration: Migration = {
    ...before,
    phase: "ended",
    endedAtMs: nowMs,
    outcome,
    pending: [],
    progressPercent: completed ? 100 : before.progressPercent,
  };
  const effects: Effect[] = [];
  const ours = outcome.where === "source" && !before.superseded;
  if (ours && before.downtimeFoundMs !== null) {
    effects.push({ kind: "putBackDowntime", maxDowntimeMs: before.downtimeFoundMs });
  }
  // Only where the guest is seen here: an image that nobody can place may be the guest's only copy.
  if (before.mode === "file" && ours) effects.push({ kind: "removeImage" });
  if (before.callAtMs !== null) effects.push(lastStatus(migration, outcome));
  // Of a guest that may run elsewhere nothing is said: "Down" would have it started twice.
  const told = before.phase !== "queued" || before.deferrals > 0;
  if (told && outcome.where !== "unknown") {
    effects.push(vmStatus(statusAfter(migration, outcome.where)));
  }
  effects.push({ kind: "event", event: { kind: "ended", outcome } });
  return { migration, effects };
}

function lastStatus(migration: Migration, outcome: Outcome): Effect {
  const status = statusEvent(migration);
  if (status.kind !== "event" || status.event.kind !== "migrationStatus") return status;
  return { kind: "event", event: { ...status.event, downtimeMs: outcome.downtimeMs } };
}

function statusAfter(migration: Migration, where: Exclude<Outcome["where"], "unknown">): VmStatus {
  switch (where) {
    case "source":
      return { kind: "staysHere", runState: migration.runState };
    case "destination":
      return { kind: "down", why: "migrated" };
    case "image":
      return { kind: "down", why: "saved" };
    case "nowhere":
      return { kind: "down", why: whyDown(migration) };
  }
}

/** Nowhere: why the VM is down, also for who asks later. */
export function whyDown({ postCopy, guestStopped }: Migration): DownWhy {
  return postCopy.begun ? "lostInPostCopy" : (guestStopped ?? "lost");
}
