/**
 * What is logged of a migration's steps, so that the log alone tells its story: phases, the decision to
 * end it, stalls with their reason, and its cap with what that follows from. Samples and passes go to the
 * journal. A rule that logs something itself does so with a `log` effect.
 */
import { shareNumbers } from "../../core/bandwidth.ts";
import type { Effect } from "../../core/effect.ts";
import type { StallingEvent } from "../../core/event.ts";
import type { Migration } from "../../core/migration.ts";
import type { Log } from "../../logger.ts";

/** One step, before its effects are performed. */
export function logStep(
  log: Log,
  before: Migration,
  after: Migration,
  effects: readonly Effect[],
): void {
  if (after.phase !== before.phase) {
    log.info({ from: before.phase, to: after.phase }, "phase changed");
  }
  if (before.stop === null && after.stop !== null) {
    log.info({ why: after.stop.why, phase: after.phase }, "migration is to end");
  }
  if (after.bandwidth.capMiBps !== before.bandwidth.capMiBps) {
    const { bandwidth, limits } = after;
    const fields = { fromMiBps: before.bandwidth.capMiBps, capMiBps: bandwidth.capMiBps };
    log.info({ ...fields, ...shareNumbers(bandwidth, limits) }, "bandwidth cap changed");
  }
  for (const effect of effects) {
    if (effect.kind !== "event" || effect.event.kind !== "stalling") continue;
    logStall(log, effect.event.stalling, after);
  }
}

function logStall(log: Log, stalling: StallingEvent, { bandwidth, limits }: Migration): void {
  // The decision to abort is logged separately.
  if (stalling.aborting) return;
  if (stalling.progressing) {
    log.info({ pass: stalling.pass }, "migration advances again");
    return;
  }
  const fields = {
    reason: stalling.reason,
    count: stalling.count,
    stalledForMs: stalling.stalledForMs,
    timeoutInMs: stalling.timeoutInMs,
    pass: stalling.pass,
    dataRemainingBytes: stalling.dataRemainingBytes,
    bestPassBytes: stalling.bestPassBytes,
    bytesPerSecond: stalling.bytesPerSecond,
    dirtyRateBytesPerSecond: stalling.dirtyRateBytesPerSecond,
    capMiBps: bandwidth.capMiBps,
    maxBandwidthMiBps: limits.maxBandwidthMiBps,
    maxDowntimeMs: stalling.maxDowntimeMs,
  };
  log.warn(fields, "migration is stalling");
}
