/**
 * Decides whether a migration gets anywhere. Remaining data is a saw-tooth: it falls within a pass
 * and jumps up when the next begins, so no single poll of it says anything. What counts is the
 * size of each pass, that is, what remained as it began.
 *
 * - Pass 1: every byte sent is advance.
 * - Later passes: a pass at least 5 % smaller than the last productive one is productive, and
 *   while it sends bytes there is advance. Unproductive passes do not move the reference, so slow
 *   shrinking adds up.
 * - A pass that is not productive is unproductive only if a whole sweep (sweep.ts) was done since the
 *   last productive one began. Before that it is undecided: QEMU may count passes in mid-sweep, and
 *   bytes go on being advance. From the start of an unproductive pass there is none until a
 *   productive one begins, and the next counts as unproductive only a sweep after that start.
 * - A pass that ended before its size was known has shown no advance and counts as unproductive
 *   where a sweep was done: otherwise passes too short to be measured would hide a migration that
 *   never ends.
 * - Post-copy: every byte is advance; passes have no meaning there.
 *
 * Invariants: lastAdvanceAtMs <= lastByteAtMs unless the clock was started anew; pass only grows.
 */
import type { AdvanceSample } from "./input.ts";
import { dataFlow, estimatedPassSizeBytes } from "./job-stats.ts";
import type { Advance, PassVerdict } from "./migration.ts";
import { NO_SWEEP, beginSweep, countSweeps, followSweep, sweepDone, sweepsIn } from "./sweep.ts";
import { type Turn, decide } from "./turn.ts";

/** A pass is productive if its size is at most this share of the last productive one's. */
export const PRODUCTIVE_SHARE = 0.95;
/** QEMU's own figure for a pass's size means nothing earlier in the pass. */
export const ESTIMATE_VALID_AFTER_MS = 150;
/** A sample that took longer to come is no longer "at once" and is only a lower bound. */
export const PASS_START_SAMPLE_MAX_MS = 100;

/** So many unproductive passes in a row are recorded as decisions. */
const UNPRODUCTIVE_RECORDED = 2;

/** After a gap one more pass, seen whole, must fail before the hard limit may act on passes. */
export const UNPRODUCTIVE_KEPT_OVER_GAP = 1;

/** Nothing sent yet; the clock runs from the migrate call to libvirt. */
export function advanceFrom(callAtMs: number): Advance {
  return {
    firstIteration: null,
    pass: 0,
    passSeenAtMs: callAtMs,
    passSizeBytes: null,
    verdict: "unknown",
    bestPassBytes: null,
    unproductiveInARow: 0,
    sweep: NO_SWEEP,
    processedBytes: 0,
    bytesMoving: false,
    lastByteAtMs: callAtMs,
    lastAdvanceAtMs: callAtMs,
    sampledAtMs: callAtMs,
    gapEndedAtMs: null,
  };
}

/**
 * Whether a pass that began is a reason to look at once: a sweep began with it, or it was judged. Those
 * that QEMU counts in mid-sweep come ten a second, and mostly mean nothing.
 */
export function isNews(before: Advance | null, after: Advance | null): boolean {
  return (
    before?.sweep.number !== after?.sweep.number ||
    before?.bestPassBytes !== after?.bestPassBytes ||
    before?.unproductiveInARow !== after?.unproductiveInARow
  );
}

/** The clock starts anew: an engine is there, or post-copy began. Nothing else changes. */
export function restartClock(advance: Advance, nowMs: number): Advance {
  return { ...advance, lastAdvanceAtMs: nowMs };
}

/** Post-copy: every byte is advance. */
export function observePostCopy(advance: Advance, sample: AdvanceSample): Advance {
  return creditBytes(advance, sample, true);
}

/** Takes one sample of pre-copy or of a save into account. */
export function observePreCopy(before: Advance, sample: AdvanceSample, turn: Turn): Advance {
  if (!dataFlow(sample.stats) || sample.atMs < before.sampledAtMs) return before;
  const followed = { ...before, sweep: followSweep(before.sweep, sample.stats) };
  const judged = judgePass(enterPass(followed, sample), sample, turn);
  return creditBytes(judged, sample, sendingIsAdvance(judged));
}

function sendingIsAdvance({ pass, verdict, unproductiveInARow }: Advance): boolean {
  if (pass === 1 || verdict === "productive") return true;
  return verdict === "undecided" && unproductiveInARow === 0;
}

function enterPass(advance: Advance, { stats, atMs, passStart }: AdvanceSample): Advance {
  const iteration = stats.memoryIteration ?? passStart?.iteration ?? 1;
  if (advance.firstIteration === null) {
    return {
      ...advance,
      firstIteration: iteration,
      pass: 1,
      passSeenAtMs: atMs,
      passSizeBytes: stats.dataTotalBytes,
      verdict: "productive",
      bestPassBytes: stats.dataTotalBytes,
      sweep: { ...advance.sweep, number: 1 },
    };
  }
  const pass = iteration - advance.firstIteration + 1;
  if (pass <= advance.pass) return advance;
  const done = sweepDone(advance.sweep);
  const sizeBytes = advance.bestPassBytes ?? stats.dataTotalBytes;
  const sweep = countSweeps(advance.sweep, stats, pass - advance.pass, sizeBytes);
  return {
    ...advance,
    pass,
    passSeenAtMs: atMs,
    passSizeBytes: null,
    verdict: done ? "unknown" : "undecided",
    unproductiveInARow: unproductiveUntil(advance, pass, sizeBytes),
    sweep: done ? beginSweep(sweep, stats) : sweep,
  };
}

/** What counts as unproductive of the passes before this one, those that nobody saw included. */
function unproductiveUntil(advance: Advance, pass: number, sizeBytes: number): number {
  const { unproductiveInARow: known, verdict, sweep } = advance;
  if (advance.gapEndedAtMs !== null) return Math.min(known, UNPRODUCTIVE_KEPT_OVER_GAP);
  const unseen = pass - advance.pass - 1;
  const begun = sweepsIn(sweep.handledBytes, sweep.endBytes, unseen + 1, sizeBytes);
  // The pass that is entered now is one of those that began a sweep; it is judged by itself.
  return known + Math.max(0, begun - 1) + (verdict === "unknown" ? 1 : 0);
}

function judgePass(advance: Advance, sample: AdvanceSample, turn: Turn): Advance {
  const { pass, verdict, passSizeBytes, bestPassBytes } = advance;
  const judged = verdict === "productive" || verdict === "unproductive" || passSizeBytes !== null;
  if (pass <= 1 || judged || bestPassBytes === null) return advance;
  const limitBytes = bestPassBytes * PRODUCTIVE_SHARE;
  const sizeBytes = passSize(advance, sample) ?? null;
  if (sizeBytes !== null && sizeBytes <= limitBytes) {
    decidePass({ ...advance, passSizeBytes: sizeBytes, unproductiveInARow: 0 }, "productive", turn);
    return {
      ...advance,
      passSizeBytes: sizeBytes,
      verdict: "productive",
      bestPassBytes: sizeBytes,
      unproductiveInARow: 0,
      sweep: beginSweep(advance.sweep, sample.stats),
    };
  }
  // A poll is only a lower bound: it can prove a pass too large, never small enough.
  const tooLarge = sizeBytes !== null || sample.stats.dataRemainingBytes > limitBytes;
  if (!tooLarge) return advance;
  if (verdict === "undecided") return { ...advance, passSizeBytes: sizeBytes };
  const unproductiveInARow = advance.unproductiveInARow + 1;
  const counted = { ...advance, passSizeBytes: sizeBytes, unproductiveInARow };
  // Of many the first ones are recorded: they are what the hard limit goes by.
  if (unproductiveInARow <= UNPRODUCTIVE_RECORDED) decidePass(counted, "unproductive", turn);
  return { ...counted, verdict: "unproductive" };
}

/** `judged` still has the best pass before this one. */
function decidePass(judged: Advance, verdict: PassVerdict, turn: Turn): void {
  decide(turn, "pass", verdict, {
    pass: judged.pass,
    passSizeBytes: judged.passSizeBytes,
    bestPassBytes: judged.bestPassBytes,
    unproductivePasses: judged.unproductiveInARow,
  });
}

function passSize(advance: Advance, { stats, atMs, passStart }: AdvanceSample): number | undefined {
  const atOnce =
    passStart !== undefined &&
    passStart.tookMs <= PASS_START_SAMPLE_MAX_MS &&
    stats.memoryIteration === passStart.iteration;
  if (atOnce) return stats.dataRemainingBytes;
  if (atMs - advance.passSeenAtMs < ESTIMATE_VALID_AFTER_MS) return undefined;
  return estimatedPassSizeBytes(stats);
}

function creditBytes(advance: Advance, sample: AdvanceSample, counts: boolean): Advance {
  const processedBytes = Math.max(advance.processedBytes, sample.stats.dataProcessedBytes);
  const bytesMoving = processedBytes > advance.processedBytes;
  return {
    ...advance,
    processedBytes,
    bytesMoving,
    lastByteAtMs: bytesMoving ? sample.atMs : advance.lastByteAtMs,
    lastAdvanceAtMs:
      bytesMoving && counts
        ? Math.max(sample.atMs, advance.lastAdvanceAtMs)
        : advance.lastAdvanceAtMs,
    sampledAtMs: sample.atMs,
    gapEndedAtMs: null,
  };
}
