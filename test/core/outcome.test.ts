/**
 * How a migration ends: where the guest is decides, why comes from the call and from what the host
 * itself did; exactly one `ended` event, after the last status. A guest that ended by itself:
 * guest-end.test.ts.
 */
import { describe, expect, it } from "vitest";
import { SETTLE_MAX_MS } from "../../src/core/evidence.ts";
import type { Location } from "../../src/core/input.ts";
import type { RefusalKind } from "../../src/core/refusal.ts";
import type { RunState } from "../../src/core/run-state.ts";
import { broken, ending, FILE_REQUEST, inPhase, kinds, type Run, sample } from "./fixtures.ts";

type Why = "nothing" | "cancel" | "timeout";

/** Settling after a call that ended as `ended` (null: success) and an own stop, if any. */
function settling(ended: RefusalKind | null, why: Why = "nothing", file = false): Run {
  const run = inPhase("running", file ? FILE_REQUEST : {});
  if (why === "cancel") run.give({ kind: "cancel" });
  if (why === "timeout") {
    run.nowMs += 10_000;
    run.cycle(null);
  }
  run.callEnded(ended);
  return run;
}

const HERE: Partial<Location> = { source: "active" };
const THERE: Partial<Location> = { destination: "active" };
const NOWHERE: Partial<Location> = { destination: "absent" };
const SILENT: Partial<Location> = { destination: "silent" };
const ARRIVED = "completed arrived destination";

describe("location x why", () => {
  it.each<[RefusalKind | null, Why, Partial<Location>, string, number]>([
    [null, "nothing", THERE, ARRIVED, 0],
    ["other", "nothing", THERE, ARRIVED, 0],
    [null, "cancel", THERE, "completed cancelTooLate destination", 0],
    [null, "timeout", THERE, "completed abortTooLate destination", 0],
    ["aborted", "cancel", HERE, "cancelled cancelled source", 47],
    ["other", "cancel", HERE, "cancelled cancelled source", 47],
    ["aborted", "timeout", HERE, "failed progressTimeout source", 12],
    ["other", "timeout", HERE, "failed progressTimeout source", 12],
    ["aborted", "nothing", HERE, "cancelled byOther source", 47],
    ["other", "nothing", HERE, "failed libvirt source", 12],
    ["operationFailed", "nothing", HERE, "failed libvirt source", 102],
    [null, "nothing", HERE, "failed libvirt source", 12],
    // It has ended over there since.
    [null, "nothing", NOWHERE, "completed arrived destination?", 0],
    ["aborted", "cancel", NOWHERE, "failed guestLost nowhere", 12],
    [null, "nothing", SILENT, "completed arrived destination?", 0],
    [null, "cancel", SILENT, "completed cancelTooLate destination?", 0],
    [null, "nothing", {}, "completed arrived destination?", 0],
    ["other", "nothing", { ...HERE, ...THERE }, "failed runsTwice source", 12],
  ])("call: %s, stop: %s, %j: %s", (ended, why, location, expected, code) => {
    const run = settling(ended, why);
    run.locateSurely(location);
    expect(ending(run)).toBe(expected);
    expect(run.outcome().code).toBe(code);
    expect(run.migration).toMatchObject({ phase: "ended", pending: [] });
    expect(kinds(run.effects)).not.toContain("destroyPausedCopy");
  });

  it("on both hosts is read twice", () => {
    const run = broken();
    run.location({ ...HERE, ...THERE });
    expect(ending(run)).toBeNull();
  });

  it("success, and the guest is here again: the words do not say that it stayed", () => {
    const run = settling(null);
    run.locateSurely(HERE);
    expect(run.outcome().message).toMatch(/had left, as libvirt said, and is active here/);
  });

  it("an event that the guest stopped as migrated counts as a success", () => {
    const run = inPhase("running");
    run.give({ kind: "stoppedByJob" });
    run.callEnded("other");
    run.locateSurely(SILENT);
    expect(ending(run)).toBe("completed arrived destination?");
  });

  it.each([
    [null, "nothing", {}, "completed saved image"],
    [null, "cancel", {}, "completed cancelTooLate image"],
    ["other", "nothing", HERE, "failed libvirt source"],
  ] as const)("a save, call: %s, stop: %s, %j: %s", (ended, why, location, expected) => {
    const run = settling(ended, why, true);
    const effects = run.locateSurely(location);
    expect(ending(run)).toBe(expected);
    expect(kinds(effects)).toEqual(ended === null ? [] : ["removeImage"]);
  });
});

it.each<[string, Partial<Location>]>([
  ["libvirt still shows a job on the source", { source: "active", sourceJob: true }],
  ["the source does not answer", { source: "unknown", destination: "absent" }],
  ["still incoming on the destination", { destination: "incoming" }],
])("not yet known, asked again: %s", (_name, location) => {
  const run = settling(null);
  expect(run.locateSurely(location)).toEqual([]);
  expect(kinds(run.cycle(null, { timer: false }))).toEqual([]);
  expect(kinds(run.cycle(null))).toEqual(["locateGuest"]);
  expect(kinds(run.cycle(null))).toEqual([]);
});

describe("confirmed later", () => {
  const record = sample({ type: "completed", downtimeMs: 80, downtimeNetMs: 66 });

  it.each([
    ["nothing", ARRIVED],
    ["cancel", "completed cancelTooLate destination"],
  ] as const)("the record changes, no second event goes out; stop: %s", (why, expected) => {
    const run = settling(null, why);
    run.locateSurely(SILENT);
    for (const location of [SILENT, { destination: "incoming" }] as const) {
      run.locateSurely(location);
      expect(ending(run)).toBe(`${expected}?`);
    }
    run.locateSurely(THERE, record);
    expect(ending(run)).toBe(expected);
    expect(run.migration.end?.outcome.downtimeMs).toBe(66);
    if (why === "cancel") expect(run.migration.end?.outcome.message).toContain("too late");
    expect(run.outcome().confirmed).toBe(false);
  });

  it("an unknown one is found after all, with what the host had tried", () => {
    const run = settling("other", "cancel");
    run.nowMs += SETTLE_MAX_MS;
    run.locateSurely(SILENT);
    expect(ending(run)).toBe("failed unknown unknown?");
    run.locateSurely(THERE);
    expect(ending(run)).toBe("completed cancelTooLate destination");
    expect(run.migration).toMatchObject({ end: { outcome: { code: 0 } } });
  });

  it("a confirmed one never changes again", () => {
    const run = settling("aborted", "cancel");
    run.locateSurely(HERE);
    run.locateSurely(THERE);
    expect(ending(run)).toBe("cancelled cancelled source");
  });
});

describe("what the engine is told at the end", () => {
  it.each<[string, Run, RefusalKind | null, Partial<Location>]>([
    ["migrated", inPhase("running"), null, THERE],
    ["lost", inPhase("running"), "other", NOWHERE],
    ["lostInPostCopy", inPhase("postCopy"), "internalError", NOWHERE],
  ])("the last status, then Down as %s, then the end", (why, run, ended, location) => {
    run.callEnded(ended);
    expect(run.locateSurely(location)).toMatchObject([
      { event: { kind: "migrationStatus" } },
      { event: { kind: "vmStatus", status: { kind: "down", why } } },
      { event: { kind: "ended" } },
    ]);
  });

  it.each<[string, RunState, RunState]>([
    ["suspended meanwhile", "running", "suspended"],
    ["resumed meanwhile", "suspended", "running"],
    ["stopped on a storage error meanwhile", "running", "ioError"],
  ])("the VM's state by then, whatever it was at the call: %s", (_name, runState, then) => {
    const run = inPhase("running", { runState });
    run.give({ kind: "cancel" });
    run.callEnded("aborted");
    run.location({ source: "active", runState: then });
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "staysHere", runState: then });
  });

  it.each([
    ["pre-copy: net of the network", "running", 66],
    ["post-copy: the gross one", "postCopy", 80],
  ] as const)("the downtime of %s", (_name, phase, downtimeMs) => {
    const run = inPhase(phase);
    const stats = sample({ type: "completed", downtimeMs: 80, downtimeNetMs: 66, processedMiB: 9 });
    run.give({ kind: "jobCompleted", stats });
    run.nowMs = 5_000;
    run.callEnded(null);
    run.locateSurely(THERE);
    const { dataProcessedBytes } = stats;
    const figures = { downtimeMs, durationMs: 5_000, passes: 1, dataProcessedBytes };
    expect(run.outcome()).toMatchObject(figures);
    expect(run.events("migrationStatus").at(-1)?.downtimeMs).toBe(downtimeMs);
  });

  it("nothing follows an end", () => {
    const run = settling(null);
    run.locateSurely(THERE);
    const { migration: before } = run;
    const sent = run.effects.length;
    run.give({ kind: "cancel" });
    run.callEnded("other");
    run.cycle(sample());
    run.locateSurely(THERE);
    run.accepted("abort");
    expect(run.effects.length).toBe(sent);
    expect(run.migration).toEqual(before);
  });
});
