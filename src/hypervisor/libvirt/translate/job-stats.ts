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

/** QEMU 11 reports INT64_MAX before it has measured one; in a sample that is 2^53 - 1. */
function knownDowntimeMs(downtimeMs: Int64 | undefined): Int64 | undefined {
  return downtimeMs === undefined || Number(downtimeMs) >= Number.MAX_SAFE_INTEGER
    ? undefined
    : downtimeMs;
}

function toNumber(value: Int64): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Number(value));
}

/** Of a record or a sample. */
type Fields = { readonly [Field in keyof LibvirtJobStats]?: LibvirtJobStats[Field] | undefined };

type Filled = { -readonly [Field in keyof JobStats]: JobStats[Field] };

/**
 * A job-completed event's record has no `type`: that job is completed. Made for each VM in each cycle, so
 * field by field, without objects in between.
 */
export function jobStatsFromLibvirt(stats: Fields): JobStats {
  const filled: Filled = {
    type: stats.type === undefined ? "completed" : (types.get(stats.type) ?? "unbounded"),
    operation: operations.get(stats.operation ?? JobOperation.UNKNOWN) ?? "unknown",
    timeElapsedMs: toNumber(stats.timeElapsedMs ?? 0),
    dataTotalBytes: toNumber(stats.dataTotalBytes ?? 0),
    dataProcessedBytes: toNumber(stats.dataProcessedBytes ?? 0),
    dataRemainingBytes: toNumber(stats.dataRemainingBytes ?? 0),
  };
  fill(filled, "memoryIteration", stats.memoryIteration);
  fill(filled, "memoryBytesPerSecond", stats.memoryBytesPerSecond);
  fill(filled, "dirtyRatePagesPerSecond", stats.memoryDirtyRatePagesPerSecond);
  fill(filled, "pageSizeBytes", stats.memoryPageSizeBytes);
  fill(filled, "memoryRemainingBytes", stats.memoryRemainingBytes);
  fill(filled, "normalPages", stats.memoryNormalPages);
  fill(filled, "constantPages", stats.memoryConstantPages);
  fill(filled, "compressedPages", stats.compressionPages);
  fill(filled, "downtimeMs", knownDowntimeMs(stats.downtimeMs));
  fill(filled, "downtimeNetMs", stats.downtimeNetMs);
  return filled;
}

/** Only fields that libvirt sent are there. */
function fill(
  filled: Filled,
  field: Exclude<keyof JobStats, "type" | "operation">,
  value: Int64 | undefined,
): void {
  if (value !== undefined) filled[field] = toNumber(value);
}
