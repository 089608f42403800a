/**
 * One sample of virDomainGetJobStats in the daemon's units. The hypervisor adapter fills it; the
 * core only reads it. Optional fields are those that libvirt leaves out before the first data or
 * on older versions; required ones are 0 until then.
 *
 * Source: libvirt-domain.h, VIR_DOMAIN_JOB_* (virDomainGetJobStats, Since 1.0.3).
 */

export type JobType = "none" | "bounded" | "unbounded" | "completed" | "failed" | "cancelled";

export type JobOperation =
  | "unknown"
  | "start"
  | "save"
  | "restore"
  | "migrationIn"
  | "migrationOut"
  | "snapshot"
  | "snapshotRevert"
  | "dump"
  | "backup"
  | "snapshotDelete";

export interface JobStats {
  readonly type: JobType;
  readonly operation: JobOperation;
  readonly timeElapsedMs: number;
  /** Disk and memory together; 0 as long as no data flow ("not begun"). */
  readonly dataTotalBytes: number;
  readonly dataProcessedBytes: number;
  readonly dataRemainingBytes: number;
  /** Number of the sweep over dirty pages; may begin above 0 in a new job. */
  readonly memoryIteration?: number;
  readonly memoryBytesPerSecond?: number;
  /** Pages, not bytes; 0 in pass 1. */
  readonly dirtyRatePagesPerSecond?: number;
  readonly pageSizeBytes?: number;
  /** Of memory alone; like the page counts absent or 0 while only disks are copied. */
  readonly memoryRemainingBytes?: number;
  /** Pages sent whole since the job began. */
  readonly normalPages?: number;
  /** Pages of one repeated byte, mostly zero: they cost next to no bytes. */
  readonly constantPages?: number;
  /** Pages that went through QEMU's cache (xbzrle); where they overflow it they count as whole, too. */
  readonly compressedPages?: number;
  /** While active: the downtime that QEMU expects; in a completed record: the one that was. */
  readonly downtimeMs?: number;
  /** Without the time the network took; completed records of pre-copy only. */
  readonly downtimeNetMs?: number;
}

/** A job is there and it is an outgoing migration. Type NONE is "no job", whatever its operation. */
export function isOutgoing(stats: JobStats): boolean {
  return stats.operation === "migrationOut" && stats.type !== "none";
}

/** Data have begun to flow: before that every byte counter is 0. */
export function dataFlow(stats: JobStats): boolean {
  return stats.dataTotalBytes > 0;
}

/** Bytes per second that the guest dirties, or undefined where libvirt does not say. */
export function dirtyRateBytesPerSecond(stats: JobStats): number | undefined {
  if (stats.dirtyRatePagesPerSecond === undefined || stats.pageSizeBytes === undefined) {
    return undefined;
  }
  return stats.dirtyRatePagesPerSecond * stats.pageSizeBytes;
}

/** Pages handled so far, in bytes, however few each cost; undefined where libvirt does not count them. */
export function handledPagesBytes(stats: JobStats): number | undefined {
  const { normalPages, constantPages = 0, compressedPages = 0, pageSizeBytes } = stats;
  if (normalPages === undefined || pageSizeBytes === undefined) return undefined;
  return (normalPages + constantPages + compressedPages) * pageSizeBytes;
}

/** What is dirty now; where libvirt does not tell memory from disks, both. */
export function memoryRemainingBytes(stats: JobStats): number {
  return stats.memoryRemainingBytes ?? stats.dataRemainingBytes;
}

/**
 * What QEMU itself takes for the remaining data at the start of this pass: expected downtime times
 * rate, both of which it updates together. It truncates the downtime to whole ms, so the figure is
 * low by up to one ms of transfer. undefined where libvirt gives neither or the figure is
 * impossible (below what remains now).
 */
export function estimatedPassSizeBytes(stats: JobStats): number | undefined {
  if (stats.downtimeMs === undefined || stats.memoryBytesPerSecond === undefined) return undefined;
  const estimateBytes = (stats.downtimeMs * stats.memoryBytesPerSecond) / 1000;
  return estimateBytes >= stats.dataRemainingBytes ? estimateBytes : undefined;
}
