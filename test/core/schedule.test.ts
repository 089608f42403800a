/**
 * The engine's convergenceSchedule: what is due when, what is passed over, and what is left of the
 * hard limit beside it.
 */
import { describe, expect, it } from "vitest";
import type { ConvergenceSchedule, ScheduleAction } from "../../src/core/migration.ts";
import {
  beginsWithPostCopy,
  initialDowntimeMs,
  isExhausted,
  passesLeftToSchedule,
  scheduleFrom,
  scheduleTurn,
} from "../../src/core/schedule.ts";

const down = (downtimeMs: number): ScheduleAction => ({ kind: "setDowntime", downtimeMs });
const item = (limitPasses: number, action: ScheduleAction) => ({ limitPasses, action });

/** The engine's "Minimal downtime". */
const MINIMAL: ConvergenceSchedule = {
  init: [down(100)],
  stalling: [
    item(1, down(150)),
    item(2, down(200)),
    item(3, down(300)),
    item(4, down(400)),
    item(6, down(500)),
    item(-1, { kind: "abort" }),
  ],
};

/** What happens if the cycles see these passes, one after the other. */
function run(
  schedule: ConvergenceSchedule,
  passes: readonly number[],
  ownsDowntime: (pass: number) => boolean = () => true,
): readonly (string | null)[] {
  let state = scheduleFrom(schedule);
  return passes.map((pass) => {
    const turn = scheduleTurn(state, pass, ownsDowntime(pass));
    state = turn.state;
    if (turn.action === null) return null;
    return turn.action.kind === "setDowntime" ? String(turn.action.downtimeMs) : turn.action.kind;
  });
}

describe("an item is due when more new passes than its limit have begun", () => {
  it.each([
    ["pass 1 is no new pass", [1], [null]],
    ["limit 1: not in pass 2, in pass 3", [1, 2, 3], [null, null, "150"]],
    ["one action a pass", [2, 3, 4, 5, 6], [null, "150", "200", "300", "400"]],
    ["the same pass seen again: nothing", [3, 3, 3, 4], ["150", null, null, "200"]],
    ["many passes at once: one action, the next with a new pass", [9, 9, 10], ["150", null, "200"]],
    [
      "the whole policy",
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
      [null, null, "150", "200", "300", "400", null, "500", "abort"],
    ],
  ])("%s", (_name, passes, actions) => {
    expect(run(MINIMAL, passes)).toEqual(actions);
  });

  it("is exhausted after the last item, and nothing more comes of it", () => {
    const schedule = { init: [], stalling: [item(-1, down(1))] };
    const { state } = scheduleTurn(scheduleFrom(schedule), 2, true);
    expect(isExhausted(state)).toBe(true);
    expect(scheduleTurn(state, 3, true).action).toBeNull();
  });

  it("an empty schedule is exhausted from the start", () => {
    expect(run({ init: [], stalling: [] }, [1, 2, 3])).toEqual([null, null, null]);
  });

  it("leaves the caller's list untouched", () => {
    const before = structuredClone(MINIMAL);
    run(MINIMAL, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(MINIMAL).toEqual(before);
  });
});

describe("where the engine owns downtime", () => {
  const schedule = {
    init: [],
    stalling: [item(1, down(150)), item(1, { kind: "postcopy" } as const), item(2, down(9))],
  };

  it("setDowntime items are passed over and the others stay", () => {
    expect(run(schedule, [2, 3, 4, 5], () => false)).toEqual([null, "postcopy", null, null]);
  });

  it("an item passed over does not bring the next one forward", () => {
    const late = { init: [], stalling: [item(1, down(1)), item(5, { kind: "abort" } as const)] };
    expect(run(late, [3, 6, 7], () => false)).toEqual([null, null, "abort"]);
  });
});

describe("init", () => {
  it.each([
    ["nothing, nothing given", [], null, null],
    ["nothing: the given one", [], 80, 80],
    ["its own wins over the given one", [down(100)], 80, 100],
    ["the last of several", [down(100), down(120)], null, 120],
  ])("%s", (_name, init, given, expected) => {
    expect(initialDowntimeMs({ init, stalling: [] }, given)).toBe(expected);
  });

  it("may ask for post-copy from the start", () => {
    expect(beginsWithPostCopy({ init: [{ kind: "postcopy" }], stalling: [] })).toBe(true);
    expect(beginsWithPostCopy(MINIMAL)).toBe(false);
  });
});

it.each<[string, ConvergenceSchedule | undefined, number | undefined, boolean]>([
  ["a schedule with an abort", MINIMAL, undefined, true],
  ["the request names a hard limit beside it", MINIMAL, 240_000, false],
  ["a schedule without an abort", { init: [], stalling: [item(1, down(1))] }, undefined, false],
  ["no schedule", undefined, undefined, false],
])("passes are left to the schedule: %s", (_name, schedule, timeoutMs, expected) => {
  expect(passesLeftToSchedule(schedule, timeoutMs)).toBe(expected);
});
