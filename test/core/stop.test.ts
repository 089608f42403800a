/**
 * Ending a migration before its time: the abort decided by migrationProgressTimeout, cancel in each
 * phase, and the pursuit of either until libvirt's job is gone. Never in post-copy. And the second
 * start, without post-copy.
 */
import { describe, expect, it } from "vitest";
import type { JobStats } from "../../src/core/job-stats.ts";
import { ABORT_AGAIN_AFTER_MS } from "../../src/core/stop.ts";
import {
  FILE_REQUEST,
  inPhase,
  kinds,
  LIMITS,
  NOT_BEGUN,
  POSTCOPY_REFUSED,
  sample,
  type Run,
} from "./fixtures.ts";

/** One cycle a while later, with what it asked for. */
function later(run: Run, ms: number, stats: JobStats | null = NOT_BEGUN): string[] {
  run.nowMs += ms;
  return kinds(run.cycle(stats));
}

describe("the hard limit of 10 s", () => {
  it.each([
    ["just below: no abort", 9_999, []],
    ["at it: abort in the same cycle", 10_000, ["abort"]],
    ["above it", 10_001, ["abort"]],
  ])("%s", (_name, ms, expected) => {
    expect(later(inPhase("starting"), ms)).toEqual(expected);
  });

  it.each([
    ["libvirt does not answer", null],
    ["the job has not appeared", { ...NOT_BEGUN, type: "none" } as const],
    ["bytes stand still", sample()],
  ])("reached because %s", (_name, stats) => {
    const run = inPhase(stats?.dataTotalBytes ? "running" : "starting");
    expect(later(run, 10_000, stats)).toContain("abort");
  });

  it("lowered below the present stalledFor: at the next cycle", () => {
    const run = inPhase("starting");
    expect(later(run, 5_000)).toEqual([]);
    run.change({ progressTimeoutMs: 4_000 });
    expect(later(run, 1)).toEqual(["abort"]);
  });

  it.each([
    ["limit off: count 0", 0, 0],
    ["not a multiple: the one reached", 4_000, 2],
    ["a multiple as well: that one, in one event", 5_000, 2],
  ])("the decision is one event; %s", (_name, stallingLimitMs, count) => {
    const run = inPhase("starting", { limits: { ...LIMITS, stallingLimitMs } });
    for (let s = 0; s < 20; s += 1) later(run, 1_000);
    const told = run.events("stalling").map(({ stalling }) => stalling);
    expect(told.filter(({ timeoutInMs }) => timeoutInMs === 0)).toHaveLength(1);
    expect(told.at(-1)).toMatchObject({ count, progressing: false, stalledForMs: 10_000 });
  });

  it("never in post-copy: the alarm instead", () => {
    const run = inPhase("postCopy");
    for (let s = 0; s < 60; s += 1) expect(later(run, 1_000, null)).toEqual([]);
    const told = run.events("stalling").map(({ stalling }) => stalling);
    expect(told).toMatchObject([{ reason: "postcopyStalled", count: 1, stalledForMs: 10_000 }]);
    expect(run.migration.stop).toBeNull();
  });

  it("post-copy starts the clock anew", () => {
    const run = inPhase("running");
    expect(later(run, 9_000, sample())).toEqual([]);
    run.accepted("startPostCopy");
    later(run, 9_000, null);
    expect(run.events("stalling")).toEqual([]);
  });

  it("a stall's end is told although the cycle sees only the next, unproductive pass", () => {
    const run = inPhase("running", { limits: { ...LIMITS, stallingLimitMs: 2_000 } });
    later(run, 3_000, sample());
    expect(run.events("stalling")).toHaveLength(1);
    run.nowMs += 500;
    const stats = sample({ memoryIteration: 2, remainingMiB: 50, processedMiB: 20 });
    const passStart = { iteration: 2, tookMs: 1 };
    run.give({ kind: "passBegan", sample: { stats, atMs: run.nowMs, passStart } });
    later(run, 500, sample({ memoryIteration: 3, remainingMiB: 60, processedMiB: 30 }));
    expect(run.events("stalling").map(({ stalling }) => stalling.progressing)).toEqual([
      false,
      true,
    ]);
  });
});

describe("another job on the domain", () => {
  const backup = sample({ operation: "backup", processedMiB: 50, memoryIteration: 2 });

  it("is not this migration's data, in a poll or at once on an event", () => {
    const run = inPhase("starting");
    run.cycle(backup);
    const passStart = { iteration: 2, tookMs: 1 };
    run.give({ kind: "passBegan", sample: { stats: backup, atMs: 0, passStart } });
    expect(run.migration).toMatchObject({
      phase: "starting",
      sample: { stats: null, progressPercent: 0 },
    });
    expect(run.migration.advance?.pass).toBe(0);
  });

  it("is not looked at after the call returned", () => {
    const run = inPhase("settling");
    const before = run.migration;
    const stats = sample({ processedMiB: 90, memoryIteration: 2 });
    const passStart = { iteration: 2, tookMs: 1 };
    run.give({ kind: "passBegan", sample: { stats, atMs: 9, passStart } });
    expect(run.migration).toBe(before);
  });
});

describe("an abort is pursued", () => {
  it.each([
    ["the job does not exist yet", "invalidState"],
    ["libvirt is connecting", "locked"],
  ] as const)("refused since %s: again each cycle, decided once", (_name, kind) => {
    const run = inPhase("starting");
    expect(later(run, 10_000)).toEqual(["abort"]);
    const decidedAtMs = run.migration.stop?.sinceMs;
    for (let i = 0; i < 4; i += 1) {
      run.refused("abort", kind);
      expect(run.migration.stop?.refusal?.kind).toBe(kind);
      expect(later(run, 1_000)).toEqual(["abort"]);
    }
    expect(run.migration.stop?.sinceMs).toBe(decidedAtMs);
    expect(run.events("stalling")).toHaveLength(1);
  });

  it("not twice at once", () => {
    const run = inPhase("starting");
    expect(later(run, 10_000)).toEqual(["abort"]);
    expect(later(run, 1_000)).toEqual([]);
  });

  it("no answer: again", () => {
    const run = inPhase("starting");
    later(run, 10_000);
    run.give({ kind: "effectDone", effect: "abort", asked: null, result: { kind: "noAnswer" } });
    expect(later(run, 1_000)).toEqual(["abort"]);
  });

  it.each([
    ["just below: no", ABORT_AGAIN_AFTER_MS - 1, []],
    ["at it: yes", ABORT_AGAIN_AFTER_MS, ["abort"]],
  ])(
    "accepted and the job lives on, asked again after the documented time; %s",
    (_n, ms, asked) => {
      const run = inPhase("starting");
      later(run, 10_000);
      run.accepted("abort");
      expect(later(run, ms)).toEqual(asked);
    },
  );

  it("nothing is steered meanwhile and the phase stays until the call returns", () => {
    const run = inPhase("running");
    run.change({ downtimeMs: 900, migrationTechnique: "post-copy" });
    run.give({ kind: "cancel" });
    run.accepted("abort");
    for (let s = 0; s < 4; s += 1) expect(later(run, 1_000, sample())).toEqual([]);
    expect(run.migration.phase).toBe("running");
    expect(run.events("ended")).toEqual([]);
  });

  it("no more once post-copy has begun after all", () => {
    const run = inPhase("running");
    run.give({ kind: "cancel" });
    run.refused("abort", "invalidState");
    expect(kinds(run.cycle(sample(), { runState: "postCopy" }))).toEqual([]);
    for (let s = 0; s < 30; s += 1) expect(later(run, 1_000, null)).toEqual([]);
    run.callEnded(null);
    run.locateSurely({ destination: "active" });
    expect(run.outcome()).toMatchObject({ outcome: "completed", reason: "cancelTooLate" });
  });
});

describe("cancel", () => {
  it("while queued: ended at once, VM status untouched", () => {
    const run = inPhase("queued");
    expect(kinds(run.give({ kind: "cancel" }))).toEqual(["locateGuest"]);
    run.found();
    expect(run.outcome()).toMatchObject({
      outcome: "cancelled",
      where: "source",
      durationMs: null,
    });
  });

  it.each([
    [
      "begin",
      {
        kind: "prepared",
        sourceMigrations: 1,
        destination: { kind: "unknown", silentQueries: 0 },
        runState: "running",
      },
    ],
    ["notBegun", { kind: "notBegun", refusal: { kind: "noVm", code: 42, message: "gone" } }],
  ] as const)("while preparing: remembered, ended without a call at %s", (_name, input) => {
    const run = inPhase("preparing");
    expect(kinds(run.give({ kind: "cancel" }))).toEqual([]);
    expect(kinds(run.give(input))).toEqual(["locateGuest"]);
    expect(kinds(run.found())).toEqual(["putBackDowntime"]);
    expect(run.outcome().reason).toBe("cancelled");
    expect(run.events("migrationStatus")).toEqual([]);
  });

  it.each(["starting", "running"] as const)("while %s: abort at once", (phase) => {
    expect(kinds(inPhase(phase).give({ kind: "cancel" }))).toEqual(["abort"]);
  });

  it.each(["postCopy", "ended"] as const)("while %s: nothing", (phase) => {
    const run = inPhase(phase);
    const before = run.migration;
    expect(run.give({ kind: "cancel" })).toEqual([]);
    expect(run.migration).toBe(before);
  });

  it("a second joins the first, also after libvirt accepted", () => {
    const run = inPhase("running");
    run.give({ kind: "cancel" });
    run.accepted("abort");
    const before = run.migration;
    expect(run.give({ kind: "cancel" })).toEqual([]);
    expect(run.migration).toBe(before);
  });

  it("joins an abort by the timeout, which stays the reason", () => {
    const run = inPhase("starting");
    later(run, 10_000);
    run.give({ kind: "cancel" });
    expect(run.migration.stop?.why).toBe("progressTimeout");
  });

  it("of a save: abort, and what was made is removed", () => {
    const run = inPhase("running", FILE_REQUEST);
    expect(kinds(run.give({ kind: "cancel" }))).toEqual(["abort"]);
    run.accepted("abort");
    run.callEnded("aborted");
    expect(kinds(run.locateSurely({ source: "active" }))).toEqual(["removeImage"]);
    expect(run.outcome().outcome).toBe("cancelled");
  });
});

describe("a start that libvirt refuses with the POSTCOPY flag", () => {
  it.each([
    ["for post-copy", POSTCOPY_REFUSED, true],
    ["for another reason", "internalError", false],
  ] as const)("before any byte %s: tried without it: %s", (_name, how, retried) => {
    const run = inPhase("starting");
    const { call, advance } = run.migration;
    run.nowMs = 7_000;
    const effects = run.callEnded(how);
    expect(kinds(effects)).toEqual([retried ? "call" : "locateGuest"]);
    expect(run.migration.phase).toBe(retried ? "starting" : "settling");
    expect(run.migration).toMatchObject({ call: { madeAtMs: call.madeAtMs }, advance });
    expect(run.migration.postCopy.possible).toBe(!retried);
  });

  it("the second call is the first without the flag, and says why", () => {
    const run = inPhase("starting");
    const effects = run.callEnded(POSTCOPY_REFUSED);
    expect(effects).toContainEqual({ kind: "call", bandwidthMiBps: 52, postcopy: false });
    expect(run.migration.postCopy.possible).toBe(false);
    expect(run.migration.postCopy.unavailableReason).toContain(POSTCOPY_REFUSED.message);
    expect(run.change({ migrationTechnique: "post-copy" })).toBe("impossible");
    expect(kinds(run.callEnded(POSTCOPY_REFUSED))).toEqual(["locateGuest"]);
  });

  it.each<[string, () => Run]>([
    ["a byte was sent", () => inPhase("running")],
    [
      "the flag was not there",
      () => inPhase("starting", { postCopy: { possible: false, unavailableReason: "parallel" } }),
    ],
    [
      "a cancel is pending",
      () => {
        const run = inPhase("starting");
        run.give({ kind: "cancel" });
        return run;
      },
    ],
  ])("not tried again where %s", (_name, make) => {
    expect(kinds(make().callEnded(POSTCOPY_REFUSED))).toEqual(["locateGuest"]);
  });

  it("the clocks run on: the hard limit is reached from the first call", () => {
    const run = inPhase("starting");
    later(run, 6_000);
    run.callEnded(POSTCOPY_REFUSED);
    expect(later(run, 3_999)).toEqual([]);
    expect(later(run, 1)).toEqual(["abort"]);
  });
});

describe("a cancel while post-copy has been asked for and not answered", () => {
  const asked = () => {
    const run = inPhase("running");
    run.change({ migrationTechnique: "post-copy" });
    run.cycle(sample({ processedMiB: 2 }));
    expect(run.migration.pending).toContain("startPostCopy");
    return run;
  };

  it("does not abort: that would race with the switch", () => {
    expect(kinds(asked().give({ kind: "cancel" }))).toEqual([]);
  });

  it("libvirt took the switch: nothing is aborted any more", () => {
    const run = asked();
    run.give({ kind: "cancel" });
    run.accepted("startPostCopy");
    expect(run.migration.phase).toBe("postCopy");
    expect(kinds(run.cycle(sample({ processedMiB: 3 })))).not.toContain("abort");
  });

  it("libvirt refused the switch: the abort goes out with the next cycle", () => {
    const run = asked();
    run.give({ kind: "cancel" });
    run.refused("startPostCopy", "invalidState");
    expect(kinds(run.cycle(sample({ processedMiB: 3 })))).toContain("abort");
  });
});
