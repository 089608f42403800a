/**
 * What the benchmark makes of its measurements: a figure for each way in each round, its ratio to the
 * yardstick of the same round, and medians over the rounds. A machine's speed drifts; ratios within a
 * round hold.
 */

/** What one process measured of itself. */
export interface Measured {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly samples: number;
}

export type Round = ReadonlyMap<string, Measured>;

export interface Figure {
  readonly way: string;
  /** CPU time of the client for one sample: median, least and most of the rounds. */
  readonly cpuMs: Spread;
  readonly wallMs: Spread;
  /** Its CPU time over the yardstick's, round by round. */
  readonly ratio: Spread;
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    least: at(0),
    most: at(sorted.length - 1),
  };
}

/** One figure for each way, in the order of the first round; `yardstick` is the way that is 1. */
export function figuresOf(rounds: readonly Round[], yardstick: string): readonly Figure[] {
  const ways = [...(rounds[0]?.keys() ?? [])];
  const cpuMsOf = (round: Round, way: string): number => eachOf(round.get(way), "cpuMs");
  return ways.map((way) => ({
    way,
    cpuMs: spreadOf(rounds.map((round) => cpuMsOf(round, way))),
    wallMs: spreadOf(rounds.map((round) => eachOf(round.get(way), "wallMs"))),
    ratio: spreadOf(rounds.map((round) => cpuMsOf(round, way) / cpuMsOf(round, yardstick))),
  }));
}

function eachOf(measured: Measured | undefined, what: "cpuMs" | "wallMs"): number {
  return measured === undefined ? Number.NaN : measured[what] / measured.samples;
}

export function tableOf(figures: readonly Figure[]): readonly string[] {
  const head = ["way", "CPU ms a sample", "least", "most", "wall ms", "ratio", "least", "most"];
  const rows = figures.map(({ way, cpuMs, wallMs, ratio }) => [
    way,
    cpuMs.median.toFixed(4),
    cpuMs.least.toFixed(4),
    cpuMs.most.toFixed(4),
    wallMs.median.toFixed(3),
    ratio.median.toFixed(2),
    ratio.least.toFixed(2),
    ratio.most.toFixed(2),
  ]);
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  "),
  );
}
