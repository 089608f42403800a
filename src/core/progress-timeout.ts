/**
 * The hard limit, migrationProgressTimeout: when the host aborts a migration by itself, engine or no
 * engine. Never in post-copy, where an abort would kill the guest; there the same limit is an event.
 */
import type { Advance, Migration, Stop } from "./migration.ts";
import { stallCount, stallFigures, tellStalling } from "./stall.ts";
import { decideStop } from "./stop.ts";
import { type Turn, log } from "./turn.ts";

/** Passes begun without advance that, together with the timeout, are evidence enough to abort. */
export const UNPRODUCTIVE_PASSES_TO_ABORT = 2;

/**
 * True when nothing advanced for the timeout and either nothing was sent for that long or a second
 * unproductive pass in a row has begun: two pieces of evidence, so that one noisy pass of a large VM
 * is not enough. With `judgesPasses` false, a schedule that contains an abort looks after passes, and
 * only the no-data part applies.
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

/** The decision to abort, said in one event; null: the limit is not reached. */
export function enforceProgressTimeout(migration: Migration, turn: Turn): Stop | null {
  const { advance, limits, phase, stall } = migration;
  const { progressTimeoutMs, timeoutJudgesPasses } = limits;
  if (advance === null || phase === "postCopy") return null;
  if (!progressTimeoutReached(advance, progressTimeoutMs, timeoutJudgesPasses, turn.nowMs)) {
    return null;
  }
  const stop = decideStop(migration, "progressTimeout", turn);
  const figures = stallFigures(migration, turn.nowMs);
  log(turn, "warn", "migration does not advance, aborting", {
    stalledForMs: figures.stalledForMs,
    progressTimeoutMs,
    sinceLastByteMs: turn.nowMs - advance.lastByteAtMs,
    unproductivePasses: advance.unproductiveInARow,
    reason: figures.reason,
    pass: figures.pass,
    dataRemainingBytes: figures.dataRemainingBytes,
  });
  const reached = stallCount(figures.stalledForMs, figures.stallingLimitMs);
  const count = Math.max(stall.announcedCount, reached);
  tellStalling({ ...figures, count, progressing: false, timeoutInMs: 0, aborting: true }, turn);
  return stop;
}
