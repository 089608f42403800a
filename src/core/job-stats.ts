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
  return isOwnJob(stats, "remote");
}

type Job = Pick<JobStats, "type" | "operation">;

/** The operation of a migration's own job. */
export function ownOperation(mode: "remote" | "file"): JobOperation {
  return mode === "file" ? "save" : "migrationOut";
}

/** libvirt shows this migration's own job, as far as its operation tells. */
export function isOwnJob({ type, operation }: Job, mode: "remote" | "file"): boolean {
  return type !== "none" && operation === ownOperation(mode);
}

/**
 * The operation of a job that is not this migration's; null: it is, or there is no job. libvirt allows
 * one job at a time and an abort ends whichever there is, so a backup or dump that somebody started
 * meanwhile must not be mistaken for the migration.
 */
export function othersJob(job: Job, mode: "remote" | "file"): JobOperation | null {
  return job.type === "none" || isOwnJob(job, mode) ? null : job.operation;
}

/** Some migration or save, which may be the one that is looked for. */
export function takesGuestAway(job: Job): boolean {
  return isOwnJob(job, "remote") || isOwnJob(job, "file");
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
