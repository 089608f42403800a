/**
 * A guest's memory as far as a migration sees it: pages that are zero, pages that lie still, and a few
 * sets of pages that the guest goes on writing, each at its own rate. Enough for a working set, for hot
 * and cold pages, and, with the rates changed over time, for phases.
 *
 * Pages are counted, not kept: how many of a set have been written since QEMU last looked follows from
 * the rate and the time. Counts are fractions inside, so that one long step and many short ones come to
 * the same.
 */

/** Source: QEMU, TARGET_PAGE_SIZE on x86. */
export const PAGE_BYTES = 4096;

export interface PageSet {
  readonly pages: number;
  /** Writes of a page a second, while the guest's CPUs are not slowed down. */
  readonly writesPerSecond: number;
  /** `sweep`: one page after the other, and round again. `random`: any page, equally likely. */
  readonly order: "sweep" | "random";
  /** What QEMU sends of a page that changed and is in its cache (xbzrle). */
  readonly deltaBytes: number;
}

export interface MemoryShape {
  readonly pages: number;
  /** Of these, pages that hold nothing but zero. */
  readonly zeroPages: number;
  readonly sets: readonly PageSet[];
}

/** Pages that hold something and are in no set. **Fails**: never; the shape has been checked. */
export function stillPages({ pages, zeroPages, sets }: MemoryShape): number {
  return pages - zeroPages - sets.reduce((sum, set) => sum + set.pages, 0);
}

/** What the guest has written since the last look at it, by set. */
export class DirtyLog {
  #sets: readonly PageSet[];
  #written: number[];

  constructor(sets: readonly PageSet[]) {
    this.#sets = sets;
    this.#written = sets.map(() => 0);
  }

  get sets(): readonly PageSet[] {
    return this.#sets;
  }

  /** From now on the guest writes so; same number and sizes of sets. */
  load(sets: readonly PageSet[]): void {
    this.#sets = sets;
  }

  /** The guest ran for `ms` at `speed` of its full speed (1: not throttled, 0: stands still). */
  run(ms: number, speed: number): void {
    for (const [at, set] of this.#sets.entries()) {
      this.#written[at] = writtenAfter(set, this.#written[at] ?? 0, (ms / 1000) * speed);
    }
  }

  written(set: number): number {
    return this.#written[set] ?? 0;
  }

  /** A look: whatever was written is known now. */
  forget(): void {
    this.#written.fill(0);
  }
}

/**
 * Pages of the set that are written after `seconds` more, `before` of them already. A sweep writes a new
 * one each time until it has been round; at random the share that is still clean falls off
 * exponentially.
 */
function writtenAfter({ pages, writesPerSecond, order }: PageSet, before: number, seconds: number) {
  if (pages === 0) return 0;
  const writes = writesPerSecond * seconds;
  if (order === "sweep") return Math.min(pages, before + writes);
  return pages - (pages - before) * Math.exp(-writes / pages);
}
