/**
 * What QEMU does with a guest's memory, in figures alone: it sends at one rate what is dirty, the
 * guest dirties other pages at another, and at each boundary the two are added up. A boundary comes
 * when everything is sent; with auto-converge from QEMU 9.2 on also every 5 s after the first sweep, and
 * in QEMU 11.1 always after each 100 ms.
 */
import type { JobStats } from "../../src/core/job-stats.ts";
import { sample } from "../core/fixtures.ts";

const PAGE_BYTES = 4_096;

/** Rates are per second. */
export interface GuestHabits {
  readonly memoryBytes: number;
  readonly sendsBytes: number;
  readonly dirtiesBytes: number;
  /** Of what it writes to: no more than this is ever dirty after pass 1. */
  readonly withinBytes: number;
  /** How often QEMU synchronises in mid-sweep; null: never. */
  readonly resyncMs: number | null;
  /** In the first sweep too, as QEMU 11.1. */
  readonly fromStart: boolean;
  readonly cycleMs: number;
  /** What the downtime allows to remain. */
  readonly arrivesAtBytes: number;
}

export class GuestModel {
  readonly #habits: GuestHabits;
  nowMs = 0;
  arrives = false;
  #iteration = 0;
  #remainingBytes: number;
  /** The first sweep is done. */
  #sentAll = false;
  #dirtiedBytes = 0;
  #handledBytes = 0;
  #boundaryAtMs = 0;
  #cycleAtMs: number;

  constructor(habits: GuestHabits) {
    this.#habits = habits;
    this.#remainingBytes = habits.memoryBytes;
    this.#cycleAtMs = habits.cycleMs;
  }

  /** Runs on to the next boundary, whose number it returns, or to the next cycle: null. */
  runToNext(): number | null {
    if (this.#iteration === 0) return this.#begin(this.#remainingBytes);
    const { sendsBytes, resyncMs, fromStart, cycleMs } = this.#habits;
    const sentAtMs = this.nowMs + Math.ceil((this.#remainingBytes / sendsBytes) * 1_000);
    const resyncs = resyncMs !== null && (fromStart || this.#sentAll);
    const nextMs = resyncs ? Math.min(sentAtMs, this.#boundaryAtMs + resyncMs) : sentAtMs;
    if (this.#cycleAtMs < nextMs) {
      this.#runTo(this.#cycleAtMs);
      this.#cycleAtMs += cycleMs;
      return null;
    }
    this.#runTo(nextMs);
    this.#sentAll ||= this.#handledBytes >= this.#habits.memoryBytes;
    return this.#begin(this.#remainingBytes + this.#dirtiedBytes);
  }

  #begin(sizeBytes: number): number {
    const { memoryBytes, withinBytes, arrivesAtBytes } = this.#habits;
    const mostBytes = this.#sentAll ? withinBytes : memoryBytes;
    this.#remainingBytes = wholePages(Math.min(sizeBytes, mostBytes));
    this.#dirtiedBytes = 0;
    this.#boundaryAtMs = this.nowMs;
    this.#iteration += 1;
    this.arrives = this.#remainingBytes <= arrivesAtBytes;
    return this.#iteration;
  }

  #runTo(atMs: number): void {
    const seconds = (atMs - this.nowMs) / 1_000;
    const mayBytes = wholePages(this.#habits.sendsBytes * seconds);
    const sentBytes = Math.min(this.#remainingBytes, mayBytes);
    this.#remainingBytes -= sentBytes;
    this.#handledBytes += sentBytes;
    this.#dirtiedBytes += this.#habits.dirtiesBytes * seconds;
    this.nowMs = atMs;
  }

  stats(): JobStats {
    const dataTotalBytes = this.#habits.memoryBytes;
    return {
      ...sample({ dataTotalBytes, memoryIteration: this.#iteration }),
      dataProcessedBytes: this.#handledBytes,
      dataRemainingBytes: this.#remainingBytes,
      memoryRemainingBytes: this.#remainingBytes,
      memoryBytesPerSecond: this.#habits.sendsBytes,
      normalPages: this.#handledBytes / PAGE_BYTES,
      pageSizeBytes: PAGE_BYTES,
    };
  }
}

function wholePages(bytes: number): number {
  return Math.round(bytes / PAGE_BYTES) * PAGE_BYTES;
}
