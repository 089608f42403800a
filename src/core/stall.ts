/**
 * When the engine is told of a stall, and why it stalls. stalledFor is the time without advance
 * (advance.ts).
 *
 * An event goes out when stalledFor reaches the stalling limit, then at each further multiple, once
 * each; several crossed at once, or by lowering the limit below the present stalledFor, give one event
 * with the highest count. When the migration advances again one event says so, and the count starts
 * again. A migration that has sent everything and only has to end is not said to stall.
 */
import type { StallReason, StallingEvent } from "./event.ts";
import type { CycleInput } from "./input.ts";
import { dataFlow, dirtyRateBytesPerSecond } from "./job-stats.ts";
import { type Migration, type StallLedger, stalledForMs } from "./migration.ts";
import { type Turn, decide, tell } from "./turn.ts";
import { mibpsToBytesPerSecond } from "./units.ts";

/** The rate is "at the cap" from this share of it on. */
export const THROTTLED_RATE_SHARE = 0.9;
/** QEMU sends in bursts of 100 ms under a cap: bytes "stand still" only after a longer silence. */
export const BYTES_STILL_AFTER_MS = 500;

export const NOT_STALLING: StallLedger = {
  announcedCount: 0,
  announced: false,
  timeoutAnnounced: false,
};

/** What the engine is told of it. */
export type StallNews = Pick<StallingEvent, "count" | "progressing">;

export interface StallInput {
  readonly stalledForMs: number;
  /** 0 = off. */
  readonly stallingLimitMs: number;
  /** Advance was seen since the last call. */
  readonly advanced: boolean;
  /** In post-copy the hard limit sends an event instead of aborting; absent before post-copy. */
  readonly alarmAfterMs?: number;
}

/** The multiple of the limit that a stall has reached; 0 if the limit is off. */
export function stallCount(stalledForMs: number, stallingLimitMs: number): number {
  return stallingLimitMs > 0 ? Math.floor(stalledForMs / stallingLimitMs) : 0;
}

/**
 * What is to be announced now. Example: limit 10 s, stalled for 35 s, nothing announced: one event
 * with count 3; at 40 s the next, with count 4.
 */
export function stallNews(
  ledger: StallLedger,
  input: StallInput,
): { readonly ledger: StallLedger; readonly news: StallNews | null } {
  const count = stallCount(input.stalledForMs, input.stallingLimitMs);
  if (input.advanced && ledger.announced) {
    return { ledger: NOT_STALLING, news: { count: 0, progressing: true } };
  }
  const alarm =
    input.alarmAfterMs !== undefined &&
    input.stalledForMs >= input.alarmAfterMs &&
    !ledger.timeoutAnnounced;
  if (count <= ledger.announcedCount && !alarm) {
    // A raised limit makes the announced multiple smaller, else its next crossings would be lost.
    return { ledger: { ...ledger, announcedCount: count }, news: null };
  }
  return {
    ledger: {
      announcedCount: count,
      announced: true,
      timeoutAnnounced: ledger.timeoutAnnounced || alarm,
    },
    news: { count: Math.max(1, count), progressing: false },
  };
}

export interface StallEvidence {
  readonly postCopy: boolean;
  /** Whether libvirt answered for this VM in this cycle. */
  readonly sampled: boolean;
  /** Data have begun to flow. */
  readonly started: boolean;
  readonly sinceLastByteMs: number;
  readonly bytesPerSecond: number | undefined;
  readonly capBytesPerSecond: number;
  readonly maxBytesPerSecond: number;
}

/** The first that fits: what the engine could do about it differs for each. */
export function stallReason(evidence: StallEvidence): StallReason {
  if (evidence.postCopy) return "postcopyStalled";
  if (!evidence.sampled) return "noStats";
  if (!evidence.started) return "notStarted";
  if (evidence.sinceLastByteMs >= BYTES_STILL_AFTER_MS) return "noData";
  const throttled =
    evidence.bytesPerSecond !== undefined &&
    evidence.bytesPerSecond >= evidence.capBytesPerSecond * THROTTLED_RATE_SHARE &&
    evidence.capBytesPerSecond < evidence.maxBytesPerSecond;
  return throttled ? "throttled" : "notConverging";
}

/** A daemon that was away waits this long for a first sample before it judges without one. */
export const GAP_GRACE_MS = 5_000;

/** Nothing is judged before the call, once it is to end, or while nobody knows what moved in a gap. */
export function isJudged({ advance, phase, sample, stop }: Migration, nowMs: number): boolean {
  if (advance === null || (stop !== null && phase !== "postCopy")) return false;
  const { gapEndedAtMs } = advance;
  const inGap = gapEndedAtMs !== null && nowMs - gapEndedAtMs < GAP_GRACE_MS;
  return !inGap || sample.answered;
}

/** What a cycle shows of its end. */
export type LastStepView = Pick<CycleInput, "sample" | "runState" | "gone">;

/** Announces what is to be announced in this cycle. */
export function announceStall(
  before: Migration,
  migration: Migration,
  view: LastStepView,
  turn: Turn,
): StallLedger {
  // A stall that was announced and is over is said to be, in the last step too.
  const silent = isLastStep(migration, view) && !hasAdvanced(before, migration);
  return silent ? migration.stall : announce(before, migration, turn);
}

/** Outside of a cycle only the end of a stall is announced. */
export function announceEndOfStall(
  before: Migration,
  migration: Migration,
  turn: Turn,
): StallLedger {
  return hasAdvanced(before, migration) ? announce(before, migration, turn) : migration.stall;
}

function announce(before: Migration, migration: Migration, turn: Turn): StallLedger {
  const { limits, phase } = migration;
  const { ledger, news } = stallNews(migration.stall, {
    stalledForMs: stalledForMs(migration, turn.nowMs),
    stallingLimitMs: limits.stallingLimitMs,
    advanced: hasAdvanced(before, migration),
    ...(phase === "postCopy" ? { alarmAfterMs: limits.postcopyStallTimeoutMs } : {}),
  });
  if (news === null) return ledger;
  const figures = stallFigures(migration, turn.nowMs);
  tellStalling({ ...figures, ...news }, turn);
  return ledger;
}

export function tellStalling(stalling: StallingEvent, turn: Turn): void {
  decide(turn, "stalling", stalling.progressing ? "over" : stalling.reason, { ...stalling });
  tell(turn, { kind: "stalling", stalling });
}

/** Bytes counted as advance since `before`; a clock that was only restarted is no advance. */
function hasAdvanced(before: Migration, { advance }: Migration): boolean {
  return (
    before.advance !== null &&
    advance?.bytesMoving === true &&
    advance.lastAdvanceAtMs === advance.lastByteAtMs &&
    advance.lastAdvanceAtMs > before.advance.lastAdvanceAtMs
  );
}

/**
 * Everything is sent and only the end is missing: libvirt starts the guest on the destination, takes it
 * away here and returns. No bytes move then and libvirt may not answer for the VM, which is no stall that
 * an engine could do anything about. One that hangs there is left to the hard limit.
 */
export function isLastStep({ advance, evidence, sample }: Migration, view: LastStepView): boolean {
  if (evidence.stoppedByJob || evidence.record !== null || view.gone === true) return true;
  // Stopped for the switchover, and libvirt is busy with just that.
  if (view.runState === "switching" && view.sample === null) return true;
  // While bytes move it is only the end of a pass, and the next one may have begun already.
  const still = advance?.bytesMoving === false;
  const { stats } = sample;
  return still && stats !== null && dataFlow(stats) && stats.dataRemainingBytes === 0;
}

/** What a stall event and Host.getMigrations say of the migration now. */
export function stallFigures(
  migration: Migration,
  nowMs: number,
): Omit<StallingEvent, "count" | "progressing"> {
  const { advance, bandwidth, downtime, limits, phase, sample, stop } = migration;
  const { stats } = sample;
  const stalledMs = stalledForMs(migration, nowMs);
  const limitMs = phase === "postCopy" ? limits.postcopyStallTimeoutMs : limits.progressTimeoutMs;
  return {
    stalledForMs: stalledMs,
    stallingLimitMs: limits.stallingLimitMs,
    reason: reasonNow(migration, nowMs),
    dataRemainingBytes: stats?.dataRemainingBytes ?? 0,
    bestPassBytes: advance?.bestPassBytes ?? 0,
    bytesPerSecond: stats?.memoryBytesPerSecond ?? 0,
    dirtyRateBytesPerSecond: stats === null ? 0 : (dirtyRateBytesPerSecond(stats) ?? 0),
    pass: advance?.pass ?? 0,
    maxDowntimeMs: downtime?.appliedMs ?? downtime?.wantedMs ?? 0,
    downtimeOwner: downtime?.owner ?? null,
    maxBandwidthMiBps: limits.maxBandwidthMiBps,
    capMiBps: bandwidth.appliedMiBps ?? bandwidth.capMiBps ?? 0,
    timeoutInMs: Math.max(0, limitMs - stalledMs),
    aborting: stop?.why === "progressTimeout",
  };
}

function reasonNow(migration: Migration, nowMs: number): StallReason {
  const { advance, bandwidth, limits, phase, sample } = migration;
  if (advance === null) return "notStarted";
  const { maxBandwidthMiBps } = limits;
  const capMiBps = bandwidth.appliedMiBps ?? bandwidth.capMiBps ?? maxBandwidthMiBps;
  return stallReason({
    postCopy: phase === "postCopy",
    sampled: sample.answered,
    started: advance.pass > 0,
    sinceLastByteMs: nowMs - advance.lastByteAtMs,
    bytesPerSecond: sample.stats?.memoryBytesPerSecond,
    capBytesPerSecond: mibpsToBytesPerSecond(capMiBps),
    maxBytesPerSecond: mibpsToBytesPerSecond(maxBandwidthMiBps),
  });
}
