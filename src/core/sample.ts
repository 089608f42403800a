/**
 * One sample of libvirt's job stats, taken into a migration: the counts of both hosts, whether post-copy
 * has begun, and what the bytes say about advance and progress. First of all it settles whose job it is:
 * after a gap in which nobody watched, another party may have begun a job of its own.
 */
import { observePostCopy, observePreCopy } from "./advance.ts";
import { countHosts } from "./bandwidth.ts";
import type { AdvanceSample, CycleInput } from "./input.ts";
import { type JobStats, dataFlow, isOutgoing } from "./job-stats.ts";
import type { Advance, Migration } from "./migration.ts";
import { beginPostCopy } from "./post-copy.ts";
import { progressPercent } from "./progress.ts";
import type { Turn } from "./turn.ts";

/** What a cycle shows of a migration whose call is out. */
export function takeSample(before: Migration, input: CycleInput, turn: Turn): Migration {
  const { sample } = input;
  const counted: Migration = {
    ...before,
    sample: { ...before.sample, answered: sample !== null },
    bandwidth: countHosts(before.bandwidth, input, before.sample.dataSinceMs),
  };
  // Another party's post-copy is not ours: our guest is not half gone because its paused copy is here.
  const switched = input.postCopyState && !before.evidence.superseded;
  const migration = switched ? beginPostCopy(counted, turn) : counted;
  const { advance } = migration;
  if (advance === null) return migration;
  if (sample === null || !isOwnJob(migration, sample.stats)) {
    return { ...migration, advance: { ...advance, bytesMoving: false } };
  }
  if (isSuperseded(migration, sample.stats, turn.nowMs)) return superseded(migration);
  const still = migration.phase === "postCopy" || input.switchover === true;
  const observe = still ? observePostCopy : observePreCopy;
  return withStats(migration, observe(advance, sample, turn), sample);
}

/** A pass began just now: libvirt's event, and the sample taken at once on it. */
export function observePassStart(before: Migration, sample: AdvanceSample, turn: Turn): Migration {
  const { advance } = before;
  if (advance === null || !isOwnJob(before, sample.stats)) return before;
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

function isOwnJob({ facts }: Migration, stats: JobStats): boolean {
  return facts.mode === "file"
    ? stats.operation === "save" && stats.type !== "none"
    : isOutgoing(stats);
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
