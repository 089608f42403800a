/**
 * The words behind a scenario's command: `name=value` and flags. Values carry their unit as a suffix
 * (`20MiB`, `1.5s`, `300ms`); a bare number is taken as it is. A wrong one is an error of the script.
 */
import type { Location } from "../../src/core/input.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import type { ConvergenceSchedule, ScheduleAction } from "../../src/core/migration.ts";
import { REFUSAL_KINDS, type Refusal, type RefusalKind } from "../../src/core/refusal.ts";
import { RUN_STATES } from "../../src/core/run-state.ts";
import { GIB_BYTES, MIB_BYTES } from "../../src/core/units.ts";
import { POSTCOPY_REFUSED } from "../core/fixtures.ts";
import type { GuestHabits } from "./guest-model.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  MiB: MIB_BYTES,
  GiB: GIB_BYTES,
};

function parse(value: string): number {
  const match = /^([0-9.]+)([A-Za-z]*)$/.exec(value);
  const unit = UNITS[match?.[2] ?? "none"];
  if (match === null || unit === undefined) throw new Error(`not a value: ${value}`);
  return Math.round(Number(match[1]) * unit);
}

export class Arguments {
  readonly #words: readonly string[];

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  first(): string {
    return this.#words[0] ?? "";
  }

  second(): string {
    return this.#words[1] ?? "";
  }

  third(): string {
    return this.#words[2] ?? "";
  }

  firstNumber(): number {
    return parse(this.first());
  }

  firstMs(): number {
    return parse(this.first());
  }

  has(flag: string): boolean {
    return this.#words.includes(flag);
  }

  text(name: string): string | undefined {
    return this.#words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
  }

  number(name: string): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : parse(value);
  }

  ms(name: string): number | undefined {
    return this.number(name);
  }

  bytes(name: string): number | undefined {
    return this.number(name);
  }

  /** The fields of a sample that are named. */
  stats(): Partial<JobStats> {
    const named = Object.entries({
      dataTotalBytes: this.bytes("total"),
      dataRemainingBytes: this.bytes("remaining"),
      dataProcessedBytes: this.bytes("processed"),
      memoryIteration: this.number("iteration"),
      memoryBytesPerSecond: this.bytes("bps"),
      downtimeMs: this.ms("expected"),
    });
    return Object.fromEntries(named.filter(([, value]) => value !== undefined));
  }

  location(): Location {
    const source = this.text("source");
    const destination = this.text("destination") ?? "notAsked";
    const image = this.text("image");
    const state = this.text("state");
    const runState = RUN_STATES.find((one) => one === state);
    const job = this.text("others-job");
    const sources = ["active", "switching", "pausedCopy", "unknown"] as const;
    const destinations = ["active", "incoming", "left", "absent", "silent", "notAsked"] as const;
    return {
      source: sources.find((one) => one === source) ?? "notActive",
      sourceJob: this.has("job"),
      destination: destinations.find((one) => one === destination) ?? "notAsked",
      ...(runState === undefined ? {} : { runState }),
      ...(job === "migrationOut" || job === "dump" ? { job } : {}),
      ...(image === undefined ? {} : { image: image === "complete" ? "complete" : "notComplete" }),
    };
  }
}

/**
 * `init=100,postcopy stalling-list=1:150,2:200,-1:abort`: an item is its limit and its action, and a
 * number is the downtime in ms. null where there is neither.
 */
export function scheduleIn(args: Arguments): ConvergenceSchedule | null {
  const init = args.text("init");
  const stalling = args.text("stalling-list");
  if (init === undefined && stalling === undefined) return null;
  return {
    init: (init ?? "").split(",").filter(Boolean).map(scheduleAction),
    stalling: (stalling ?? "")
      .split(",")
      .filter(Boolean)
      .map((item) => {
        const [limit = "", action = ""] = item.split(":");
        return { limitPasses: Number(limit), action: scheduleAction(action) };
      }),
  };
}

/** `memory=64GiB sends=52MiB dirties=45MiB within=64GiB resync=5s cycle=10s`: per second. */
export function guestHabits(args: Arguments): GuestHabits {
  const memoryBytes = args.bytes("memory") ?? GIB_BYTES;
  return {
    memoryBytes,
    sendsBytes: args.bytes("sends") ?? MIB_BYTES,
    dirtiesBytes: args.bytes("dirties") ?? 0,
    withinBytes: args.bytes("within") ?? memoryBytes,
    resyncMs: args.ms("resync") ?? null,
    fromStart: args.has("from-start"),
    cycleMs: args.ms("cycle") ?? 10_000,
    // Half a second of downtime.
    arrivesAtBytes: (args.bytes("sends") ?? MIB_BYTES) / 2,
  };
}

function scheduleAction(text: string): ScheduleAction {
  if (text === "postcopy" || text === "abort") return { kind: text };
  return { kind: "setDowntime", downtimeMs: Number(text) };
}

export function refusalKind(word: string): RefusalKind {
  const found = REFUSAL_KINDS.find((kind) => kind === word);
  if (found === undefined) throw new Error(`no kind of refusal: ${word}`);
  return found;
}

/** How a call came back, as the script says it: `ok`, `postcopy`, or a kind of refusal. */
export function callEnd(word: string): RefusalKind | Refusal | null {
  if (word === "ok") return null;
  return word === "postcopy" ? POSTCOPY_REFUSED : refusalKind(word);
}
