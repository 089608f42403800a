/** How a guest has ended here, and what that is to a migration of it. */
import { expect, it } from "vitest";
import { type GuestEnd, endFor, endOf } from "../../src/core/guest-end.ts";
import { RUN_STATES, type RunState, isOff } from "../../src/core/run-state.ts";

const SAID: Partial<Record<RunState, GuestEnd>> = {
  offShutDown: "shutDown",
  offDestroyed: "destroyed",
  offCrashed: "crashed",
  offMigrated: "migrated",
  offSaved: "saved",
  offFailed: "failed",
  offFromSnapshot: "reverted",
  offUnseen: "unseen",
};

it.each(RUN_STATES)("a definition in state %s", (state) => {
  expect(endOf(state)).toBe(isOff(state) ? SAID[state] : undefined);
});

it.each([
  ["remote", "migrated", "byOwnJob"],
  ["file", "saved", "byOwnJob"],
  ["remote", "saved", "saved"],
  ["file", "migrated", null],
  ["remote", "destroyed", "destroyed"],
  ["file", "unseen", "unseen"],
  ["remote", "unknown", null],
] as const)("to a %s one, %s is %s", (mode, how, expected) => {
  expect(endFor(mode, how)).toBe(expected);
});
