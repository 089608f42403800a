/**
 * A guest: what it is, and its memory, which moves with it. Wherever it runs, it writes; slowed down by
 * auto-converge it writes less, and while it stands still it writes nothing.
 */
import type { DiskFact } from "../../core/migrate-check.ts";
import { DirtyLog, type MemoryShape, type PageSet } from "./guest-memory.ts";

export interface GuestSpec {
  readonly vmId: string;
  readonly name: string;
  readonly memory: MemoryShape;
  readonly vcpus: number;
  readonly numaNodes: number;
  readonly graphics: readonly ("spice" | "vnc" | "other")[];
  readonly disks: readonly DiskFact[];
  readonly hostDevices: readonly string[];
  /**
   * Share of its CPUs' time that the guest needs to write as fast as it does; the rest it idles.
   * Auto-converge takes away the idle time first.
   */
  readonly busyShare: number;
}

export class Guest {
  readonly spec: GuestSpec;
  readonly log: DirtyLog;
  #runs = false;
  /** 0 to 1, of the CPUs' time. */
  #throttle = 0;
  #atMs: number;

  constructor(spec: GuestSpec, nowMs: number) {
    this.spec = spec;
    this.log = new DirtyLog(spec.memory.sets);
    this.#atMs = nowMs;
  }

  /** Has written whatever it wrote until then. */
  catchUp(nowMs: number): void {
    const ms = nowMs - this.#atMs;
    this.#atMs = nowMs;
    if (ms > 0 && this.#runs) this.log.run(ms, this.#speed);
  }

  run(nowMs: number, runs: boolean): void {
    this.catchUp(nowMs);
    this.#runs = runs;
  }

  throttle(nowMs: number, share: number): void {
    this.catchUp(nowMs);
    this.#throttle = share;
  }

  load(nowMs: number, sets: readonly PageSet[]): void {
    this.catchUp(nowMs);
    this.log.load(sets);
  }

  get #speed(): number {
    return Math.min(1, (1 - this.#throttle) / this.spec.busyShare);
  }
}
