/** What calibration prints: real and simulated side by side, with the error of each figure. */
import { spreadOf } from "../bench/figures.ts";
import type { Outcome } from "./play-case.ts";

export interface Pair {
  readonly title: string;
  readonly real: Outcome;
  readonly simulated: Outcome;
}

const MIB_BYTES = 1024 * 1024;

/** By how much the simulation is off, as a share of the real figure. Example: 0.1 is 10 % off. */
export function errorOf(pair: Pair, what: keyof Outcome): number {
  const real = pair.real[what];
  return real === 0 ? 0 : Math.abs(pair.simulated[what] - real) / real;
}

/** A Markdown table, one row for each guest. */
export function tableOf(pairs: readonly Pair[]): readonly string[] {
  const head = [
    "Guest",
    "time, s",
    "simulated",
    "error",
    "MiB",
    "simulated",
    "error",
    "passes",
    "simulated",
    "downtime, ms",
    "simulated",
  ];
  const rows = pairs.map((pair) => {
    const { real, simulated } = pair;
    const seconds = (outcome: Outcome): string => (outcome.totalMs / 1000).toFixed(1);
    const mib = (outcome: Outcome): string => (outcome.bytes / MIB_BYTES).toFixed(1);
    return [
      pair.title,
      seconds(real),
      seconds(simulated),
      percent(errorOf(pair, "totalMs")),
      mib(real),
      mib(simulated),
      percent(errorOf(pair, "bytes")),
      String(real.passes),
      String(simulated.passes),
      String(real.downtimeMs),
      String(simulated.downtimeMs),
    ];
  });
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
}

/** Medians and worst errors of time and bytes. */
export function summaryOf(pairs: readonly Pair[]): readonly string[] {
  return (["totalMs", "bytes"] as const).map((what) => {
    const { median, most } = spreadOf(pairs.map((pair) => errorOf(pair, what)));
    const name = what === "totalMs" ? "time" : "bytes";
    return `${name}: ${percent(median)} off in the median, ${percent(most)} at worst`;
  });
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
