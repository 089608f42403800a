/**
 * A location that nobody can tell is asked for again, but not for ever; and the VM's status at the end
 * is what it is by then, whatever it was at the call.
 */
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/core/event.ts";
import { SETTLE_MAX_MS } from "../../src/core/evidence.ts";
import type { Location } from "../../src/core/input.ts";
import { UNDECIDED_MAX_MS } from "../../src/core/location.ts";
import type { RunState } from "../../src/core/run-state.ts";
import { inPhase, type Run, sample } from "./fixtures.ts";

type End = readonly [Outcome["reason"], Outcome["where"], boolean];
const ARRIVED: End = ["arrived", "destination", true];
const NOT_KNOWN: End = ["unknown", "unknown", false];
const STAYED: End = ["libvirt", "source", true];
const ABSENT: Partial<Location> = { destination: "absent" };

/** How it ended, in short; null: it has not. */
function end(run: Run): End | null {
  const outcome = run.migration.end?.outcome;
  return outcome === undefined ? null : [outcome.reason, outcome.where, outcome.confirmed];
}

function broken(): Run {
  const run = inPhase("running");
  run.callEnded("other");
  return run;
}

describe("no wait is without an end", () => {
  it.each<[string, Partial<Location>, number, End]>([
    ["libvirt says nothing of it", { source: "unknown", ...ABSENT }, UNDECIDED_MAX_MS, NOT_KNOWN],
    ["half arrived", { source: "notActive", destination: "incoming" }, UNDECIDED_MAX_MS, NOT_KNOWN],
    ["taken apart here", { source: "ending", ...ABSENT }, SETTLE_MAX_MS, STAYED],
  ])("%s", (_name, location, maxMs, expected) => {
    const run = broken();
    run.nowMs += 100 * maxMs;
    run.location(location);
    run.nowMs += maxMs - 1;
    run.location(location);
    expect(end(run)).toBeNull();
    // Seen in between it is asked for anew.
    run.location({ source: "active", sourceJob: true });
    run.location(location);
    run.nowMs += maxMs - 1;
    run.location(location);
    expect(end(run)).toBeNull();
    run.nowMs += 1;
    run.location(location);
    expect(end(run)).toEqual(expected);
  });

  it("taken apart here, and arrived: it has arrived", () => {
    const run = broken();
    run.locateSurely({ source: "ending", destination: "active" });
    expect(end(run)).toEqual(ARRIVED);
  });
});

describe("the VM's status is its state at the end", () => {
  it.each<[string, RunState, RunState]>([
    ["suspended meanwhile", "running", "suspended"],
    ["resumed meanwhile", "suspended", "running"],
    ["stopped on a storage error meanwhile", "running", "ioError"],
    ["asleep", "running", "asleep"],
    ["crashed and preserved", "running", "crashed"],
  ])("%s", (_name, runState, then) => {
    const run = inPhase("running", { runState });
    run.give({ kind: "cancel" });
    run.callEnded("aborted");
    run.location({ source: "active", runState: then });
    expect(run.outcome()).toMatchObject({ outcome: "cancelled", where: "source" });
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "staysHere", runState: then });
  });
});

it("a destination that is silent at the end is asked for a minute from then on", () => {
  const run = inPhase("running");
  run.restore("daemonDown");
  for (let n = 2; n < 100; n += 1) {
    run.nowMs += 1_000;
    run.cycle(sample({ processedMiB: n, timeElapsedMs: run.nowMs }));
    run.location({ source: "active", sourceJob: true });
  }
  run.location({ source: "notActive", destination: "silent" });
  expect(run.migration.end).toBeNull();
});
