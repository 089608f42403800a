/** A foreign migration, adopted: watched, limited and steered like any other, its destination unknown. */
import { describe, expect, it } from "vitest";
import { UNKNOWN_DESTINATION } from "../../src/core/adopt.ts";
import { stalledForMs } from "../../src/core/migration.ts";
import { kinds, LIMITS, Run, sample } from "./fixtures.ts";

describe("somebody else's migration", () => {
  const NOW_MS = 90_000;
  const stats = sample({ timeElapsedMs: 30_000 });

  function adoptedRun(): Run {
    const run = new Run({}, NOW_MS);
    run.adopt(stats);
    return run;
  }

  it.each([
    ["no job", sample({ type: "none" })],
    ["a save", sample({ operation: "save" })],
    ["an incoming one", sample({ operation: "migrationIn" })],
    ["a backup", sample({ operation: "backup" })],
  ])("%s is not one", (_name, other) => {
    const run = new Run({}, NOW_MS);
    run.adopt(other);
    expect(run.migration.phase).toBe("queued");
  });

  it("is watched from now on, without a word to the engine", () => {
    const run = adoptedRun();
    expect(run.migration).toMatchObject({
      phase: "starting",
      facts: { mode: "remote", destination: UNKNOWN_DESTINATION },
      call: { madeAtMs: NOW_MS - 30_000, returned: { unwatched: "foreign" } },
      stop: null,
    });
    run.cycle(stats);
    expect(run.migration.phase).toBe("running");
    expect(run.events("vmStatus")).toEqual([]);
    expect(run.events("stalling")).toEqual([]);
    expect(stalledForMs(run.migration, run.nowMs)).toBe(0);
  });

  it("found in post-copy it is watched as such: nothing stops it, and its paused copy is its own", () => {
    const run = new Run({}, NOW_MS);
    run.adopt(stats, true);
    expect(run.migration).toMatchObject({ phase: "postCopy", postCopy: { begun: true } });
    expect(kinds(run.give({ kind: "cancel" }))).toEqual([]);
    run.nowMs += LIMITS.progressTimeoutMs;
    expect(kinds(run.cycle(stats, { runState: "postCopy" }))).not.toContain("abort");
    run.locateSurely({ source: "notActive", destination: "absent" });
    expect(run.outcome()).toMatchObject({ reason: "guestLost", where: "nowhere" });
    expect(run.events("vmStatus")).toMatchObject([{ status: { why: "lostInPostCopy" } }]);
  });

  it("its downtime is left alone until the engine names one, its bandwidth is shared at once", () => {
    const run = adoptedRun();
    const effects = run.cycle(stats, { sourceMigrations: 2 });
    expect(effects).toContainEqual({ kind: "setMaxBandwidth", maxBandwidthMiBps: 26 });
    run.cycle(sample({ memoryIteration: 3, processedMiB: 3 }));
    expect(kinds(run.effects)).not.toContain("setMaxDowntime");
    run.change({ downtimeMs: 700 });
    expect(kinds(run.cycle(sample({ memoryIteration: 3, processedMiB: 4 })))).toContain(
      "setMaxDowntime",
    );
  });

  it("it can be cancelled, sent to post-copy, and is aborted by the hard limit", () => {
    expect(kinds(adoptedRun().give({ kind: "cancel" }))).toEqual(["abort"]);
    const wished = adoptedRun();
    wished.change({ migrationTechnique: "post-copy" });
    expect(kinds(wished.cycle(stats))).toContain("startPostCopy");
    const still = adoptedRun();
    still.cycle(stats);
    still.nowMs += LIMITS.progressTimeoutMs;
    expect(kinds(still.cycle(stats))).toContain("abort");
  });
});
