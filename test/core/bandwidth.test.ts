/**
 * The cap: the feature page's rule, the halving for a silent destination, and when libvirt is asked
 * to hold or to show it. MiB/s throughout.
 */
import { describe, expect, it } from "vitest";
import {
  CAP_READ_BACK_CYCLES,
  floorExceedsShare,
  floorMiBps,
  nextCap,
  shareMiBps,
} from "../../src/core/bandwidth.ts";
import type { DestinationCount } from "../../src/core/migration.ts";
import { inPhase, kinds, LIMITS, NOT_BEGUN, sample, type Run } from "./fixtures.ts";

const rule = (max: number, min: number) => ({ maxBandwidthMiBps: max, minBandwidthMiBps: min });

describe("the rule: max(floor, int(max / N)), whole and at least 1", () => {
  it.each([
    ["alone: the whole", 52, 10, 1, 52],
    ["two", 52, 10, 2, 26],
    ["three: rounded down", 52, 10, 3, 17],
    ["five: just above the floor", 52, 10, 5, 10],
    ["six: the floor", 52, 10, 6, 10],
    ["a hundred: the floor", 52, 10, 100, 10],
    ["none counted: as one", 52, 10, 0, 52],
    ["a maximum below the floor wins", 4, 10, 3, 4],
    ["never 0, which libvirt reads as no limit", 3, 1, 10, 1],
    ["1 of 1", 1, 1, 9, 1],
  ])("%s", (_name, max, min, migrations, expected) => {
    expect(shareMiBps(rule(max, min), migrations)).toBe(expected);
  });

  it.each([
    ["exactly filled by the floor: no", 50, 10, 5, false],
    ["one more: yes", 50, 10, 6, true],
    ["alone below the configured floor: no", 4, 10, 1, false],
    ["two below the configured floor: yes", 4, 10, 2, true],
    ["nobody: no", 52, 10, 0, false],
  ])("the floors exceed the maximum: %s", (_name, max, min, migrations, expected) => {
    expect(floorExceedsShare(rule(max, min), migrations)).toBe(expected);
  });

  it.each([
    ["below the maximum", 52, 10, 10],
    ["equal", 10, 10, 10],
    ["above it", 4, 10, 4],
  ])("the floor %s", (_name, max, min, expected) => {
    expect(floorMiBps(rule(max, min))).toBe(expected);
  });
});

const counted = (migrations: number): DestinationCount => ({
  kind: "counted",
  migrations,
  askedAtMs: Number.MAX_SAFE_INTEGER,
});
const silent = (silentQueries: number): DestinationCount => ({ kind: "silent", silentQueries });
const unknown = (silentQueries: number): DestinationCount => ({ kind: "unknown", silentQueries });

describe("the next cap", () => {
  it.each<[string, number, DestinationCount, number | null, number, number]>([
    ["N is the source's where that is larger", 4, counted(2), 52, 0, 13],
    ["N is the destination's where that is larger", 1, counted(4), 52, 0, 13],
    ["not asked yet, at the start: max / n(source)", 2, unknown(0), null, 0, 26],
    ["asked in vain before the start: max / n(source) all the same", 2, unknown(1), null, 0, 26],
    ["silent since before this migration: not paid for at the start", 1, silent(9), null, 0, 52],
    ["one silent query: half", 1, silent(1), 52, 0, 26],
    ["the same query seen again: not halved again", 1, silent(1), 26, 1, 26],
    ["the next one: half of that", 1, silent(2), 26, 1, 13],
    ["down to the floor", 1, silent(3), 13, 2, 10],
    ["and no further", 1, silent(4), 10, 3, 10],
    ["two queries between two looks: halved twice", 1, silent(2), 52, 0, 13],
    ["very many: the floor", 1, silent(1e9), 52, 0, 10],
    ["rounded down", 1, silent(1), 51, 0, 25],
    ["never asked successfully halves too", 1, unknown(2), 52, 1, 26],
    ["a larger n(source) lowers it further", 5, silent(1), 52, 1, 10],
    ["a smaller n(source) does not raise it while silent", 1, silent(1), 13, 1, 13],
    ["the first answer brings back the rule at once", 1, counted(1), 10, 7, 52],
  ])("%s", (_name, sourceMigrations, destination, capMiBps, silentQueriesSeen, expected) => {
    const cap = nextCap({
      rule: LIMITS,
      sourceMigrations,
      destination,
      capMiBps,
      silentQueriesSeen,
    });
    expect(cap.capMiBps).toBe(expected);
  });

  it("an answer forgets the silent queries", () => {
    const input = { rule: LIMITS, sourceMigrations: 1, capMiBps: 10, silentQueriesSeen: 7 };
    expect(nextCap({ ...input, destination: counted(1) }).silentQueriesSeen).toBe(0);
  });

  it("a maximum raised while silent lifts the cap at least to the new floor", () => {
    const input = { sourceMigrations: 1, capMiBps: 4, silentQueriesSeen: 3 };
    const cap = nextCap({ ...input, rule: rule(52, 10), destination: silent(3) });
    expect(cap.capMiBps).toBe(10);
  });
});

/** Gives one cycle with data and takes what it asks for. */
function served(run: Run, fields: Parameters<Run["cycle"]>[1] = {}, holds?: number): string[] {
  run.nowMs += 1_000;
  const effects = run.cycle(sample({ processedMiB: run.nowMs }), fields);
  for (const effect of effects) {
    if (effect.kind === "setMaxBandwidth") {
      run.accepted("setMaxBandwidth", effect.maxBandwidthMiBps);
    }
    if (effect.kind === "readMaxBandwidth") {
      const value = holds ?? run.migration.bandwidth.appliedMiBps;
      const result = { kind: "ok", value } as const;
      run.give({ kind: "effectDone", effect: "readMaxBandwidth", asked: null, result });
    }
  }
  return effects.flatMap((effect) => {
    if (effect.kind === "setMaxBandwidth") return [`set ${effect.maxBandwidthMiBps}`];
    return effect.kind === "readMaxBandwidth" ? ["read"] : [];
  });
}

describe("at the start", () => {
  it.each<[string, number, DestinationCount, number]>([
    ["alone on both ends", 1, counted(0), 52],
    ["itself counts on the destination too", 1, counted(1), 26],
    ["a silent destination does not prevent it", 2, unknown(1), 26],
  ])("%s", (_name, sourceMigrations, destination, bandwidthMiBps) => {
    const run = inPhase("preparing");
    const effects = run.give({
      kind: "prepared",
      sourceMigrations,
      destination,
      runState: "running",
    });
    expect(effects).toEqual([{ kind: "call", bandwidthMiBps, postcopy: true }]);
  });
});

describe("in the cycle", () => {
  it("before data flow it is not set: libvirt would overwrite it", () => {
    const run = inPhase("starting");
    expect(kinds(run.cycle(NOT_BEGUN, { destination: counted(4) }))).toEqual([]);
    expect(kinds(run.cycle(sample(), { destination: counted(4) }))).toEqual(["setMaxBandwidth"]);
  });

  it("silence before data flow is paid for at the first data, each query", () => {
    const run = inPhase("starting");
    run.cycle(NOT_BEGUN, { destination: silent(1) });
    run.cycle(NOT_BEGUN, { destination: silent(2) });
    expect(served(run, { destination: silent(2) })).toEqual(["set 13"]);
  });

  it("the first data and every tenth timer cycle read it back, nothing else", () => {
    const run = inPhase("starting");
    const asked = Array.from({ length: 22 }, () => served(run).join());
    const reads = asked.flatMap((what, i) => (what === "read" ? [i] : []));
    expect(reads).toEqual([0, CAP_READ_BACK_CYCLES, 2 * CAP_READ_BACK_CYCLES]);
    expect(asked.filter((what) => what !== "").length).toBe(reads.length);
  });

  it("cycles woken by events do not count towards the tenth", () => {
    const run = inPhase("starting");
    expect(served(run)).toEqual(["read"]);
    for (let i = 0; i < 30; i += 1) expect(served(run, { timer: false })).toEqual([]);
  });

  it("another value found is logged and set again", () => {
    const run = inPhase("starting");
    expect(served(run, {}, 8)).toEqual(["read"]);
    const log = run.effects.find((effect) => effect.kind === "log");
    expect(log).toMatchObject({ level: "warn", fields: { foundMiBps: 8, setMiBps: 52 } });
    expect(served(run)).toEqual(["set 52"]);
    expect(served(run)).toEqual([]);
  });

  it("it is set only when it changes", () => {
    const run = inPhase("starting");
    served(run);
    const seen = [1, 2, 2, 4, 4, 1].map((n) => served(run, { sourceMigrations: n }).join());
    expect(seen).toEqual(["", "set 26", "", "set 13", "", "set 52"]);
  });

  it("a refused value is asked for again, never twice at once", () => {
    const run = inPhase("starting");
    const two = { sourceMigrations: 2 };
    expect(kinds(run.cycle(sample(), two))).toEqual(["setMaxBandwidth"]);
    expect(kinds(run.cycle(sample(), two))).toEqual([]);
    run.refused("setMaxBandwidth", "locked");
    expect(kinds(run.cycle(sample(), two))).toEqual(["setMaxBandwidth"]);
  });

  it("a raised maxBandwidth is shared out by the next cycle", () => {
    const run = inPhase("running");
    run.change({ maxBandwidthMiBps: 200 });
    expect(served(run, { sourceMigrations: 2, timer: false })).toEqual(["set 100"]);
  });

  it("none in post-copy", () => {
    const run = inPhase("postCopy");
    expect(served(run, { sourceMigrations: 5 })).toEqual([]);
  });

  it("none for a save to a file", () => {
    const run = inPhase("starting", { mode: "file", downtime: null });
    const effects = run.cycle(sample({ operation: "save" }), { sourceMigrations: 5 });
    expect(run.migration.phase).toBe("running");
    expect(kinds(effects)).toEqual([]);
  });
});

describe("a destination that was asked before it could show this migration", () => {
  it("counts at least as at the call until it has been asked after data began to flow", () => {
    const run = inPhase("preparing");
    const asked = (migrations: number, askedAtMs: number) =>
      ({ kind: "counted", migrations, askedAtMs }) as const;
    run.give({
      kind: "prepared",
      sourceMigrations: 1,
      destination: asked(2, 0),
      runState: "running",
    });

    run.cycle(sample({}), { destination: asked(2, run.nowMs - 1) });
    expect(run.migration.bandwidth.destination).toMatchObject({ migrations: 3 });

    run.cycle(sample({ processedMiB: 1 }), { destination: asked(1, run.nowMs) });
    expect(run.migration.bandwidth.destination).toMatchObject({ migrations: 1 });
  });
});
