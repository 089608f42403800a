/**
 * Job stats of many domains in one go. Lanes, one for each connection that is put to it, work off the
 * list together, each on a thread of its own that goes on to the next domain without coming back to
 * JavaScript. A domain that does not answer holds up its own lane alone. Answers are collected until
 * they are taken; only the fields below are decoded.
 */
import { type JobSamplesHandle, type NativeTaken, native } from "./abi.ts";
import { checkString } from "./arguments.ts";
import { LibvirtError } from "./errors.ts";
import type { JobStats } from "./job-stats.ts";

/** In the order of native/job-samples.cc. */
export const sampledFields = [
  "operation",
  "timeElapsedMs",
  "dataTotalBytes",
  "dataProcessedBytes",
  "dataRemainingBytes",
  "memoryIteration",
  "memoryBytesPerSecond",
  "memoryDirtyRatePagesPerSecond",
  "memoryPageSizeBytes",
  "memoryRemainingBytes",
  "memoryNormalPages",
  "memoryConstantPages",
  "compressionPages",
  "downtimeMs",
  "downtimeNetMs",
] as const;

/** Fields that libvirt did not send are undefined. Values from 2^53 on are 2^53 - 1. */
export type SampledStats = {
  readonly [Field in (typeof sampledFields)[number]]: number | undefined;
} & Pick<JobStats, "type">;

export type JobSample =
  | {
      readonly kind: "stats";
      readonly uuid: string;
      readonly stats: SampledStats;
      /** How long ago libvirt answered. */
      readonly ageMs: number;
    }
  | { readonly kind: "refused"; readonly uuid: string; readonly error: LibvirtError }
  /** The connection was lost meanwhile: the error says nothing of the domain. */
  | { readonly kind: "lost"; readonly uuid: string; readonly error: LibvirtError };

/** index, age, type; the fields follow. */
const BEFORE_FIELDS = 3;
const ROW = BEFORE_FIELDS + sampledFields.length;

/** For connection.ts, which runs the lanes. */
export let handleOf: (samples: JobSamples) => JobSamplesHandle;

export class JobSamples {
  static {
    handleOf = (samples) => samples.#handle;
  }

  readonly #uuids: readonly string[];
  readonly #handle: JobSamplesHandle;

  /** Domains are asked in this order. */
  constructor(uuids: readonly string[]) {
    this.#uuids = uuids.map((uuid) => checkString("uuid", uuid));
    this.#handle = native.jobSamplesNew(this.#uuids);
  }

  /** How many domains no lane has begun to ask; 0 once it is closed. */
  get left(): number {
    return native.jobSamplesLeft(this.#handle);
  }

  /** Domains that have been asked and have not answered. */
  inFlight(): readonly string[] {
    return native.jobSamplesInFlight(this.#handle).map((index) => this.#uuidAt(index));
  }

  /** No further domain is asked. Those in flight may still answer. */
  close(): void {
    native.jobSamplesClose(this.#handle);
  }

  /** What has come since the last time, in no particular order. */
  take(): readonly JobSample[] {
    const { rows, refused } = native.jobSamplesTake(this.#handle);
    const samples: JobSample[] = refused.map((each) => this.#refused(each));
    for (let at = 0; at < rows.length; at += ROW) samples.push(this.#answer(rows, at));
    return samples;
  }

  #answer(rows: Float64Array, at: number): JobSample {
    return {
      kind: "stats",
      uuid: this.#uuidAt(rows[at] ?? -1),
      stats: statsIn(rows, at + BEFORE_FIELDS, rows[at + 2] ?? 0),
      ageMs: rows[at + 1] ?? 0,
    };
  }

  #refused({ index, failure, lookingUp, lost }: NativeTaken["refused"][number]): JobSample {
    const operation = lookingUp ? "virDomainLookupByUUIDString" : "virDomainGetJobStats";
    const error = new LibvirtError(operation, failure);
    return { kind: lost ? "lost" : "refused", uuid: this.#uuidAt(index), error };
  }

  #uuidAt(index: number): string {
    return this.#uuids[index] ?? "";
  }
}

/** Spelled out, because it is done for each domain and sample: objects of one shape are made fast. */
function statsIn(rows: Float64Array, first: number, type: number): SampledStats {
  return {
    type,
    operation: sent(rows[first]),
    timeElapsedMs: sent(rows[first + 1]),
    dataTotalBytes: sent(rows[first + 2]),
    dataProcessedBytes: sent(rows[first + 3]),
    dataRemainingBytes: sent(rows[first + 4]),
    memoryIteration: sent(rows[first + 5]),
    memoryBytesPerSecond: sent(rows[first + 6]),
    memoryDirtyRatePagesPerSecond: sent(rows[first + 7]),
    memoryPageSizeBytes: sent(rows[first + 8]),
    memoryRemainingBytes: sent(rows[first + 9]),
    memoryNormalPages: sent(rows[first + 10]),
    memoryConstantPages: sent(rows[first + 11]),
    compressionPages: sent(rows[first + 12]),
    downtimeMs: sent(rows[first + 13]),
    downtimeNetMs: sent(rows[first + 14]),
  };
}

function sent(value: number | undefined): number | undefined {
  return value === undefined || Number.isNaN(value) ? undefined : value;
}
