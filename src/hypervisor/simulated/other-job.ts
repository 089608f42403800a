/** A job that is neither a migration nor a save, such as a backup that somebody began. */
import type { JobOperation, JobStats } from "../../core/job-stats.ts";
import type { Job } from "./domain.ts";

export class OtherJob implements Job {
  readonly #operation: JobOperation;
  readonly #startedAtMs: number;

  constructor(operation: JobOperation, nowMs: number) {
    this.#operation = operation;
    this.#startedAtMs = nowMs;
  }

  stats(nowMs: number): JobStats {
    return {
      type: "unbounded",
      operation: this.#operation,
      timeElapsedMs: Math.round(nowMs - this.#startedAtMs),
      dataTotalBytes: 1,
      dataProcessedBytes: 0,
      dataRemainingBytes: 1,
    };
  }
}
