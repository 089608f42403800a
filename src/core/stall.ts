/**
 * When the engine hears of a stall, and why it stalls; and when the host gives up by itself.
 *
 * An event goes out when `stalledFor` reaches the stalling limit, then at each further multiple,
 * once each; several crossed at once give one event with the highest count. When the migration
 * advances again one event says so and the count starts anew.
 */
import type { StallReason, StallingEvent } from "./event.ts";
import type { Advance, StallLedger } from "./migration.ts";

/** The rate is "at the cap" from this share of it on. */
export const THROTTLED_RATE_SHARE = 0.9;
/** Begun passes without advance that, with the timeout, are evidence enough to abort. */
export const UNPRODUCTIVE_PASSES_TO_ABORT = 2;
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

/**
 * The hard limit. True when nothing advanced for the timeout and either nothing was sent for that
 * long or a second unproductive pass in a row has begun: two pieces of evidence, so that one noisy
 * pass of a large VM is no death sentence. `judgesPasses` false: a schedule that names an abort looks
 * after passes, and only the standstill counts. Never asked in post-copy.
 */
export function progressTimeoutReached(
  advance: Advance,
  progressTimeoutMs: number,
  judgesPasses: boolean,
  nowMs: number,
): boolean {
  if (nowMs - advance.lastAdvanceAtMs < progressTimeoutMs) return false;
  return (
    nowMs - advance.lastByteAtMs >= progressTimeoutMs ||
    (judgesPasses && advance.unproductiveInARow >= UNPRODUCTIVE_PASSES_TO_ABORT)
  );
}
