/** What becomes of a migration whose own steps throw: what is given again, and when it is given up. */
import { expect, it } from "vitest";
import {
  MISSED_MAX_MS,
  type MissedFacts,
  givenAgain,
  isKept,
  isToAbandon,
} from "../../src/core/missed.ts";
import { sample } from "./fixtures.ts";

it("an answer is kept, what recurs is not", () => {
  expect(isKept("callEnded")).toBe(true);
  expect(isKept("cycle")).toBe(false);
});

it("where the guest was when it was located says nothing any more when it is given again", () => {
  const location = { source: "active", sourceJob: false, destination: "absent" } as const;
  const record = sample({ type: "completed" });
  expect(givenAgain({ kind: "location", location, record })).toEqual({
    kind: "location",
    location: { source: "unknown", sourceJob: false, destination: "silent" },
    record,
  });
  expect(givenAgain({ kind: "cancel", by: "uid 0" })).toEqual({ kind: "cancel", by: "uid 0" });
});

const WAITING: MissedFacts = {
  call: { madeAtMs: null, returned: null },
  missesCallEnded: false,
  sinceMs: 0,
};
const CALLED: MissedFacts = { ...WAITING, call: { madeAtMs: 0, returned: null } };
const RETURNED = { sinceMs: 0, succeeded: true, refusal: null, unwatched: null };

it.each<[string, MissedFacts, number, boolean]>([
  ["nothing is missed", { ...WAITING, sinceMs: null }, 2 * MISSED_MAX_MS, false],
  ["not for long enough", WAITING, MISSED_MAX_MS - 1, false],
  ["before a call", WAITING, MISSED_MAX_MS, true],
  ["its call is out", CALLED, 2 * MISSED_MAX_MS, false],
  [
    "its call has returned",
    { ...CALLED, call: { madeAtMs: 0, returned: RETURNED } },
    MISSED_MAX_MS,
    true,
  ],
  ["the return itself is missed", { ...CALLED, missesCallEnded: true }, MISSED_MAX_MS, true],
])("given up: %s", (_name, facts, nowMs, expected) => {
  expect(isToAbandon(facts, nowMs)).toBe(expected);
});
