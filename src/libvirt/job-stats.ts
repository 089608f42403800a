/**
 * One sample of a domain's job, from virDomainGetJobStats or a job-completed event. Names are libvirt's
 * in camel case with the unit last; native/job-stats.cc has the table of keys. Fields that libvirt did
 * not send are missing, never 0: which ones it sends varies at the start and the end of a job.
 *
 * Source: <libvirt/libvirt-domain.h>, VIR_DOMAIN_JOB_*; all but `vfioDataTransferredBytes` (10.6)
 * are in libvirt 9.0.
 */
import type { Int64 } from "./arguments.ts";

export interface JobStatsFields {
  /** virDomainJobOperation, see JobOperation. */
  readonly operation?: number;
  readonly timeElapsedMs?: Int64;
  /** Without the time for transferring control flow; only correct if both hosts' clocks agree. */
  readonly timeElapsedNetMs?: Int64;
  readonly timeRemainingMs?: Int64;
  /** Expected while the job is running; in the record of a completed one, actual. */
  readonly downtimeMs?: Int64;
  readonly downtimeNetMs?: Int64;
  readonly setupTimeMs?: Int64;

  readonly dataTotalBytes?: Int64;
  readonly dataProcessedBytes?: Int64;
  readonly dataRemainingBytes?: Int64;

  readonly memoryTotalBytes?: Int64;
  readonly memoryProcessedBytes?: Int64;
  readonly memoryRemainingBytes?: Int64;
  /** Pages filled with one repeated byte, sent as that byte. */
  readonly memoryConstantPages?: Int64;
  readonly memoryNormalPages?: Int64;
  readonly memoryNormalBytes?: Int64;
  /** libvirt's memory_bps: bytes, not bits. */
  readonly memoryBytesPerSecond?: Int64;
  readonly memoryDirtyRatePagesPerSecond?: Int64;
  readonly memoryPageSizeBytes?: Int64;
  readonly memoryIteration?: Int64;
  readonly memoryPostcopyRequests?: Int64;

  readonly diskTotalBytes?: Int64;
  readonly diskProcessedBytes?: Int64;
  readonly diskRemainingBytes?: Int64;
  readonly diskBytesPerSecond?: Int64;
  readonly diskTempUsedBytes?: Int64;
  readonly diskTempTotalBytes?: Int64;

  readonly compressionCacheBytes?: Int64;
  readonly compressionBytes?: Int64;
  readonly compressionPages?: Int64;
  readonly compressionCacheMisses?: Int64;
  readonly compressionOverflows?: Int64;

  /** By how much the guest's CPUs are slowed down. */
  readonly autoConvergeThrottlePercent?: number;
  readonly vfioDataTransferredBytes?: Int64;

  readonly success?: boolean;
  readonly errorMessage?: string;

  /** Values under keys that this binding does not know, with libvirt's own keys. */
  readonly other?: Readonly<Record<string, Int64 | boolean | string>>;
}

/** A sample from getJobStats. */
export interface JobStats extends JobStatsFields {
  /** virDomainJobType, see JobType: NONE means that no job is running, and then nothing else is set. */
  readonly type: number;
}
