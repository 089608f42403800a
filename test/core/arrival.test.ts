/** A guest that comes to this host: by which events and looks it is arriving, arrived, or gone again. */
import { describe, expect, it } from "vitest";
import {
  type ArrivalEvent,
  type ArrivalState,
  LOOKED_AT_MS,
  NO_ARRIVAL,
  type SeenGuest,
  afterEvent,
  afterLook,
  hadArrived,
  isShownArriving,
  isSoon,
} from "../../src/core/arrival.ts";
import type { Transfer } from "../../src/core/host-count.ts";
import type { RunState } from "../../src/core/run-state.ts";
import { NOT_BEGUN } from "./fixtures.ts";

const NOW_MS = 10_000;
const ARRIVING: ArrivalState = {
  arriving: { sinceMs: 0, soonUntilMs: 0, runsHere: false },
  reported: false,
};
const REPORTED: ArrivalState = { arriving: null, reported: true };

describe("an event", () => {
  it.each<[string, ArrivalState, ArrivalEvent, boolean, ArrivalState]>([
    ["started by a migration", NO_ARRIVAL, { change: "started", incoming: true }, false, at(0)],
    ["started here", NO_ARRIVAL, { change: "started", incoming: false }, false, NO_ARRIVAL],
    ["started again", REPORTED, { change: "started", incoming: false }, false, NO_ARRIVAL],
    ["paused on its way", ARRIVING, { change: "suspended" }, false, soon(0)],
    ["paused here", NO_ARRIVAL, { change: "suspended" }, false, NO_ARRIVAL],
    ["running here", ARRIVING, { change: "resumed", byMigration: true }, false, soon(0, true)],
    ["without its first event", NO_ARRIVAL, resumed(true), false, soon(NOW_MS, true)],
    ["of post-copy", ARRIVING, resumed(false), false, soon(0)],
    ["resumed here", NO_ARRIVAL, resumed(false), false, NO_ARRIVAL],
    ["a failed migration of ours", NO_ARRIVAL, resumed(true), true, NO_ARRIVAL],
    ["late, after it was reported", REPORTED, resumed(true), false, REPORTED],
    ["stopped", ARRIVING, { change: "stopped" }, false, NO_ARRIVAL],
    ["another", ARRIVING, { change: "other" }, false, ARRIVING],
  ])("%s", (_name, before, event, ours, after) => {
    expect(afterEvent(before, event, ours, NOW_MS)).toEqual(after);
  });
});

function at(soonForMs: number): ArrivalState {
  const arriving = { sinceMs: NOW_MS, soonUntilMs: NOW_MS + soonForMs, runsHere: false };
  return { arriving, reported: false };
}

function soon(sinceMs: number, runsHere = false): ArrivalState {
  return { arriving: { sinceMs, soonUntilMs: NOW_MS + LOOKED_AT_MS, runsHere }, reported: false };
}

function resumed(byMigration: boolean): ArrivalEvent {
  return { change: "resumed", byMigration };
}

const seen = (transfer: Transfer, runState: RunState, answers = true): SeenGuest => ({
  transfer,
  runState,
  job: answers ? { kind: "stats", stats: NOT_BEGUN } : { kind: "noAnswer" },
});

describe("a look", () => {
  it.each<[string, ArrivalState, SeenGuest | null, boolean, ArrivalState]>([
    ["on its way, without an event", NO_ARRIVAL, seen("incoming", "switching"), false, at(0)],
    ["on its way", ARRIVING, seen("incoming", "switching"), false, ARRIVING],
    ["its post-copy is broken", ARRIVING, seen("broken", "incomingPostCopy"), false, ARRIVING],
    ["here", ARRIVING, seen("none", "running"), false, REPORTED],
    ["here, suspended", ARRIVING, seen("none", "suspended"), false, REPORTED],
    ["half arrived", ARRIVING, seen("none", "switching"), false, ARRIVING],
    ["without an answer", ARRIVING, seen("none", "running", false), false, ARRIVING],
    ["not known", ARRIVING, seen("unknown", "running"), false, ARRIVING],
    ["its departure is not reported yet", ARRIVING, seen("none", "running"), true, ARRIVING],
    ["any other VM", NO_ARRIVAL, seen("none", "running"), false, NO_ARRIVAL],
    ["gone again", ARRIVING, null, false, NO_ARRIVAL],
    ["not there yet", at(0), null, false, at(0)],
  ])("%s", (_name, before, guest, ours, after) => {
    const arrived = before.arriving !== null && after.reported;
    expect(afterLook(before, guest, ours, NOW_MS)).toEqual({ state: after, arrived });
  });
});

it("what had arrived: reported, or said by libvirt to run here", () => {
  expect([NO_ARRIVAL, ARRIVING, REPORTED, soon(0, true)].map(hadArrived)).toEqual([
    false,
    false,
    true,
    true,
  ]);
});

it("looked at often until its time is over", () => {
  expect(isSoon(soon(0), NOW_MS + LOOKED_AT_MS - 1)).toBe(true);
  expect(isSoon(soon(0), NOW_MS + LOOKED_AT_MS)).toBe(false);
  expect(isSoon(NO_ARRIVAL, 0)).toBe(false);
});

it.each<[Transfer, RunState, ArrivalState, boolean, boolean]>([
  ["incoming", "switching", NO_ARRIVAL, false, true],
  ["broken", "incomingPostCopyFailed", NO_ARRIVAL, false, true],
  ["none", "switching", ARRIVING, false, true],
  ["none", "switching", ARRIVING, true, false],
  ["none", "switching", NO_ARRIVAL, false, false],
  ["none", "running", ARRIVING, false, false],
])("%s, %s is shown as arriving", (transfer, runState, state, ours, expected) => {
  expect(isShownArriving(state, { transfer, runState }, ours)).toBe(expected);
});
