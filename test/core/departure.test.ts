/** Which VMs count as having left this host, and what counts as their return. */
import { expect, it } from "vitest";
import {
  type Sighting,
  hasReturned,
  isDeparture,
  isLookSince,
  sightingOf,
} from "../../src/core/departure.ts";
import type { Outcome } from "../../src/core/event.ts";
import type { Transfer } from "../../src/core/host-count.ts";
import type { RunState } from "../../src/core/run-state.ts";

const left = (where: Outcome["where"] | null, callAtMs: number | null = 0) => ({
  call: { madeAtMs: callAtMs },
  end: where === null ? null : { outcome: { where }, departureOver: null },
});

it.each([
  [null, false],
  ["source", false],
  ["destination", true],
  ["image", true],
  ["nowhere", true],
  ["unknown", true],
] as const)("ended at %s: listed as Down %s", (where, expected) => {
  expect(isDeparture(left(where))).toBe(expected);
  const { call, end } = left(where);
  const destroyed = end === null ? null : { ...end, departureOver: "destroyed" as const };
  expect(isDeparture({ call, end: destroyed })).toBe(false);
});

it.each<[Outcome["where"], number | null, Sighting, boolean]>([
  ["destination", 0, "seen", true],
  ["unknown", 0, "seen", false],
  ["unknown", 0, "comes", true],
  ["unknown", null, "comes", false],
  ["unknown", null, "migrates", true],
])("from %s, called at %s: %s is a return: %s", (where, callAtMs, evidence, expected) => {
  expect(hasReturned(left(where, callAtMs), evidence)).toBe(expected);
});

it.each<[RunState, Transfer, Sighting | null]>([
  ["running", "none", "seen"],
  ["suspended", "outgoing", "seen"],
  ["switching", "none", null],
  ["postCopy", "none", null],
  ["switching", "incoming", "comes"],
  ["incomingPostCopyFailed", "broken", "comes"],
])("seen %s, transfer %s: %s", (runState, transfer, expected) => {
  expect(sightingOf(runState, transfer)).toBe(expected);
});

it.each([
  [10, null, false],
  [10, 10, false],
  [11, 10, true],
])("a look at %i, ended at %s: is since %s", (lookedAtMs, endedAtMs, expected) => {
  expect(isLookSince(lookedAtMs, endedAtMs)).toBe(expected);
});
