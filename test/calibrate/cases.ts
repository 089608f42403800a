/** The guests by which the simulation is held against the real thing, and what is done to each on its way. */
import type { MigrateCall } from "../../src/hypervisor/port.ts";

export interface CalibrationGuest {
  /** Not zero, the working set included. */
  readonly filledMiB: number;
  readonly workingSetMiB: number;
  readonly dirtyMiBps: number;
}

/** What is done, this long after data began to flow. */
export interface Act {
  readonly afterMs: number;
  readonly downtimeMs?: number;
  readonly bandwidthMiBps?: number;
  readonly postCopy?: true;
}

export interface Case {
  readonly title: string;
  /** They migrate at the same time. */
  readonly guests: readonly CalibrationGuest[];
  readonly call: Pick<MigrateCall, "bandwidthMiBps"> & Partial<MigrateCall>;
  readonly acts?: readonly Act[];
}

function guest(filledMiB: number, workingSetMiB = 0, dirtyMiBps = 0): CalibrationGuest {
  return { filledMiB, workingSetMiB, dirtyMiBps };
}

export const CASES: readonly Case[] = [
  { title: "quiet, 8 MiB at 8", guests: [guest(8)], call: { bandwidthMiBps: 8 } },
  { title: "quiet, 40 MiB at 16", guests: [guest(40)], call: { bandwidthMiBps: 16 } },
  { title: "2 MiB/s over 8 at 8", guests: [guest(24, 8, 2)], call: { bandwidthMiBps: 8 } },
  { title: "5 MiB/s over 16 at 8", guests: [guest(24, 16, 5)], call: { bandwidthMiBps: 8 } },
  { title: "6 MiB/s over 24 at 8", guests: [guest(32, 24, 6)], call: { bandwidthMiBps: 8 } },
  { title: "hot 2 MiB at 8", guests: [guest(32, 2, 12)], call: { bandwidthMiBps: 8 } },
  {
    title: "above the cap, 2 s of downtime after 8 s",
    guests: [guest(24, 12, 12)],
    call: { bandwidthMiBps: 8 },
    acts: [{ afterMs: 8000, downtimeMs: 2000 }],
  },
  {
    title: "above the cap, 32 MiB/s after 8 s",
    guests: [guest(24, 12, 12)],
    call: { bandwidthMiBps: 8 },
    acts: [{ afterMs: 8000, bandwidthMiBps: 32 }],
  },
  {
    title: "two at once",
    guests: [guest(32, 8, 2), guest(24, 8, 2)],
    call: { bandwidthMiBps: 8 },
  },
  {
    title: "post-copy after 2 s, quiet, at 8",
    guests: [guest(40)],
    call: { bandwidthMiBps: 8, postcopy: true, postcopyBandwidthMiBps: 8 },
    acts: [{ afterMs: 2000, postCopy: true }],
  },
  {
    title: "post-copy after 2 s, 4 MiB/s over 16, at 8",
    guests: [guest(40, 16, 4)],
    call: { bandwidthMiBps: 8, postcopy: true, postcopyBandwidthMiBps: 8 },
    acts: [{ afterMs: 2000, postCopy: true }],
  },
  {
    title: "auto-converge, above the cap",
    guests: [guest(24, 12, 9)],
    call: { bandwidthMiBps: 8, autoConverge: true },
    acts: [{ afterMs: 30_000, bandwidthMiBps: 64 }],
  },
];
