/** What a migration may have left behind: a definition here, a slot at the destination. */
import { expect, it } from "vitest";
import {
  type Arrival,
  SURELY_LEFT_MS,
  isSurelyLeft,
  mayHaveLeftover,
} from "../../src/core/leftover.ts";
import { releaseAtEnd, releaseLate } from "../../src/core/slot-there.ts";

const ARRIVED: Arrival = {
  outcome: { outcome: "completed", confirmed: true },
  cleared: false,
  departureOver: null,
};
const UNCONFIRMED = { ...ARRIVED, outcome: { outcome: "completed", confirmed: false } } as const;
const FAILED = { ...ARRIVED, outcome: { outcome: "failed", confirmed: true } } as const;

it.each<[string, Parameters<typeof mayHaveLeftover>, boolean]>([
  ["arrived", ["remote", ARRIVED, true], true],
  ["saved", ["file", ARRIVED, true], false],
  ["sent by somebody else", ["foreign", ARRIVED, true], false],
  ["nothing is left", ["remote", { ...ARRIVED, cleared: true }, true], false],
  ["came back", ["remote", { ...ARRIVED, departureOver: "cameBack" }, true], false],
  ["destroyed by the engine", ["remote", { ...ARRIVED, departureOver: "destroyed" }, true], true],
  ["not confirmed yet", ["remote", UNCONFIRMED, true], false],
  ["nobody can confirm it", ["remote", UNCONFIRMED, false], true],
  ["stayed", ["remote", FAILED, true], false],
  ["not ended", ["remote", null, true], false],
])("a definition may be left: %s", (_name, args, expected) => {
  expect(mayHaveLeftover(...args)).toBe(expected);
});

it.each([
  ["was not persistent", false, true, 0, false],
  ["not confirmed", true, false, null, false],
  ["just confirmed", true, true, 0, true],
  ["not known since when", true, true, null, true],
  ["just long enough ago", true, true, SURELY_LEFT_MS - 1, true],
  ["too long ago", true, true, SURELY_LEFT_MS, false],
] as const)("surely left by the migration: %s", (_name, persistent, confirmed, forMs, expected) => {
  expect(isSurelyLeft(persistent, confirmed, forMs)).toBe(expected);
});

it.each([
  ["source", true, 0, "ifHere"],
  ["source", true, null, "ifHere"],
  ["nowhere", true, null, "ifOurDaemon"],
  ["unknown", true, 0, null],
  ["destination", true, 0, null],
  ["source", false, 0, null],
] as const)("ended at %s, slot kept %s, called at %s: %s", (where, kept, callAtMs, expected) => {
  expect(releaseAtEnd(where, kept, callAtMs)).toBe(expected);
});

it.each([
  ["unknown", "source", true, "ifHere"],
  ["unknown", "source", false, null],
  ["unknown", "destination", true, null],
  [null, "source", true, null],
] as const)("was at %s, located at %s, slot kept %s: %s", (was, where, kept, expected) => {
  expect(releaseLate(was, where, kept)).toBe(expected);
});
