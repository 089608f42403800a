/**
 * libvirt's job stats in the core's words: operation and type by name, 64-bit values as numbers. Values
 * beyond 2^53 (8 PiB) are clamped, because a number would lose digits; no rule of the core notices.
 */
import { JobOperation, JobType, type Int64, type JobStats as LibvirtJobStats } from "libvirt";
import type {
  JobOperation as Operation,
  JobStats,
  JobType as Type,
} from "../../../core/job-stats.ts";
import { byNumber } from "./by-number.ts";

const types: ReadonlyMap<number, Type> = byNumber(JobType, {
  NONE: "none",
  BOUNDED: "bounded",
  UNBOUNDED: "unbounded",
  COMPLETED: "completed",
  FAILED: "failed",
  CANCELLED: "cancelled",
});

const operations: ReadonlyMap<number, Operation> = byNumber(JobOperation, {
  UNKNOWN: "unknown",
  START: "start",
  SAVE: "save",
  RESTORE: "restore",
  MIGRATION_IN: "migrationIn",
  MIGRATION_OUT: "migrationOut",
  SNAPSHOT: "snapshot",
  SNAPSHOT_REVERT: "snapshotRevert",
  DUMP: "dump",
  BACKUP: "backup",
  SNAPSHOT_DELETE: "snapshotDelete",
});

/** The expected downtime that QEMU 11 reports before it has measured one: INT64_MAX. */
const DOWNTIME_UNKNOWN_MS = 2n ** 63n - 1n;

function knownDowntimeMs(downtimeMs: Int64 | undefined): Int64 | undefined {
  return downtimeMs === undefined || BigInt(downtimeMs) >= DOWNTIME_UNKNOWN_MS
    ? undefined
    : downtimeMs;
}

function toNumber(value: Int64): number {
  const number = Number(value);
  return Math.min(Number.MAX_SAFE_INTEGER, number);
}

/** A job-completed event's record has no `type`: that job is completed. */
export function jobStatsFromLibvirt(
  stats: Omit<LibvirtJobStats, "type"> & { readonly type?: number },
): JobStats {
  const optional = {
    memoryIteration: stats.memoryIteration,
    memoryBytesPerSecond: stats.memoryBytesPerSecond,
    dirtyRatePagesPerSecond: stats.memoryDirtyRatePagesPerSecond,
    pageSizeBytes: stats.memoryPageSizeBytes,
    memoryRemainingBytes: stats.memoryRemainingBytes,
    normalPages: stats.memoryNormalPages,
    constantPages: stats.memoryConstantPages,
    compressedPages: stats.compressionPages,
    downtimeMs: knownDowntimeMs(stats.downtimeMs),
    downtimeNetMs: stats.downtimeNetMs,
  };
  return {
    type: stats.type === undefined ? "completed" : (types.get(stats.type) ?? "unbounded"),
    operation: operations.get(stats.operation ?? JobOperation.UNKNOWN) ?? "unknown",
    timeElapsedMs: toNumber(stats.timeElapsedMs ?? 0),
    dataTotalBytes: toNumber(stats.dataTotalBytes ?? 0),
    dataProcessedBytes: toNumber(stats.dataProcessedBytes ?? 0),
    dataRemainingBytes: toNumber(stats.dataRemainingBytes ?? 0),
    ...present(optional),
  };
}

/** Only fields that libvirt sent. */
function present<K extends string>(
  fields: Readonly<Record<K, Int64 | undefined>>,
): Partial<Record<K, number>> {
  const found: Partial<Record<K, number>> = {};
  for (const key in fields) {
    const value = fields[key];
    if (value !== undefined) found[key] = toNumber(value);
  }
  return found;
}
