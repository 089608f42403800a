/**
 * What is to happen in the simulated world, in the order of its time. Nothing here reads a clock: the
 * time is passed in, so a thousand seconds can go by in one, or as slowly as the real ones.
 */
import TinyQueue from "tinyqueue";

export interface Timer {
  /** It will not happen. */
  cancel(): void;
}

interface Entry extends Timer {
  readonly atMs: number;
  /** Of those at the same time the one that was planned first happens first. */
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

export class Timers {
  #nowMs: number;
  #order = 0;
  readonly #queue = new TinyQueue<Entry>(
    [],
    (one, other) => one.atMs - other.atMs || one.order - other.order,
  );

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** When something is due next; Infinity: nothing is planned. */
  get nextMs(): number {
    this.#dropCancelled();
    return this.#queue.peek()?.atMs ?? Infinity;
  }

  /** Infinity: never. */
  in(delayMs: number, run: () => void): Timer {
    const entry: Entry = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      run,
      cancelled: false,
      cancel() {
        entry.cancelled = true;
      },
    };
    if (entry.atMs !== Infinity) this.#queue.push(entry);
    return entry;
  }

  /** Everything that is due by then happens, each at its own time. The time never goes back. */
  advance(toMs: number): void {
    while (this.nextMs <= toMs) {
      const entry = this.#queue.pop();
      if (entry === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, entry.atMs);
      entry.run();
    }
    this.#nowMs = Math.max(this.#nowMs, toMs);
  }

  #dropCancelled(): void {
    while (this.#queue.peek()?.cancelled === true) this.#queue.pop();
  }
}
