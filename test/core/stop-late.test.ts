/**
 * A cancel that comes after the call has returned: it is remembered, pursued if the job continues after
 * all, and never the reason of an end that it had no part in. Before that: stop.test.ts.
 */
import { describe, expect, it } from "vitest";
import type { RefusalKind } from "../../src/core/refusal.ts";
import { inPhase, kinds, LIMITS, sample, type Run } from "./fixtures.ts";

const STILL_HERE = { source: "active", sourceJob: true } as const;

/** Cancelled a while after its call came back. */
function cancelledLate(ended: RefusalKind | null, phase: "running" | "postCopy" = "running"): Run {
  const run = inPhase(phase);
  run.callEnded(ended);
  run.nowMs += 100;
  expect(run.give({ kind: "cancel" })).toEqual([]);
  return run;
}

describe("in settling", () => {
  it("is remembered, and nothing is aborted", () => {
    const run = cancelledLate("other");
    expect(run.migration).toMatchObject({ phase: "settling", stop: { why: "cancel" } });
    expect(kinds(run.cycle(null))).toEqual([]);
  });

  it("the job goes on: it is pursued until libvirt takes it, and then it is the reason", () => {
    const run = cancelledLate("other");
    run.location(STILL_HERE);
    expect(run.migration.phase).toBe("running");
    expect(kinds(run.cycle(sample({ processedMiB: 2 })))).toContain("abort");
    run.refused("abort", "locked");
    run.nowMs += 1_000;
    expect(kinds(run.cycle(sample({ processedMiB: 3 })))).toContain("abort");
    run.accepted("abort");
    run.location({ source: "active" });
    expect(run.outcome()).toMatchObject({ outcome: "cancelled", reason: "cancelled" });
  });

  it.each([
    ["libvirt's failure", "other", "failed", "libvirt"],
    ["somebody else's abort", "aborted", "cancelled", "byOther"],
  ] as const)("the guest stayed before: %s is the reason", (_name, ended, outcome, reason) => {
    const run = cancelledLate(ended);
    run.location({ source: "active" });
    expect(run.outcome()).toMatchObject({ outcome, reason, where: "source" });
    expect(run.outcome().message).not.toContain("was cancelled and");
  });

  it("the guest has arrived: it came too late", () => {
    const run = cancelledLate(null);
    run.location({ destination: "active" });
    expect(run.outcome()).toMatchObject({ outcome: "completed", reason: "cancelTooLate" });
  });

  it("a second joins the first", () => {
    const run = cancelledLate("other");
    const before = run.migration;
    expect(run.give({ kind: "cancel" })).toEqual([]);
    expect(run.migration).toBe(before);
  });

  it("after post-copy: nothing, as in post-copy itself", () => {
    const run = cancelledLate("other", "postCopy");
    expect(run.migration.stop).toBeNull();
  });

  it("of a save whose call returned: remembered, and the image decides", () => {
    const run = inPhase("running", { mode: "file", downtime: null });
    run.callEnded(null);
    run.nowMs += 100;
    run.give({ kind: "cancel" });
    run.location({});
    expect(run.outcome()).toMatchObject({ outcome: "completed", reason: "cancelTooLate" });
  });
});

describe("a stop that words the outcome", () => {
  const timeout = (run: Run): void => {
    run.nowMs += LIMITS.progressTimeoutMs;
    run.cycle(sample());
  };
  const cancel = (run: Run): unknown => run.give({ kind: "cancel" });

  it.each<[string, (run: Run) => unknown, string]>([
    ["a cancel", cancel, "cancelled"],
    ["the timeout", timeout, "progressTimeout"],
  ])("%s before the call's return, though libvirt never answered it", (_name, stop, reason) => {
    const run = inPhase("running");
    stop(run);
    run.callEnded("other");
    run.location({ source: "active" });
    expect(run.outcome().reason).toBe(reason);
  });

  it("decided in the same moment as the call's return it counts", () => {
    const run = inPhase("running");
    run.callEnded("other");
    run.give({ kind: "cancel" });
    run.location({ source: "active" });
    expect(run.outcome().reason).toBe("cancelled");
  });
});
