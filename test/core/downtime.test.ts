/**
 * The maximum downtime: who owns it, the sequence of the steps, and the wait between them.
 */
import {
  DOWNTIME_STEP_WAIT_MAX_MS,
  type DowntimeRequest,
  downtimeByEngine,
  downtimeBySteps,
  downtimeSet,
  downtimeStepWaitMs,
  downtimeStepsMs,
  firstDowntime,
  nextDowntimeStep,
} from "../../src/core/downtime.ts";
import type { Downtime } from "../../src/core/migration.ts";
import { beginTurn } from "../../src/core/turn.ts";
import { GIB_BYTES } from "../../src/core/units.ts";
import { describe, expect, it } from "vitest";
import { inPhase, Run, sample } from "./fixtures.ts";

const STEPS = { maxDowntimeMs: 500, downtimeSteps: 5, downtimeDelaySecondsPerGiB: 100 };
const BARE = { init: [], stalling: [] };
const WITH_INIT = { init: [{ kind: "setDowntime", downtimeMs: 30 }], stalling: [] } as const;

describe("the first owner and value", () => {
  it.each<[string, DowntimeRequest, string, number | null]>([
    ["nothing asked for", {}, "steps", 101],
    ["a downtime", { downtimeMs: 300 }, "engine", 300],
    ["a schedule that sets none", { convergenceSchedule: BARE }, "schedule", null],
    ["a schedule that starts with one", { convergenceSchedule: WITH_INIT }, "schedule", 30],
    [
      "both: the schedule owns, and starts with the given value",
      { downtimeMs: 300, convergenceSchedule: BARE },
      "schedule",
      300,
    ],
    [
      "both, and the schedule starts with its own",
      { downtimeMs: 300, convergenceSchedule: WITH_INIT },
      "schedule",
      30,
    ],
  ])("%s", (_name, request, owner, wantedMs) => {
    expect(firstDowntime(request, STEPS, GIB_BYTES)).toMatchObject({ owner, wantedMs });
  });
});

describe("the sequence", () => {
  it.each([
    ["500 ms in 5 steps", 500, 5, [101, 104, 120, 189, 500]],
    ["500 ms in 10 steps", 500, 10, [51, 51, 53, 57, 65, 79, 108, 165, 278, 500]],
    ["one step is the whole", 500, 1, [500]],
    ["two steps", 500, 2, [251, 500]],
    ["1 ms has nothing to step", 1, 5, [1, 1, 1, 1, 1]],
    ["the largest ends at exactly itself", 2_000_000, 2, [1_000_001, 2_000_000]],
  ])("%s", (_name, maxMs, steps, expected) => {
    expect(downtimeStepsMs(maxMs, steps)).toEqual(expected);
  });
});

describe("the wait between steps", () => {
  it.each([
    ["100 s per GiB, 2 GiB, 5 steps", 100, 2, 5, 40_000],
    ["just below a minute", 100, 2.995, 5, 59_900],
    ["exactly a minute", 100, 3, 5, 60_000],
    ["never above a minute", 100, 512, 5, DOWNTIME_STEP_WAIT_MAX_MS],
    ["no delay configured", 0, 2, 5, 0],
    ["a small guest", 100, 0.125, 5, 2_500],
  ])("%s", (_name, delay, gib, steps, expected) => {
    expect(downtimeStepWaitMs(delay, gib * GIB_BYTES, steps)).toBeCloseTo(expected, 6);
  });
});

/** d(0) = 101 set before the call, 20 s between steps. */
/** libvirt has accepted the value. */
function applied(downtime: Downtime, ms: number, nowMs = 0): Downtime {
  const done = {
    effect: "setMaxDowntime",
    asked: ms,
    result: { kind: "ok", value: null },
  } as const;
  return downtimeSet(downtime, done, beginTurn({ pending: [] }, nowMs)) ?? downtime;
}

const START = applied(downtimeBySteps(500, 5, 100, GIB_BYTES), 101);

describe("a step is due", () => {
  const atStep1 = applied(nextDowntimeStep(START, 2, 1_000), 104, 1_500);

  it.each<[string, Downtime, number, number, number]>([
    ["not in pass 1, however long it takes", START, 1, 1e9, 101],
    ["not before the first data", START, 0, 1e9, 101],
    ["as soon as pass 1 is complete", START, 2, 0, 104],
    ["not 19.999 s after libvirt took the last", atStep1, 9, 21_499, 104],
    ["20 s after libvirt took the last", atStep1, 9, 21_500, 120],
    ["only one at a time, however late", atStep1, 9, 1e9, 120],
  ])("%s", (_name, downtime, pass, nowMs, wantedMs) => {
    expect(nextDowntimeStep(downtime, pass, nowMs).wantedMs).toBe(wantedMs);
  });

  it("not while libvirt has not taken the present one", () => {
    const wanted = nextDowntimeStep(START, 2, 1_000);
    expect(nextDowntimeStep(wanted, 9, 1e9)).toBe(wanted);
  });

  it("not after the last", () => {
    const last: Downtime = { ...START, step: 4, wantedMs: 500, appliedMs: 500, steppedAtMs: 0 };
    expect(nextDowntimeStep(last, 9, 1e9)).toBe(last);
  });

  it("never for an engine's value", () => {
    const engine = applied(downtimeByEngine(START, 300), 300);
    expect(nextDowntimeStep(engine, 9, 1e9)).toBe(engine);
  });

  it("after its wait also where two steps are equal", () => {
    // 51, 51, 53: the second step has nothing to set, and still takes its time.
    const tenSteps = applied(downtimeBySteps(500, 10, 100, GIB_BYTES), 51);
    const equal = nextDowntimeStep(tenSteps, 2, 1_000);
    expect(equal).toMatchObject({ step: 1, wantedMs: 51 });
    expect(nextDowntimeStep(equal, 2, 10_999).step).toBe(1);
    expect(nextDowntimeStep(equal, 2, 11_000)).toMatchObject({ step: 2, wantedMs: 53 });
  });
});

/** Cycles of pass 2 and the downtime effects that come of them. */
function downtimeAsked(run: Run, cycles: number, timer = true): number[] {
  const before = run.effects.length;
  for (let i = 0; i < cycles; i += 1) {
    run.nowMs += 1_000;
    run.cycle(sample({ memoryIteration: 2, processedMiB: 2 + run.nowMs }), { timer });
  }
  return run.effects
    .slice(before)
    .flatMap((effect) => (effect.kind === "setMaxDowntime" ? [effect.maxDowntimeMs] : []));
}

const bySteps = (): Run => inPhase("running", { downtime: START });

describe("in the cycle", () => {
  it("the steps are asked for one by one, each a wait after the last was taken", () => {
    const run = bySteps();
    const asked: number[] = [];
    for (let s = 0; s < 90; s += 1) {
      for (const ms of downtimeAsked(run, 1)) {
        asked.push(ms, run.nowMs);
        run.accepted("setMaxDowntime", ms);
      }
    }
    expect(asked).toEqual([104, 1_000, 120, 21_000, 189, 41_000, 500, 61_000]);
  });

  it("an event's cycle takes no step", () => {
    expect(downtimeAsked(bySteps(), 5, false)).toEqual([]);
  });

  it("a step that has not reported back is not asked for twice", () => {
    expect(downtimeAsked(bySteps(), 5)).toEqual([104]);
  });

  it("a refused step is tried again in the next cycle", () => {
    const run = bySteps();
    expect(downtimeAsked(run, 1)).toEqual([104]);
    run.refused("setMaxDowntime", "locked");
    expect(downtimeAsked(run, 1, false)).toEqual([104]);
  });

  it("an engine's downtime ends the steps for good", () => {
    const run = bySteps();
    expect(run.change({ downtimeMs: 300 })).toBe("changed");
    expect(downtimeAsked(run, 1)).toEqual([300]);
    run.accepted("setMaxDowntime", 300);
    expect(downtimeAsked(run, 200)).toEqual([]);
    expect(run.migration.downtime?.owner).toBe("engine");
  });

  it("an engine's value comes after a step that is still out", () => {
    const run = bySteps();
    expect(downtimeAsked(run, 1)).toEqual([104]);
    run.change({ downtimeMs: 300 });
    run.accepted("setMaxDowntime", 104);
    expect(downtimeAsked(run, 1)).toEqual([300]);
  });

  it("none in post-copy", () => {
    const run = bySteps();
    run.cycle(sample(), { runState: "postCopy" });
    expect(downtimeAsked(run, 100)).toEqual([]);
  });

  it("a first value that the idle domain refused is set once data flow", () => {
    const run = new Run({ downtime: downtimeBySteps(500, 5, 100, GIB_BYTES) });
    run.give({ kind: "admitted" });
    run.give({ kind: "downtimeFound", foundMs: 300 });
    run.give({ kind: "downtimePrepared", appliedMs: null });
    const destination = {
      kind: "counted",
      migrations: 0,
      askedAtMs: Number.MAX_SAFE_INTEGER,
    } as const;
    run.give({ kind: "prepared", sourceMigrations: 1, destination, runState: "running" });
    run.nowMs += 1_000;
    expect(run.cycle(sample())).toContainEqual({ kind: "setMaxDowntime", maxDowntimeMs: 101 });
  });

  it.each([
    ["stays here: the value found before is put back", "active", [300]],
    ["is gone: nothing is put back", "notActive", []],
  ] as const)("after a guest that %s", (_name, source, expected) => {
    const run = inPhase("settling");
    const destination = source === "active" ? "absent" : "active";
    const effects = run.location({ source, destination });
    const back = effects.flatMap((effect) =>
      effect.kind === "putBackDowntime" ? [effect.maxDowntimeMs] : [],
    );
    expect(back).toEqual(expected);
  });
});
