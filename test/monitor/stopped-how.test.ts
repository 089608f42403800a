/** Every way in which a definition says that its guest has ended is told as what it is. */
import { expect, it } from "vitest";
import { isOff, RUN_STATES, type RunState } from "../../src/core/run-state.ts";
import { endedHow } from "../../src/monitor/location.ts";

const SAID: Partial<Record<RunState, string>> = {
  offShutDown: "shutDown",
  offDestroyed: "destroyed",
  offCrashed: "crashed",
  offMigrated: "migrated",
  offSaved: "saved",
  offFailed: "failed",
  offFromSnapshot: "reverted",
  offUnseen: "unseen",
};

it.each(RUN_STATES.filter(isOff))("the shut-off reason of %s", (state) => {
  expect(endedHow(state)).toBe(SAID[state]);
});
