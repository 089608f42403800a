/**
 * One sample of libvirt's job stats, taken into a migration: the counts of both hosts, whether post-copy
 * has begun, and what the bytes say about advance and progress. First of all it settles whose job it is:
 * after a gap in which nobody watched, another party may have begun a job of its own.
 *
 * `progress` is the percentage that the engine is shown, of data no longer remaining. Not to be confused
 * with advance (advance.ts), which decides whether a migration is stuck.
 */
import { observePostCopy, observePreCopy } from "./advance.ts";
import { countHosts } from "./bandwidth.ts";
import type { CoreEvent } from "./event.ts";
import type { AdvanceSample, CycleInput } from "./input.ts";
import { type JobStats, dataFlow, isOwnJob } from "./job-stats.ts";
import type { Advance, Migration } from "./migration.ts";
import { beginPostCopy } from "./post-copy.ts";
import { isPausedCopy } from "./run-state.ts";
import type { Turn } from "./turn.ts";

/** What a cycle shows of a migration whose call is out. */
export function takeSample(before: Migration, input: CycleInput, turn: Turn): Migration {
  const { runState, sample } = input;
  const counted: Migration = {
    ...before,
    sample: { ...before.sample, answered: sample !== null },
    bandwidth: countHosts(before.bandwidth, input, before.sample.dataSinceMs),
  };
  // Another party's post-copy is not ours: our guest is not half gone because its paused copy is here.
  const switched = isPausedCopy(runState) && !before.evidence.superseded;
  const migration = switched ? beginPostCopy(counted, turn) : counted;
  const { advance } = migration;
  if (advance === null) return migration;
  if (sample === null || !isOwnJob(sample.stats, migration.facts.mode)) {
    return { ...migration, advance: { ...advance, bytesMoving: false } };
  }
  if (isSuperseded(migration, sample.stats, turn.nowMs)) return superseded(migration);
  const still = migration.phase === "postCopy" || runState === "switching";
  const observe = still ? observePostCopy : observePreCopy;
  return withStats(migration, observe(advance, sample, turn), sample);
}

/** A pass began just now: libvirt's event, and the sample taken at once on it. */
export function observePassStart(before: Migration, sample: AdvanceSample, turn: Turn): Migration {
  const { advance } = before;
  if (advance === null || !isOwnJob(sample.stats, before.facts.mode)) return before;
  if (isSuperseded(before, sample.stats, turn.nowMs)) {
    return { ...before, evidence: { ...before.evidence, superseded: true } };
  }
  return withStats(before, observePreCopy(advance, sample, turn), sample);
}

function withStats(before: Migration, advance: Advance, { stats, atMs }: AdvanceSample): Migration {
  const migration = { ...before, advance };
  if (!dataFlow(stats)) return migration;
  return {
    ...migration,
    phase: migration.phase === "starting" ? "running" : migration.phase,
    sample: {
      ...migration.sample,
      stats,
      dataSinceMs: migration.sample.dataSinceMs ?? atMs,
      progressPercent: progressPercent(stats, migration.sample.progressPercent),
    },
  };
}

function superseded(migration: Migration): Migration {
  return {
    ...migration,
    sample: { ...migration.sample, answered: false },
    evidence: { ...migration.evidence, superseded: true },
  };
}

/** libvirt counts a job's time from its beginning; ours cannot be this much younger than our call. */
const ELAPSED_SHORT_MS = 150_000;

/**
 * The job that libvirt shows is not the one that was left: the bytes of one job never decrease, and its
 * time runs on. Judged only right after a gap, and not in post-copy, where a restart of libvirtd sets
 * the time to 0.
 */
function isSuperseded(migration: Migration, stats: JobStats, nowMs: number): boolean {
  const { advance, call, evidence, phase } = migration;
  if (evidence.superseded) return true;
  if (call.returned?.unwatched !== "daemonDown" || call.madeAtMs === null) return false;
  if (advance === null || advance.gapEndedAtMs === null || phase === "postCopy") return false;
  return (
    (dataFlow(stats) && stats.dataProcessedBytes < advance.processedBytes) ||
    stats.timeElapsedMs + ELAPSED_SHORT_MS < nowMs - call.madeAtMs
  );
}

/** Highest value while the migration is not known to have completed. */
const PROGRESS_RUNNING_MAX = 99;

/**
 * 0 if the total is 0, else min(99, 100 - floor(100 x remaining / total)), at least `previous`.
 * Example: 33 of 100 remaining gives 67; 1 of 100 gives 99; 0 of 100 gives 99.
 */
export function progressPercent(
  stats: Pick<JobStats, "dataTotalBytes" | "dataRemainingBytes">,
  previousPercent: number,
): number {
  if (stats.dataTotalBytes === 0) return previousPercent;
  const sent = 100 - Math.floor((100 * stats.dataRemainingBytes) / stats.dataTotalBytes);
  return Math.max(previousPercent, Math.min(PROGRESS_RUNNING_MAX, Math.max(0, sent)));
}

/** What the engine is told of it in each cycle of the timer. */
export function statusEvent({ postCopy, sample }: Migration) {
  return {
    kind: "migrationStatus",
    progressPercent: sample.progressPercent,
    postCopy: postCopy.begun,
    downtimeMs: null,
  } as const satisfies CoreEvent;
}
