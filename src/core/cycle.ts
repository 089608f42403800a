/**
 * What one cycle of the MonitorThread means for one migration: take in what libvirt showed, judge
 * advance, stall and timeout, and steer (steer.ts). The same
 * code runs for a timer's cycle and for one that an event woke; what goes by the timer alone
 * (halving, downtime steps, the status event) says so.
 */
import { observePostCopy, observePreCopy, restartClock } from "./advance.ts";
import type { Effect } from "./effect.ts";
import type { StallingEvent } from "./event.ts";
import { destinationSince } from "./host-count.ts";
import type { AdvanceSample, CycleInput } from "./input.ts";
import { type JobStats, dataFlow, dirtyRateBytesPerSecond, isOutgoing } from "./job-stats.ts";
import { type LastStepView, isLastStep } from "./last-step.ts";
import { type Advance, type Migration, stalledForMs } from "./migration.ts";
import { recoverPostCopy, recoveryBegun, resetRecovery } from "./post-copy.ts";
import { progressPercent } from "./progress.ts";
import {
  NOT_STALLING,
  progressTimeoutReached,
  stallCount,
  stallNews,
  stallReason,
} from "./stall.ts";
import { steer } from "./steer.ts";
import { type Stepped, ask } from "./turn.ts";
import { mibpsToBytesPerSecond } from "./units.ts";
import { seenWaiting } from "./waiting.ts";

/** So long a daemon that was away waits for a first sample before it judges without one. */
export const GAP_GRACE_MS = 5_000;

/** One cycle of a migration whose call is out. One that waits is only looked at. */
export function cycleStep(before: Migration, input: CycleInput, nowMs: number): Stepped {
  if (before.phase === "settling") return settlingCycle(before, input);
  if (before.advance === null || before.phase === "ended") {
    return { migration: seenWaiting(before, input), effects: [] };
  }
  const effects: Effect[] = [];
  const seen = takeSample(before, input, nowMs, effects);
  // Somebody else's job is neither judged nor steered: what is left is where our guest is.
  if (seen.superseded) {
    return { migration: input.timer ? ask(seen, effects, { kind: "locateGuest" }) : seen, effects };
  }
  const judged = judge(before, seen, input, nowMs, effects);
  const wished = steer(judged, input, nowMs, effects);
  const recovered = input.timer
    ? mend(wished, input.postCopyFailed === true, nowMs, effects)
    : wished;
  const asks = input.timer && recovered.callReturned;
  const steered = asks ? ask(recovered, effects, { kind: "locateGuest" }) : recovered;
  if (input.timer) effects.push(statusEvent(steered));
  return { migration: steered, effects };
}

/** Post-copy that stands still: what helps, and the account of it. */
function mend(
  before: Migration,
  failedState: boolean,
  nowMs: number,
  effects: Effect[],
): Migration {
  const { postCopy } = before;
  if (before.phase !== "postCopy") return before;
  if (before.advance?.bytesMoving === true) {
    return {
      ...before,
      postCopy: { ...postCopy, recovery: resetRecovery(postCopy.recovery, false) },
    };
  }
  const effect = recoverPostCopy(before, failedState, nowMs);
  if (effect === null) return before;
  const asked = ask(before, effects, effect);
  if (asked === before) return before;
  return {
    ...asked,
    postCopy: { ...postCopy, recovery: recoveryBegun(postCopy.recovery, effect, nowMs) },
  };
}

function settlingCycle(migration: Migration, input: CycleInput): Stepped {
  const effects: Effect[] = [];
  return {
    migration:
      input.timer || migration.waitingEnd !== null
        ? ask(migration, effects, { kind: "locateGuest" })
        : migration,
    effects,
  };
}

/**
 * The pass began just now: libvirt's event, and the sample taken at once on it. If that ends a stall
 * it is said here: the next cycle could find the migration in another unproductive pass already.
 */
export function passBegan(
  before: Migration,
  sample: AdvanceSample & { readonly passStart: { iteration: number; tookMs: number } },
  nowMs: number,
): Stepped {
  const { phase } = before;
  const idle = before.advance === null || (phase !== "starting" && phase !== "running");
  if (idle || !ourJob(before, sample.stats)) return { migration: before, effects: [] };
  if (before.superseded || isAnothers(before, sample.stats, nowMs)) {
    return { migration: { ...before, superseded: true }, effects: [] };
  }
  const advance = observePreCopy(before.advance, sample);
  const seen = withStats({ ...before, advance }, sample.stats, sample.atMs);
  if (seen.stop !== null || !sawAdvance(before, advance)) return { migration: seen, effects: [] };
  const effects: Effect[] = [];
  return { migration: announceStall(before, seen, advance, nowMs, effects), effects };
}

export function statusEvent(migration: Migration): Effect {
  return {
    kind: "event",
    event: {
      kind: "migrationStatus",
      progressPercent: migration.progressPercent,
      postCopy: migration.postCopy.begun,
      downtimeMs: null,
    },
  };
}

/** From here on the guest runs over there: pre-copy's clock, wishes and stop are things of the past. */
export function beginPostCopy(migration: Migration, nowMs: number, effects: Effect[]): Migration {
  if (migration.phase === "postCopy") return migration;
  effects.push({ kind: "event", event: { kind: "vmStatus", status: { kind: "postCopy" } } });
  return {
    ...migration,
    phase: "postCopy",
    postCopy: { ...migration.postCopy, wanted: false, begun: true },
    advance: migration.advance === null ? null : restartClock(migration.advance, nowMs),
    stall: migration.stall.announced ? migration.stall : NOT_STALLING,
  };
}

function ourJob(migration: Migration, stats: JobStats): boolean {
  return migration.mode === "file"
    ? stats.operation === "save" && stats.type !== "none"
    : isOutgoing(stats);
}

/** So much shorter than since our call no job of ours can run: libvirt counts from its beginning. */
const ELAPSED_SHORT_MS = 150_000;

/**
 * After a gap: the job that libvirt shows is not the one that was left. Bytes of one job never become
 * fewer, and its time runs on. Not asked in post-copy, where libvirtd's restart sets the time to 0.
 */
function isAnothers(migration: Migration, stats: JobStats, nowMs: number): boolean {
  const { advance, callAtMs, unwatched, phase } = migration;
  if (unwatched !== "daemonDown" || advance === null || advance.gapEndedAtMs === null) return false;
  if (phase === "postCopy" || callAtMs === null) return false;
  return (
    (dataFlow(stats) && stats.dataProcessedBytes < advance.processedBytes) ||
    stats.timeElapsedMs + ELAPSED_SHORT_MS < nowMs - callAtMs
  );
}

function takeSample(
  before: Migration,
  input: CycleInput,
  nowMs: number,
  effects: Effect[],
): Migration {
  const counted: Migration = {
    ...before,
    sampled: input.sample !== null,
    sourceMigrations: input.sourceMigrations,
    destinationCount: destinationSince(input.destination, before),
  };
  // Somebody else's post-copy is none of ours: where its paused copy is, our guest is not half gone.
  const switched = input.postCopyState && !before.superseded;
  const migration = switched ? beginPostCopy(counted, nowMs, effects) : counted;
  const { sample } = input;
  if (sample !== null && ourJob(migration, sample.stats)) {
    if (migration.superseded || isAnothers(migration, sample.stats, nowMs)) {
      return { ...migration, superseded: true, sampled: false };
    }
  }
  if (sample === null || migration.advance === null || !ourJob(migration, sample.stats)) {
    return migration.advance === null
      ? migration
      : { ...migration, advance: { ...migration.advance, bytesMoving: false } };
  }
  const still = migration.phase === "postCopy" || input.switchover === true;
  const observe = still ? observePostCopy : observePreCopy;
  return withStats(
    { ...migration, advance: observe(migration.advance, sample) },
    sample.stats,
    sample.atMs,
  );
}

function withStats(migration: Migration, stats: JobStats, atMs: number): Migration {
  if (!dataFlow(stats)) return migration;
  return {
    ...migration,
    stats,
    dataSinceMs: migration.dataSinceMs ?? atMs,
    phase: migration.phase === "starting" ? "running" : migration.phase,
    progressPercent: progressPercent(stats, migration.progressPercent),
  };
}

/** Stall events and the hard limit. */
function judge(
  before: Migration,
  migration: Migration,
  view: LastStepView,
  nowMs: number,
  effects: Effect[],
): Migration {
  const { advance } = migration;
  const postCopy = migration.phase === "postCopy";
  if (advance === null || (migration.stop !== null && !postCopy)) return migration;
  // Nobody looked for a while and libvirt has not answered since: bytes may have moved all along.
  const lookedFor = advance.gapEndedAtMs === null ? null : nowMs - advance.gapEndedAtMs;
  if (lookedFor !== null && lookedFor < GAP_GRACE_MS && !migration.sampled) return migration;
  if (!postCopy && timedOut(migration, advance, nowMs)) {
    return decideAbort(migration, advance, nowMs, effects);
  }
  // What was said to stall and goes on is said to, wherever it is.
  if (isLastStep(migration, view) && !sawAdvance(before, advance)) return migration;
  return announceStall(before, migration, advance, nowMs, effects);
}

function announceStall(
  before: Migration,
  migration: Migration,
  advance: Advance,
  nowMs: number,
  effects: Effect[],
): Migration {
  const postCopy = migration.phase === "postCopy";
  const { ledger, news } = stallNews(migration.stall, {
    stalledForMs: stalledForMs(migration, nowMs),
    stallingLimitMs: migration.limits.stallingLimitMs,
    advanced: sawAdvance(before, advance),
    ...(postCopy ? { alarmAfterMs: migration.limits.postcopyStallTimeoutMs } : {}),
  });
  if (news !== null) {
    effects.push({
      kind: "event",
      event: { kind: "stalling", stalling: { ...news, ...figures(migration, nowMs) } },
    });
  }
  return { ...migration, stall: ledger };
}

function timedOut({ limits }: Migration, advance: Advance, nowMs: number): boolean {
  const { progressTimeoutMs, timeoutJudgesPasses } = limits;
  return progressTimeoutReached(advance, progressTimeoutMs, timeoutJudgesPasses, nowMs);
}

/** Bytes counted as advance since the step before: a clock started anew is not an advance. */
function sawAdvance(before: Migration, advance: Advance): boolean {
  return (
    before.advance !== null &&
    advance.bytesMoving &&
    advance.lastAdvanceAtMs === advance.lastByteAtMs &&
    advance.lastAdvanceAtMs > before.advance.lastAdvanceAtMs
  );
}

function decideAbort(
  migration: Migration,
  advance: Advance,
  nowMs: number,
  effects: Effect[],
): Migration {
  const stalling = figures(migration, nowMs);
  const reached = stallCount(stalling.stalledForMs, stalling.stallingLimitMs);
  const count = Math.max(migration.stall.announcedCount, reached);
  effects.push(
    {
      kind: "log",
      level: "warn",
      message: "migration does not advance, aborting",
      fields: {
        stalledForMs: stalling.stalledForMs,
        progressTimeoutMs: migration.limits.progressTimeoutMs,
        sinceLastByteMs: nowMs - advance.lastByteAtMs,
        unproductivePasses: advance.unproductiveInARow,
        reason: stalling.reason,
        pass: stalling.pass,
        dataRemainingBytes: stalling.dataRemainingBytes,
      },
    },
    {
      kind: "event",
      event: {
        kind: "stalling",
        stalling: { ...stalling, count, progressing: false, timeoutInMs: 0, aborting: true },
      },
    },
  );
  return {
    ...migration,
    stop: { why: "progressTimeout", sinceMs: nowMs, acceptedAtMs: null, refusal: null },
  };
}

/** What a stall event and Host.getMigrations say of the migration now. */
export function figures(
  migration: Migration,
  nowMs: number,
): Omit<StallingEvent, "count" | "progressing"> {
  const { stats, limits, cap, downtime } = migration;
  const stalledMs = stalledForMs(migration, nowMs);
  const inPostCopy = migration.phase === "postCopy";
  const limitMs = inPostCopy ? limits.postcopyStallTimeoutMs : limits.progressTimeoutMs;
  return {
    stalledForMs: stalledMs,
    stallingLimitMs: limits.stallingLimitMs,
    reason: reasonNow(migration, nowMs),
    dataRemainingBytes: stats?.dataRemainingBytes ?? 0,
    bestPassBytes: migration.advance?.bestPassBytes ?? 0,
    bytesPerSecond: stats?.memoryBytesPerSecond ?? 0,
    dirtyRateBytesPerSecond: stats === null ? 0 : (dirtyRateBytesPerSecond(stats) ?? 0),
    pass: migration.advance?.pass ?? 0,
    maxDowntimeMs: downtime?.appliedMs ?? downtime?.wantedMs ?? 0,
    downtimeOwner: downtime?.owner ?? null,
    maxBandwidthMiBps: limits.maxBandwidthMiBps,
    capMiBps: cap.appliedMiBps ?? cap.capMiBps ?? 0,
    timeoutInMs: Math.max(0, limitMs - stalledMs),
    aborting: migration.stop?.why === "progressTimeout",
  };
}

function reasonNow(migration: Migration, nowMs: number): StallingEvent["reason"] {
  const { advance, stats, cap, limits } = migration;
  if (advance === null) return "notStarted";
  const capMiBps = cap.appliedMiBps ?? cap.capMiBps ?? limits.maxBandwidthMiBps;
  return stallReason({
    postCopy: migration.phase === "postCopy",
    sampled: migration.sampled,
    started: advance.pass > 0,
    sinceLastByteMs: nowMs - advance.lastByteAtMs,
    bytesPerSecond: stats?.memoryBytesPerSecond,
    capBytesPerSecond: mibpsToBytesPerSecond(capMiBps),
    maxBytesPerSecond: mibpsToBytesPerSecond(limits.maxBandwidthMiBps),
  });
}
