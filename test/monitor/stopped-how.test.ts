/** Every way in which libvirt says that a guest has ended is told as what it is. */
import { expect, it } from "vitest";
import { LIFECYCLE } from "../../src/core/libvirt-codes.ts";
import { RUN_STATES, type RunState, isOff } from "../../src/core/run-state.ts";
import { endedHow } from "../../src/monitor/location.ts";
import { stoppedHow } from "../../src/monitor/stopped-how.ts";

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

it.each([
  [LIFECYCLE.STOPPED_SHUTDOWN, "shutDown"],
  [LIFECYCLE.STOPPED_DESTROYED, "destroyed"],
  [LIFECYCLE.STOPPED_CRASHED, "crashed"],
  [LIFECYCLE.STOPPED_MIGRATED, "migrated"],
  [LIFECYCLE.STOPPED_SAVED, "saved"],
  [LIFECYCLE.STOPPED_FAILED, "crashed"],
  [LIFECYCLE.STOPPED_FROM_SNAPSHOT, "reverted"],
  // Newer than this daemon.
  [99, undefined],
])("detail %i of libvirt's event", (detail, how) => {
  expect(stoppedHow(detail)).toBe(how);
});
