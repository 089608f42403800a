/**
 * What a daemon holds in the course of a soak, and whether it is flat: the median of the last
 * quarter is compared with that of the second; the first is the warm-up. A single high sample is
 * not a leak, nor is memory that Node returns late, hence medians and a tolerance.
 */
import type { Daemon } from "../lab/daemon.ts";
import { hostFootprint, processFootprint, type ProcessFootprint } from "./footprint.ts";
import { median } from "./leaks.ts";

export type Figure = keyof ProcessFootprint | "libvirtClients" | "journalMiB";

export type Sample = Readonly<Record<Figure, number>> & { readonly atMs: number };

interface Row {
  readonly figure: Figure;
  readonly name: string;
  /** Growth is more than this and more than the share. */
  readonly tolerance: number;
  readonly toleranceShare: number;
  /** For figures that grow by nature up to a bound: only the bound is checked. */
  readonly most?: number;
}

/** All journal segments, including the one being written. */
const JOURNAL_MIB_MAX = 68;

const ROWS: readonly Row[] = [
  { figure: "rssMiB", name: "memory (RSS, MiB)", tolerance: 8, toleranceShare: 0.1 },
  { figure: "descriptors", name: "file descriptors", tolerance: 3, toleranceShare: 0 },
  { figure: "threads", name: "threads", tolerance: 3, toleranceShare: 0 },
  { figure: "libvirtClients", name: "connections to libvirtd", tolerance: 3, toleranceShare: 0 },
  {
    figure: "journalMiB",
    name: "journal (MiB)",
    tolerance: 0,
    toleranceShare: 0,
    most: JOURNAL_MIB_MAX,
  },
];

export interface Verdict {
  readonly flat: boolean;
  readonly lines: readonly string[];
}

/** One daemon's samples. */
export class Figures {
  readonly name: string;
  readonly samples: Sample[] = [];
  readonly #daemon: Daemon;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
    this.name = daemon.host.name;
  }

  async take(atMs: number): Promise<void> {
    const { libvirtClients, journalMiB } = await hostFootprint(this.#daemon.host);
    const own = processFootprint(this.#daemon.process.pid);
    this.samples.push({ atMs, ...own, libvirtClients, journalMiB });
  }

  /** The latest samples in one line. */
  line(): string {
    const sample = this.samples.at(-1);
    if (sample === undefined) return `${this.name} -`;
    const { rssMiB, descriptors, threads, libvirtClients } = sample;
    const memory = `${rssMiB.toFixed(1)} MiB`;
    return `${this.name} ${memory}, ${descriptors} fds, ${threads} threads, ${libvirtClients} libvirt clients`;
  }
}

export function verdict(
  { name, samples }: Pick<Figures, "name" | "samples">,
  wholeMs: number,
): Verdict {
  const between = (from: number, to: number): readonly Sample[] =>
    samples.filter(({ atMs }) => atMs >= from * wholeMs && atMs < to * wholeMs);
  const [early, late] = [between(0.25, 0.5), between(0.75, 1.01)];
  const judged = ROWS.map(({ figure, name: what, tolerance, toleranceShare, most: bound }) => {
    const [from, to] = [early, late].map((part) => median(part.map((sample) => sample[figure])));
    const [before, after] = [from ?? 0, to ?? 0];
    const most = Math.max(0, ...samples.map((sample) => sample[figure]));
    const grown = after - before > Math.max(tolerance, toleranceShare * before);
    const flat = bound === undefined ? !grown : most <= bound;
    const numbers = [before, after, most].map((value) => `${Math.round(value * 10) / 10}`);
    const fine = bound === undefined ? "flat" : `at most ${bound}`;
    return { flat, line: tableRow(what, numbers, flat ? fine : "GROWS") };
  });
  const head = tableRow(name, ["2nd quarter", "last quarter", "most"], "");
  return {
    flat: judged.every(({ flat }) => flat),
    lines: [head, ...judged.map(({ line }) => line)],
  };
}

function tableRow(name: string, numbers: readonly string[], word: string): string {
  const cells = numbers.map((number) => number.padStart(13)).join("");
  return `${name.padEnd(26)}${cells}  ${word}`.trimEnd();
}
