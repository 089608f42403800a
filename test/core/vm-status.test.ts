/** What a caller sees of a migration: its phase, and its VM before, while and after it leaves. */
import { describe, expect, it } from "vitest";
import { phases } from "../../src/core/migration.ts";
import type { GuestStopped } from "../../src/core/run-state.ts";
import {
  downWhileWaiting,
  shownPhase,
  statusAfter,
  statusHere,
  statusLeaving,
} from "../../src/core/vm-status.ts";

describe("the phase that is shown", () => {
  it.each(phases)("%s without a stop: as it is", (phase) => {
    expect(shownPhase(phase, null)).toBe(phase);
  });

  it.each([
    ["preparing", "cancel", "cancelling"],
    ["running", "cancel", "cancelling"],
    ["starting", "progressTimeout", "aborting"],
    ["running", "schedule", "aborting"],
    ["queued", "cancel", "queued"],
    ["postCopy", "cancel", "postCopy"],
    ["settling", "cancel", "settling"],
    ["ended", "progressTimeout", "ended"],
  ] as const)("%s, to stop by %s: %s", (phase, why, expected) => {
    expect(shownPhase(phase, { why })).toBe(expected);
  });
});

describe("the VM", () => {
  it.each([
    ["remote", false, "migrationSource"],
    ["remote", true, "postCopy"],
    ["file", false, "savingState"],
  ] as const)("leaving by %s, in post-copy %s: %s", (mode, inPostCopy, kind) => {
    expect(statusLeaving(mode, inPostCopy)).toEqual({ kind });
  });

  it.each([
    ["remote", null, false, null],
    ["remote", null, true, "migrated"],
    ["file", null, true, "saved"],
    ["remote", "destroyed", true, "destroyed"],
  ] as const)("of a %s that waits, stopped %s, by its job %s: %s", (mode, how, byJob, why) => {
    expect(downWhileWaiting(mode, how, byJob)).toBe(why);
  });

  it.each<[string, GuestStopped | null, boolean, string]>([
    ["nothing was heard", null, false, "lost"],
    ["crashed", "crashed", false, "crashed"],
    ["saved by somebody", "saved", false, "saved"],
    ["shut down", "shutDown", false, "shutDown"],
    ["destroyed in post-copy", "destroyed", true, "lostInPostCopy"],
  ])("on neither host, %s", (_name, guestStopped, inPostCopy, why) => {
    const facts = { runState: "running", inPostCopy, guestStopped } as const;
    expect(statusAfter("nowhere", facts)).toEqual({ kind: "down", why });
  });

  it("anywhere else is what its place says, however it was stopped", () => {
    const facts = { runState: "suspended", inPostCopy: true, guestStopped: "crashed" } as const;
    expect(statusAfter("source", facts)).toEqual({ kind: "staysHere", runState: "suspended" });
    expect(statusAfter("destination", facts)).toEqual({ kind: "down", why: "migrated" });
    expect(statusAfter("image", facts)).toEqual({ kind: "down", why: "saved" });
  });
});

it.each([
  ["incoming", "switching", null, "migrationDestination"],
  ["broken", "incomingPostCopyFailed", null, "migrationDestination"],
  ["outgoing", "postCopy", { kind: "migrationSource" }, "postCopy"],
  ["outgoing", "running", { kind: "savingState" }, "savingState"],
  ["none", "running", { kind: "migrationSource" }, "migrationSource"],
  ["outgoing", "running", null, "migrationSource"],
  ["none", "suspended", null, "staysHere"],
] as const)(
  "on this host, transfer %s in state %s, leaving as %j: %s",
  (transfer, state, leaving, kind) => {
    expect(statusHere(transfer, state, leaving)).toMatchObject({ kind });
  },
);
