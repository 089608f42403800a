/**
 * How far QEMU has come through the pages that were dirty at some moment: a whole sweep is done once
 * as much has been handled as remained then. Owns that account; what a sweep proves is advance.ts's.
 *
 * A pass (libvirt's iteration) was one sweep up to QEMU 9.1. From 9.2 on, with auto-converge, the
 * dirty bitmap is synchronised again every 5 s in mid-sweep, in QEMU 11.1 after each 100 ms of sending,
 * in the first sweep too, and each time counts as an iteration. So sweeps are measured in pages
 * handled: pages, not bytes, since a zero page costs next to nothing. Where libvirt does not count
 * pages (disks, before memory flows) the bytes processed stand in.
 *
 * Measured on QEMU 7.2, pages handled from one boundary to the next over what remained at the first:
 * 1.003 to 1.012 plain, 1.006 to 1.142 with xbzrle (whose overflows count twice), 1.006 to 1.032 with
 * parallel connections; never below 1, so a pass with one synchronisation always is a whole sweep.
 */
import { type JobStats, handledPagesBytes, memoryRemainingBytes } from "./job-stats.ts";
import type { Sweep } from "./migration.ts";

export const NO_SWEEP: Sweep = {
  handledBytes: 0,
  inPages: false,
  endBytes: null,
  number: 0,
  nextBytes: null,
};

/**
 * Takes one sample into account. What is dirty now is at least what is left of the sweep, so it ends
 * no later than with all of that: pages that drop out unhandled (hints of free ones) end it sooner.
 */
export function followSweep(sweep: Sweep, stats: JobStats): Sweep {
  const pagesBytes = handledPagesBytes(stats);
  const inPages = sweep.inPages || pagesBytes !== undefined;
  // One sample without page counts is no news, and bytes are no pages.
  const saidBytes = pagesBytes ?? (inPages ? 0 : stats.dataProcessedBytes);
  const beganPages = inPages && !sweep.inPages;
  const handledBytes = beganPages ? saidBytes : Math.max(sweep.handledBytes, saidBytes);
  const allBytes = handledBytes + memoryRemainingBytes(stats);
  const end = (knownBytes: number | null): number =>
    knownBytes === null || beganPages ? allBytes : Math.min(knownBytes, allBytes);
  return {
    ...sweep,
    handledBytes,
    inPages,
    endBytes: end(sweep.endBytes),
    nextBytes: end(sweep.nextBytes),
  };
}

/** All that remained when it began has been handled. */
export function sweepDone({ handledBytes, endBytes }: Sweep): boolean {
  return endBytes !== null && handledBytes >= endBytes;
}

/** The sweep that is judged begins at this sample's boundary. */
export function beginSweep(sweep: Sweep, stats: JobStats): Sweep {
  return { ...sweep, endBytes: sweep.handledBytes + memoryRemainingBytes(stats) };
}

/** Counts the sweeps that `passes` new boundaries, the last of them seen now, have begun. */
export function countSweeps(
  sweep: Sweep,
  stats: JobStats,
  passes: number,
  sizeBytes: number,
): Sweep {
  const begun = sweepsIn(sweep.handledBytes, sweep.nextBytes, passes, sizeBytes);
  if (begun === 0) return sweep;
  return {
    ...sweep,
    number: sweep.number + begun,
    nextBytes: sweep.handledBytes + memoryRemainingBytes(stats),
  };
}

/**
 * How many of `passes` that nobody saw can have begun a sweep, the first of them at `endBytes`, if
 * each sweep was `sizeBytes` long. Example: 3 passes, 250 MiB beyond the end, sweeps of 100 MiB: 3.
 */
export function sweepsIn(
  handledBytes: number,
  endBytes: number | null,
  passes: number,
  sizeBytes: number,
): number {
  if (endBytes === null || handledBytes < endBytes) return 0;
  return Math.min(passes, 1 + Math.floor((handledBytes - endBytes) / Math.max(1, sizeBytes)));
}
