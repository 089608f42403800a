/**
 * How a guest has ended here, by itself or by somebody, and what that means for a migration of it: while
 * it migrates, in the queue, or just before its call. Its location decides as always.
 */
import { expect, it, describe } from "vitest";
import { type GuestEnd, endFor, endOf } from "../../src/core/guest-end.ts";
import type { Location } from "../../src/core/input.ts";
import type { RefusalKind } from "../../src/core/refusal.ts";
import { type GuestStopped, RUN_STATES, type RunState, isOff } from "../../src/core/run-state.ts";
import { FILE_REQUEST, inPhase, kinds } from "./fixtures.ts";

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

const HERE: Partial<Location> = { source: "active", destination: "notAsked" };
const THERE: Partial<Location> = { source: "notActive", destination: "active" };
const NOWHERE: Partial<Location> = { source: "notActive", destination: "absent" };

describe("the guest ended here in another way", () => {
  it.each([
    ["shutDown", "running", "guestStopped", "shut itself down", "shutDown"],
    ["destroyed", "running", "guestStopped", "destroyed by somebody", "destroyed"],
    ["crashed", "running", "guestCrashed", "its QEMU died", "crashed"],
    ["saved", "running", "guestStopped", "saved by somebody", "saved"],
    ["reverted", "running", "guestStopped", "revert to a snapshot", "reverted"],
    ["failed", "running", "guestCrashed", "has failed", "failed"],
    ["unseen", "running", "guestCrashed", "when libvirtd was back", "unseen"],
    ["shutDown", "starting", "guestStopped", "shut itself down", "shutDown"],
    ["shutDown", "postCopy", "guestLost", "one half of its memory", "lostInPostCopy"],
    ["destroyed", "postCopy", "guestLost", "one half of its memory", "lostInPostCopy"],
  ] as const)("%s in %s: %s", (how, phase, reason, words, why) => {
    const run = inPhase(phase);
    run.give({ kind: "guestStopped", how });
    expect(run.migration.end).toBeNull();
    run.callEnded("other");
    run.locateSurely(NOWHERE);
    expect(run.outcome()).toMatchObject({ outcome: "failed", reason, code: 12, where: "nowhere" });
    expect(run.outcome().message).toContain(words);
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "down", why });
  });

  it.each<[string, Partial<Location>, string]>([
    ["it has arrived all the same", THERE, "arrived"],
    ["it runs here again", HERE, "libvirt"],
  ])("the location decides: %s", (_name, location, reason) => {
    const run = inPhase("running");
    run.give({ kind: "guestStopped", how: "destroyed" });
    run.callEnded("other");
    run.locateSurely(location);
    expect(run.outcome().reason).toBe(reason);
  });

  it("a save whose guest shut itself down is no save, and nothing is removed", () => {
    const run = inPhase("running", FILE_REQUEST);
    run.give({ kind: "guestStopped", how: "shutDown" });
    run.callEnded("other");
    expect(kinds(run.locateSurely({ source: "notActive" }))).toEqual([]);
    expect(run.outcome()).toMatchObject({ outcome: "failed", reason: "guestStopped" });
    expect(run.outcome().message).toContain("while it was being saved, and was not saved");
  });

  it.each<[string, RefusalKind | null, Partial<Location>]>([
    ["libvirt said success", null, NOWHERE],
    ["its definition was left as migrated", "other", { ...NOWHERE, endedHere: "migrated" }],
  ])("gone there too, but %s: it arrived and ended there since", (_name, ended, location) => {
    for (const phase of ["running", "postCopy"] as const) {
      const run = inPhase(phase);
      run.callEnded(ended);
      run.locateSurely(location);
      expect(run.outcome()).toMatchObject({ outcome: "completed", reason: "arrived", code: 0 });
      expect(run.outcome().message).toContain("not active there any more");
      expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "down", why: "migrated" });
    }
  });

  it.each([
    ["shutDown", "guestStopped", "shutDown"],
    ["destroyed", "guestStopped", "destroyed"],
    ["saved", "guestStopped", "saved"],
    ["reverted", "guestStopped", "reverted"],
    ["crashed", "guestCrashed", "crashed"],
    ["failed", "guestCrashed", "failed"],
  ] as const)("no event came, and its definition was left as %s", (endedHere, reason, why) => {
    const run = inPhase("running");
    run.callEnded("other");
    run.location({ ...NOWHERE, endedHere });
    expect(run.outcome()).toMatchObject({ outcome: "failed", reason, where: "nowhere" });
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "down", why });
  });

  it("the event comes before the definition: virsh destroy of a guest whose QEMU then dies", () => {
    const run = inPhase("running");
    run.give({ kind: "guestStopped", how: "destroyed" });
    run.callEnded("other");
    run.location({ ...NOWHERE, endedHere: "crashed" });
    expect(run.outcome().reason).toBe("guestStopped");
  });

  it("what libvirtd did not see is read twice there", () => {
    const run = inPhase("running");
    run.callEnded("other");
    run.location({ ...NOWHERE, endedHere: "unseen" });
    expect(run.migration.end).toBeNull();
    run.locateSurely({ ...NOWHERE, endedHere: "unseen" });
    expect(run.outcome()).toMatchObject({ reason: "guestCrashed", where: "nowhere" });
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "down", why: "unseen" });
  });

  it.each([
    ["complete", "unknown", "unknown"],
    ["notComplete", "guestCrashed", "nowhere"],
  ] as const)("a save whose end libvirtd did not see, its image %s", (image, reason, where) => {
    const run = inPhase("running", FILE_REQUEST);
    run.callEnded("other");
    run.location({ source: "notActive", endedHere: "unseen", image });
    expect(run.outcome()).toMatchObject({ outcome: "failed", reason, where });
  });

  it("a definition that was left as saved is the end of a save", () => {
    const run = inPhase("running", FILE_REQUEST);
    run.callEnded("other");
    run.location({ source: "notActive", endedHere: "saved" });
    expect(run.outcome()).toMatchObject({ outcome: "completed", reason: "saved" });
  });

  it("what somebody else's migration left is no proof of ours", () => {
    const run = inPhase("running");
    run.migration = {
      ...run.migration,
      evidence: { ...run.migration.evidence, superseded: true },
    };
    run.callEnded("other");
    run.locateSurely({ ...NOWHERE, endedHere: "migrated" });
    expect(run.outcome().reason).toBe("guestLost");
  });
});

describe("before the call", () => {
  it.each<[GuestStopped, string, string]>([
    ["shutDown", "guestStopped", "nowhere"],
    ["destroyed", "guestStopped", "nowhere"],
    ["saved", "guestStopped", "nowhere"],
    ["crashed", "guestCrashed", "nowhere"],
  ])("%s in the queue, then cancelled: it is not here", (how, reason, where) => {
    const run = inPhase("queued");
    run.give({ kind: "guestStopped", how });
    run.give({ kind: "cancel" });
    run.locateSurely({ source: "notActive" });
    expect(run.outcome()).toMatchObject({ outcome: "failed", reason, where, code: 12 });
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "down", why: how });
  });

  it("deferred, and shut down in the queue: the engine is told so", () => {
    const run = inPhase("preparing");
    run.give({ kind: "deferred", retryAtMs: 5_000, reason: "full" });
    run.give({ kind: "guestStopped", how: "shutDown" });
    run.give({ kind: "cancel" });
    run.locateSurely({ source: "notActive" });
    expect(run.outcome()).toMatchObject({ reason: "guestStopped", where: "nowhere" });
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "down", why: "shutDown" });
  });

  it("it was started again meanwhile: what was heard in the queue says nothing of this run", () => {
    const run = inPhase("preparing");
    run.give({ kind: "guestStopped", how: "shutDown" });
    run.give({ kind: "stoppedByJob" });
    const destination = { kind: "unknown", silentQueries: 0 } as const;
    run.give({ kind: "prepared", sourceMigrations: 1, destination, runState: "running" });
    expect(run.migration).toMatchObject({ evidence: { guestStopped: null, stoppedByJob: false } });
    run.callEnded("other");
    run.locateSurely(NOWHERE);
    expect(run.outcome()).toMatchObject({ reason: "guestLost", where: "nowhere" });
  });
});
