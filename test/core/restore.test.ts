/**
 * A migration restored from the journal: within one boot its clocks run on and nothing is told twice;
 * after a reboot only its end is looked for (outcome-unwatched.test.ts).
 */
import { describe, expect, it } from "vitest";
import { downtimeBySteps } from "../../src/core/downtime.ts";
import { stalledForMs } from "../../src/core/migration.ts";
import type { NewMigration } from "../../src/core/new-migration.ts";
import { GIB_BYTES } from "../../src/core/units.ts";
import {
  nextDaemon,
  ALL_PHASES,
  bringTo,
  estimate,
  inPhase,
  kinds,
  LIMITS,
  Run,
  sample,
} from "./fixtures.ts";

const DOWN_MS = 7_000;

/** The daemon is killed now and another one goes on after so long; only its effects count. */
function restarted(run: Run, downMs = DOWN_MS): Run {
  run.nowMs += downMs;
  run.restore("daemonDown");
  run.effects.length = 0;
  return run;
}

const limits = (fields: Partial<NewMigration["limits"]>) => ({ limits: { ...LIMITS, ...fields } });

describe("another daemon takes over in the same boot", () => {
  it.each([
    ["queued", "queued", false, null],
    ["preparing", "queued", false, null],
    ["starting", "starting", true, "daemonDown"],
    ["running", "running", true, "daemonDown"],
    ["postCopy", "postCopy", true, "daemonDown"],
    ["settling", "settling", true, "daemonDown"],
    ["ended", "ended", true, null],
  ] as const)("%s: goes on as %s", (phase, then, callReturned, unwatched) => {
    const run = restarted(inPhase(phase));
    const pending = callReturned && then !== "ended" ? ["locateGuest"] : [];
    expect(run.migration).toMatchObject({ phase: then, pending });
    expect(run.migration.call.returned !== null).toBe(callReturned);
    expect(run.migration.call.returned?.unwatched ?? null).toBe(unwatched);
  });

  it("an ended one stays as it was", () => {
    const run = inPhase("ended");
    const before = run.migration;
    expect(restarted(run).migration).toEqual(before);
  });

  it.each(["queued", "preparing"] as const)(
    "%s: keeps its place and its admission's clock",
    (phase) => {
      const run = inPhase("preparing");
      run.give({ kind: "deferred", retryAtMs: 30_000, reason: "full" });
      if (phase === "preparing") run.give({ kind: "admitted" });
      const { admission } = run.migration;
      expect(restarted(run).migration.admission).toEqual(admission);
    },
  );

  it("what the domain had before is put back, not what was set and found again", () => {
    const run = restarted(inPhase("preparing"));
    run.give({ kind: "admitted" });
    run.give({ kind: "downtimeFound", foundMs: 500 });
    run.give({ kind: "notBegun", refusal: { kind: "internalError", code: 1, message: "no" } });
    run.found();
    expect(run.effects).toContainEqual({ kind: "putBackDowntime", maxDowntimeMs: 300 });
  });

  it.each([
    ["cancelled in the queue", (run: Run) => run.give({ kind: "cancel" })],
    ["not admitted in time", (run: Run) => run.give({ kind: "notAdmitted" })],
  ])("it was told to leave, back in the queue and %s: it is told to stay", (_name, end) => {
    const run = restarted(inPhase("preparing"));
    end(run);
    run.found();
    expect(run.events("vmStatus")).toEqual([
      { kind: "vmStatus", status: { kind: "staysHere", runState: "running" } },
    ]);
  });

  it("a cancel that came before the call still ends it, without one", () => {
    const run = inPhase("preparing");
    run.give({ kind: "cancel" });
    restarted(run);
    bringTo("starting", run);
    run.found();
    expect(kinds(run.effects)).not.toContain("call");
    expect(run.outcome()).toMatchObject({ outcome: "cancelled", where: "source" });
  });
});

describe("the stall clock runs on over the gap", () => {
  it.each([
    ["the same bytes are no advance", 1, 0, DOWN_MS],
    ["bytes of pass 1 are", 2, 0, 0],
    ["bytes that moved before the first look count as of that look", 2, 900, 0],
  ])("%s", (_name, processedMiB, laterMs, stalledMs) => {
    const run = restarted(inPhase("running", limits({ progressTimeoutMs: 60_000 })));
    expect(stalledForMs(run.migration, run.nowMs)).toBe(DOWN_MS);
    run.nowMs += laterMs;
    run.cycle(sample({ processedMiB }));
    expect(stalledForMs(run.migration, run.nowMs)).toBe(stalledMs);
  });

  it.each([
    ["one that stood still all the while is at its limit", 1, "progressTimeout"],
    ["one that moved is not", 2, undefined],
  ])("%s", (_name, processedMiB, why) => {
    const run = restarted(inPhase("running"), LIMITS.progressTimeoutMs);
    run.cycle(sample({ processedMiB }));
    expect(run.migration.stop?.why).toBe(why);
  });

  it("stalls told before are not told again: one event, with the highest count", () => {
    const run = inPhase("running", limits({ stallingLimitMs: 2_000, progressTimeoutMs: 60_000 }));
    run.nowMs += 4_000;
    run.cycle(sample());
    expect(run.events("stalling").at(-1)?.stalling.count).toBe(2);
    restarted(run, 500);
    run.cycle(sample());
    expect(run.events("stalling")).toEqual([]);
    restarted(run, 6_000);
    run.cycle(sample());
    expect(run.events("stalling").map(({ stalling }) => stalling.count)).toEqual([5]);
    run.nowMs += 1;
    run.cycle(sample({ processedMiB: 3 }));
    expect(run.events("stalling").at(-1)?.stalling).toMatchObject({ progressing: true });
  });
});

describe("passes that nobody saw say nothing", () => {
  /** In pass 3, the second one too large, and without advance for 9 s. */
  function unproductive(): Run {
    const run = inPhase("running");
    for (const iteration of [2, 3]) {
      run.nowMs += 4_000;
      run.cycle(
        sample({ memoryIteration: iteration, processedMiB: iteration * 128, remainingMiB: 128 }),
      );
    }
    run.nowMs += 1_000;
    expect(run.migration.advance).toMatchObject({ unproductiveInARow: 2 });
    return run;
  }

  it("many went by: one bad one is left, and one more is needed for the hard limit", () => {
    const run = restarted(unproductive());
    run.cycle(sample({ memoryIteration: 9, processedMiB: 1100, remainingMiB: 20 }));
    expect(run.migration.advance).toMatchObject({ pass: 9, unproductiveInARow: 1 });
    expect(run.migration.stop).toBeNull();
    run.nowMs += 1_000;
    run.cycle(sample({ memoryIteration: 10, processedMiB: 1300, remainingMiB: 128 }));
    expect(run.migration.stop?.why).toBe("progressTimeout");
  });

  it("without a gap the same passes are all counted", () => {
    const run = unproductive();
    run.nowMs += DOWN_MS;
    run.cycle(sample({ memoryIteration: 9, processedMiB: 1100, remainingMiB: 20 }));
    expect(run.migration.stop?.why).toBe("progressTimeout");
  });

  it("a smaller one is advance, and what was bad before is forgotten", () => {
    const run = restarted(unproductive());
    run.cycle(sample({ memoryIteration: 9, processedMiB: 1100, remainingMiB: 20 }));
    run.nowMs += 200;
    run.cycle(
      sample({ memoryIteration: 9, processedMiB: 1105, remainingMiB: 15, ...estimate(60) }),
    );
    expect(run.migration.advance).toMatchObject({ verdict: "productive", unproductiveInARow: 0 });
    expect(stalledForMs(run.migration, run.nowMs)).toBe(0);
  });

  it("the gap is over with the first sample: passes missed later are counted again", () => {
    const run = restarted(inPhase("running", limits({ progressTimeoutMs: 60_000 })));
    run.cycle(sample({ memoryIteration: 5, processedMiB: 600, remainingMiB: 20 }));
    expect(run.migration.advance?.unproductiveInARow).toBe(0);
    run.nowMs += 1_000;
    run.cycle(sample({ memoryIteration: 8, processedMiB: 1000, remainingMiB: 20 }));
    expect(run.migration.advance?.unproductiveInARow).toBe(3);
  });
});

describe("what is wished goes on", () => {
  it("the schedule goes on where it was", () => {
    const stalling = [
      { limitPasses: 1, action: { kind: "setDowntime", downtimeMs: 150 } },
      { limitPasses: 2, action: { kind: "postcopy" } },
    ] as const;
    const run = inPhase("running", {
      schedule: { init: [], stalling },
      downtime: { ...downtimeBySteps(500, 1, 1, GIB_BYTES), owner: "schedule", stepsMs: [] },
    });
    run.cycle(sample({ memoryIteration: 3, processedMiB: 300 }));
    run.accepted("setMaxDowntime", 150);
    restarted(run);
    run.cycle(sample({ memoryIteration: 3, processedMiB: 350 }));
    expect(kinds(run.effects)).not.toContain("setMaxDowntime");
    run.cycle(sample({ memoryIteration: 4, processedMiB: 500 }));
    expect(kinds(run.effects)).toContain("startPostCopy");
    expect(run.migration.schedule).toMatchObject({ cursor: 2, seenPass: 4 });
  });

  it("the downtime's owner, its step and when the next is due", () => {
    const run = inPhase("running", {
      downtime: downtimeBySteps(500, 5, 50, GIB_BYTES),
      ...limits({ progressTimeoutMs: 600_000 }),
    });
    run.cycle(sample({ memoryIteration: 2, processedMiB: 102 }));
    run.accepted("setMaxDowntime", 104);
    expect(run.migration.downtime).toMatchObject({ owner: "steps", step: 1, stepWaitMs: 10_000 });
    restarted(run);
    run.cycle(sample({ memoryIteration: 2, processedMiB: 103 }));
    expect(kinds(run.effects)).not.toContain("setMaxDowntime");
    run.nowMs += 3_000;
    run.cycle(sample({ memoryIteration: 2, processedMiB: 104 }));
    expect(run.effects).toContainEqual({ kind: "setMaxDowntime", maxDowntimeMs: 120 });
  });

  it("the engine's changes", () => {
    const run = inPhase("running");
    run.change({ downtimeMs: 900, maxBandwidthMiBps: 30, progressTimeoutMs: 40_000 });
    const { downtime, limits: changed } = run.migration;
    expect(restarted(run).migration).toMatchObject({ downtime, limits: changed });
    run.cycle(sample({ processedMiB: 2 }));
    expect(run.effects).toContainEqual({ kind: "setMaxDowntime", maxDowntimeMs: 900 });
    expect(run.effects).toContainEqual({ kind: "setMaxBandwidth", maxBandwidthMiBps: 30 });
  });

  it("the cap is set again, whatever libvirt holds, and is not raised by a silent destination", () => {
    const run = inPhase("running");
    run.cycle(sample({ processedMiB: 2 }), { sourceMigrations: 2 });
    run.accepted("setMaxBandwidth", 26);
    restarted(run);
    const destination = { kind: "unknown", silentQueries: 0 } as const;
    run.cycle(sample({ processedMiB: 3 }), { destination });
    expect(run.effects).toContainEqual({ kind: "setMaxBandwidth", maxBandwidthMiBps: 26 });
  });

  it("silent queries are those of this daemon: the first halves again", () => {
    const run = inPhase("running");
    run.cycle(sample({ processedMiB: 2 }), { destination: { kind: "silent", silentQueries: 1 } });
    expect(run.migration.bandwidth.capMiBps).toBe(26);
    restarted(run);
    run.cycle(sample({ processedMiB: 3 }), { destination: { kind: "unknown", silentQueries: 1 } });
    expect(run.migration.bandwidth.capMiBps).toBe(13);
  });

  it("post-copy that libvirt had not taken is asked for again", () => {
    const run = inPhase("running");
    run.change({ migrationTechnique: "post-copy" });
    run.cycle(sample({ processedMiB: 2 }));
    restarted(run);
    run.cycle(sample({ processedMiB: 3 }));
    expect(kinds(run.effects)).toContain("startPostCopy");
  });
});

describe("a stop that was decided is carried out", () => {
  const stopped = (why: "cancel" | "timeout", phase: "starting" | "running"): Run => {
    const run = inPhase(phase);
    if (why === "cancel") run.give({ kind: "cancel" });
    else {
      run.nowMs += LIMITS.progressTimeoutMs;
      run.cycle(phase === "starting" ? null : sample());
    }
    expect(run.migration.stop).not.toBeNull();
    return run;
  };

  it.each([
    ["cancel", "starting", "cancelled", "cancelled"],
    ["cancel", "running", "cancelled", "cancelled"],
    ["timeout", "starting", "failed", "progressTimeout"],
    ["timeout", "running", "failed", "progressTimeout"],
  ] as const)("a %s in %s", (why, phase, outcome, reason) => {
    const run = restarted(stopped(why, phase));
    run.cycle(phase === "starting" ? null : sample({ processedMiB: 2 }));
    expect(kinds(run.effects)).toContain("abort");
    expect(run.events("stalling")).toEqual([]);
    run.accepted("abort");
    run.nowMs += DOWN_MS;
    run.location({ source: "active", destination: "notAsked" });
    expect(run.outcome()).toMatchObject({ outcome, reason, where: "source" });
  });

  it("libvirt took it before: asked for again only if the job outlives it", () => {
    const run = stopped("cancel", "running");
    run.accepted("abort");
    restarted(run, 1_000);
    run.cycle(sample());
    expect(kinds(run.effects)).not.toContain("abort");
    run.nowMs += 4_000;
    run.cycle(sample());
    expect(kinds(run.effects)).toContain("abort");
  });

  it("never into post-copy that began meanwhile", () => {
    const run = restarted(stopped("cancel", "running"));
    run.cycle(sample({ processedMiB: 2 }), { runState: "postCopy" });
    expect(kinds(run.effects)).not.toContain("abort");
    expect(run.migration.phase).toBe("postCopy");
  });
});

it.each(ALL_PHASES.filter((phase) => phase !== "queued"))(
  "%s: the rest of its way tells no status of the VM twice",
  (phase) => {
    const run = inPhase(phase);
    const before = run.events("vmStatus").map(({ status }) => status.kind);
    restarted(run);
    if (run.migration.phase === "queued") bringTo("starting", run);
    const runState = phase === "postCopy" ? "postCopy" : "running";
    run.cycle(sample({ processedMiB: 5 }), { runState });
    run.location({ source: "notActive", destination: "active" });
    const told = [...before, ...run.events("vmStatus").map(({ status }) => status.kind)];
    expect(told).toEqual([...new Set(told)]);
  },
);

describe("the host was restarted", () => {
  const NOW_MS = 50;

  it.each(ALL_PHASES.filter((phase) => phase !== "ended"))(
    "%s: only its end is looked for",
    (phase) => {
      const run = inPhase(phase);
      run.nowMs += 1_000_000;
      const before = run.migration;
      const migration = nextDaemon(before, "hostDown", NOW_MS);
      expect(migration).toMatchObject({
        phase: "settling",
        call: {
          madeAtMs: before.call.madeAtMs === null ? null : NOW_MS,
          returned: { unwatched: "hostDown", sinceMs: NOW_MS },
        },
        admission: { acceptedAtMs: NOW_MS, retryAtMs: null },
        downtime: { foundMs: null },
        stop: null,
        pending: ["locateGuest"],
      });
      expect(stalledForMs(migration, NOW_MS)).toBe(0);
      expect(migration.advance?.pass).toBe(before.advance?.pass);
      expect(migration.postCopy.begun).toBe(before.postCopy.begun);
    },
  );

  it("an ended one keeps its outcome and its age, without the time in which the host was off", () => {
    const before = inPhase("ended").migration;
    const { admission, end, evidence } = before;
    expect(nextDaemon(before, "hostDown", NOW_MS, 7_000)).toEqual({
      ...before,
      admission: { ...admission, acceptedAtMs: NOW_MS },
      end: { ...end, atMs: NOW_MS - 7_000 },
      evidence: { ...evidence, thereReads: 0, readAtMs: null },
    });
  });

  it("neither a stall nor a limit of before counts, and nothing is steered", () => {
    const run = inPhase("running", limits({ stallingLimitMs: 1_000 }));
    run.nowMs = NOW_MS;
    run.effects.length = 0;
    run.restore("hostDown");
    for (let second = 0; second < 30; second += 1) {
      run.nowMs += 1_000;
      run.cycle(null);
    }
    expect(kinds(run.effects)).toEqual(["locateGuest"]);
    expect(run.events("stalling")).toEqual([]);
  });
});

it("libvirt does not answer the first look: nothing is known, nothing is aborted", () => {
  const run = inPhase("running");
  run.nowMs += 60_000;
  run.restore("daemonDown");
  run.nowMs += 1_000;
  expect(kinds(run.cycle(null))).not.toContain("abort");
  run.nowMs += 1_000;
  const stats = sample({ processedMiB: 90, timeElapsedMs: run.nowMs });
  expect(kinds(run.cycle(stats))).not.toContain("abort");
  run.nowMs += 10_000;
  expect(kinds(run.cycle(null))).toContain("abort");
});
