/** A save of a VM's memory into a file: the guest stands still, and it is one pass. */
import type { JobStats } from "../../core/job-stats.ts";
import type { Domain, Job } from "./domain.ts";
import { PAGE_BYTES } from "./guest-memory.ts";
import * as refusals from "./refusals.ts";
import { type Done, OK, refused, type Surroundings } from "./surroundings.ts";
import type { Timer } from "./timers.ts";

export class Save implements Job {
  readonly #domain: Domain;
  readonly #world: Surroundings;
  readonly #done: Done<null>;
  readonly #startedAtMs: number;
  readonly #bytes: number;
  readonly #bytesPerSecond: number;
  readonly #wasRunning: boolean;
  readonly #timer: Timer;
  readonly #waiting: (() => void)[] = [];

  constructor(world: Surroundings, domain: Domain, bytesPerSecond: number, done: Done<null>) {
    const { pages, zeroPages } = domain.guest.spec.memory;
    this.#domain = domain;
    this.#world = world;
    this.#done = done;
    this.#startedAtMs = world.nowMs;
    this.#bytes = (pages - zeroPages) * PAGE_BYTES;
    this.#bytesPerSecond = bytesPerSecond;
    this.#wasRunning = domain.state === "running";
    domain.job = this;
    domain.state = "saving";
    domain.guest.run(world.nowMs, false);
    world.tell(domain.host, { kind: "guest", vmId: domain.vmId, change: "suspended" });
    this.#timer = world.in((this.#bytes / bytesPerSecond) * 1000, () => this.#saved());
  }

  stats(nowMs: number): JobStats {
    const elapsedMs = nowMs - this.#startedAtMs;
    const processed = Math.min(this.#bytes, Math.round((elapsedMs * this.#bytesPerSecond) / 1000));
    const { pages, zeroPages } = this.#domain.guest.spec.memory;
    const left = this.#bytes - processed;
    return {
      type: "unbounded",
      operation: "save",
      timeElapsedMs: Math.round(elapsedMs),
      dataTotalBytes: pages * PAGE_BYTES,
      dataProcessedBytes: processed,
      dataRemainingBytes: left,
      memoryIteration: 1,
      memoryBytesPerSecond: Math.round(this.#bytesPerSecond),
      dirtyRatePagesPerSecond: 0,
      pageSizeBytes: PAGE_BYTES,
      memoryRemainingBytes: left,
      normalPages: Math.floor(processed / PAGE_BYTES),
      constantPages: zeroPages,
    };
  }

  /** Calls that must wait until it has ended. */
  afterwards(call: () => void): void {
    this.#waiting.push(call);
  }

  abort(): void {
    const { vmId, host, guest } = this.#domain;
    this.#end();
    this.#domain.state = this.#wasRunning ? "running" : "suspended";
    guest.run(this.#world.nowMs, this.#wasRunning);
    if (this.#wasRunning) {
      this.#world.tell(host, { kind: "guest", vmId, change: "resumed", byMigration: false });
    }
    this.#done(refused(refusals.ABORTED));
    for (const each of this.#waiting) each();
  }

  /** Its QEMU is gone. */
  gone(): void {
    this.#end();
    this.#done(refused(refusals.QEMU_GONE));
    for (const each of this.#waiting) each();
  }

  #saved(): void {
    const { vmId, host } = this.#domain;
    this.#end();
    this.#domain.state = "offSaved";
    if (!this.#domain.persistent) this.#world.remove(this.#domain);
    this.#world.tell(host, { kind: "guest", vmId, change: "stopped", how: "saved" });
    this.#done(OK);
    for (const each of this.#waiting) each();
  }

  #end(): void {
    this.#timer.cancel();
    this.#domain.job = null;
  }
}
