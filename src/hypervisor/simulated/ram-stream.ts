/**
 * QEMU's pass over the pages that are to be sent: which kinds of pages are left, in the order in which
 * they lie in memory, what each costs on the wire, how fast they go at a given rate, and when so little
 * is left that QEMU looks again for what the guest has dirtied.
 *
 * Sources: QEMU, migration/ram.c (ram_save_iterate, ram_save_pending) and migration/migration.c
 * (migration_update_counters): a look comes as soon as what is left could be sent within the allowed
 * downtime at the rate that was measured last.
 */
import {
  type DirtyLog,
  type MemoryShape,
  PAGE_BYTES,
  type PageSet,
  stillPages,
} from "./guest-memory.ts";

/** The page's place and its flags. */
const PAGE_HEADER_BYTES = 8;
const WHOLE_PAGE_BYTES = PAGE_BYTES + PAGE_HEADER_BYTES;
/** The header, and one byte for "zero". */
const ZERO_PAGE_BYTES = 9;
/** The header, a flag and the length of what follows. */
const DELTA_HEADER_BYTES = 11;
/** QEMU's BUFFER_DELAY: it measures its rate so often, and sends in slices so long. */
const SLICE_MS = 100;
/** A pass over nothing takes some time, too. */
const PASS_MIN_MS = 1;
/** Of a slice: one that is over but for a rounding error is over. */
const ROUNDING_SLICES = 1e-9;
/** Of a page: what is left after a computation that should have left nothing. */
const ROUNDING_PAGES = 1e-6;

/** What is counted: pages since the job began, by how they went. */
export interface SentPages {
  whole: number;
  zero: number;
  delta: number;
}

interface Run {
  kind: keyof SentPages;
  pageBytes: number;
  /** The set that they belong to; -1: none. */
  readonly set: number;
  left: number;
}

export interface StreamOptions {
  /** Pages a second that can be looked through. */
  readonly zeroPagesPerSecond: number;
  /** xbzrle: from the second pass on, pages of a set cost what changed in them. */
  readonly compressed: boolean;
}

export class RamStream {
  readonly sent: SentPages = { whole: 0, zero: 0, delta: 0 };
  readonly #options: StreamOptions;
  readonly #log: DirtyLog;
  /** In the order in which they go next: QEMU goes on where it was, and round again. */
  #runs: Run[];
  #pass = 1;
  #sentBytes = 0;
  #passPages: number;
  #measuredBytesPerSecond = 0;
  /** Into the present run, for the measurement. */
  #runMs = 0;
  #passMs = 0;

  constructor(shape: MemoryShape, log: DirtyLog, options: StreamOptions) {
    this.#options = options;
    this.#log = log;
    const whole = { kind: "whole", pageBytes: WHOLE_PAGE_BYTES } as const;
    this.#runs = [
      ...shape.sets.map(({ pages }, set): Run => ({ ...whole, set, left: pages })),
      { ...whole, set: -1, left: stillPages(shape) },
      { kind: "zero", pageBytes: ZERO_PAGE_BYTES, set: -1, left: shape.zeroPages },
    ];
    this.#passPages = this.leftPages;
    log.forget();
  }

  /** The number of the present pass, from 1. */
  get pass(): number {
    return this.#pass;
  }

  get leftPages(): number {
    return this.#runs.reduce((sum, { left }) => sum + left, 0);
  }

  /** What was left when the present pass began. */
  get passPages(): number {
    return this.#passPages;
  }

  /** How long the present pass has lasted. */
  get passMs(): number {
    return this.#passMs;
  }

  /** Still to be sent, of one set. */
  leftOf(set: number): number {
    return this.#runs.find((run) => run.set === set)?.left ?? 0;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** As QEMU measured it last. */
  get measuredBytesPerSecond(): number {
    return this.#measuredBytesPerSecond;
  }

  /** Sends for `ms` at `bytesPerSecond` of the link. */
  send(ms: number, bytesPerSecond: number): void {
    let leftMs = ms;
    this.#passMs += ms;
    const inOrder = this.#runs;
    for (const run of inOrder) {
      if (leftMs <= 0) return;
      if (run.left <= 0) continue;
      this.#goOnFrom(run);
      const pagesPerMs = this.#pagesPerMs(run, bytesPerSecond);
      if (pagesPerMs <= 0) return;
      const usedMs = Math.min(leftMs, run.left / pagesPerMs);
      this.#take(run, usedMs === leftMs ? Math.min(run.left, usedMs * pagesPerMs) : run.left);
      this.#measure(run, usedMs, pagesPerMs);
      leftMs -= usedMs;
    }
  }

  /**
   * In ms, until QEMU will look for dirtied pages; Infinity: never, at this rate. It looks between two
   * slices, so not before the first of a pass is over, unless nothing is left.
   */
  looksInMs(bytesPerSecond: number, downtimeMs: number): number {
    const sentInMs = this.sentInMs(bytesPerSecond);
    const fewInMs = this.#fewInMs(bytesPerSecond, downtimeMs);
    const slices = Math.max(1, Math.ceil((this.#passMs + fewInMs) / SLICE_MS - ROUNDING_SLICES));
    const soonestMs = slices * SLICE_MS - this.#passMs;
    return Math.max(Math.min(sentInMs, soonestMs), PASS_MIN_MS - this.#passMs, 0);
  }

  /** In ms, until nothing is left. */
  sentInMs(bytesPerSecond: number): number {
    if (this.leftPages <= ROUNDING_PAGES) return 0;
    return this.#runs.reduce((sum, run) => {
      if (run.left <= 0) return sum;
      const pagesPerMs = this.#pagesPerMs(run, bytesPerSecond);
      return pagesPerMs > 0 ? sum + run.left / pagesPerMs : Infinity;
    }, 0);
  }

  /** In ms, until so little is left that it fits into the downtime. */
  #fewInMs(bytesPerSecond: number, downtimeMs: number): number {
    let left = this.leftPages;
    let inMs = 0;
    let measured = this.#measuredBytesPerSecond;
    let runMs = this.#runMs;
    for (const run of this.#runs) {
      if (run.left <= 0) continue;
      const pagesPerMs = this.#pagesPerMs(run, bytesPerSecond);
      if (pagesPerMs <= 0) return Infinity;
      const takesMs = run.left / pagesPerMs;
      const settlesMs = Math.max(0, SLICE_MS - runMs);
      const found =
        crossing(left, enough(measured, downtimeMs), pagesPerMs, 0, Math.min(settlesMs, takesMs)) ??
        (takesMs > settlesMs
          ? crossing(
              left,
              enough(bytesOf(run, pagesPerMs), downtimeMs),
              pagesPerMs,
              settlesMs,
              takesMs,
            )
          : undefined);
      if (found !== undefined) return inMs + found;
      if (takesMs > settlesMs) measured = bytesOf(run, pagesPerMs);
      inMs += takesMs;
      left -= run.left;
      runMs = 0;
    }
    return inMs;
  }

  /** What is left could be sent within the downtime. */
  fits(downtimeMs: number): boolean {
    const few = enough(this.#measuredBytesPerSecond, downtimeMs);
    return this.leftPages <= few + ROUNDING_PAGES;
  }

  /**
   * Looks for what the guest has dirtied: that is to be sent again, too. Begins a pass. Returns how many
   * pages are dirty that were not before.
   */
  look(): number {
    let fresh = 0;
    const kind = this.#options.compressed ? "delta" : "whole";
    for (const run of this.#runs) {
      const set = this.#log.sets[run.set];
      if (set === undefined) continue;
      const written = this.#log.written(run.set);
      const added = addedBy(set, written, run.left);
      fresh += added;
      run.kind = kind;
      run.pageBytes = kind === "delta" ? DELTA_HEADER_BYTES + set.deltaBytes : WHOLE_PAGE_BYTES;
      run.left += added;
    }
    this.#log.forget();
    this.#pass++;
    this.#passPages = this.leftPages;
    this.#passMs = 0;
    this.#runMs = 0;
    return fresh;
  }

  #goOnFrom(run: Run): void {
    const at = this.#runs.indexOf(run);
    if (at > 0) this.#runs = [...this.#runs.slice(at), ...this.#runs.slice(0, at)];
  }

  #take(run: Run, pages: number): void {
    run.left -= pages;
    this.sent[run.kind] += pages;
    this.#sentBytes += pages * run.pageBytes;
  }

  #measure(run: Run, usedMs: number, pagesPerMs: number): void {
    this.#runMs += usedMs;
    if (this.#runMs >= SLICE_MS) this.#measuredBytesPerSecond = bytesOf(run, pagesPerMs);
    if (run.left <= 0) this.#runMs = 0;
  }

  #pagesPerMs({ kind, pageBytes }: Run, bytesPerSecond: number): number {
    const byLink = bytesPerSecond / pageBytes;
    const perSecond = kind === "zero" ? Math.min(byLink, this.#options.zeroPagesPerSecond) : byLink;
    return perSecond / 1000;
  }
}

/**
 * Pages that become dirty and were not. A sweep goes the way that QEMU goes, and comes last to those that
 * are still to be sent; at random it hits them as likely as any other.
 */
function addedBy({ pages, order }: PageSet, written: number, left: number): number {
  if (pages === 0) return 0;
  return order === "sweep" ? Math.min(written, pages - left) : written * (1 - left / pages);
}

function bytesOf({ pageBytes }: Run, pagesPerMs: number): number {
  return pageBytes * pagesPerMs * 1000;
}

/** Pages that can be sent within the downtime. QEMU counts what is left in whole pages. */
function enough(bytesPerSecond: number, downtimeMs: number): number {
  return (bytesPerSecond * downtimeMs) / 1000 / PAGE_BYTES;
}

/** When, from `fromMs` to `toMs` into a run, what is left falls below `pages`; undefined: not in it. */
function crossing(
  left: number,
  pages: number,
  pagesPerMs: number,
  fromMs: number,
  toMs: number,
): number | undefined {
  const atMs = Math.max(fromMs, (left - pages) / pagesPerMs);
  return pages > 0 && atMs <= toMs ? atMs : undefined;
}
