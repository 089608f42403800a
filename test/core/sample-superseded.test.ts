/**
 * After a restart libvirt shows a job that cannot be the one that was left: somebody started another.
 * It is neither judged nor steered; only the guest's location is asked for.
 */
import { describe, expect, it } from "vitest";
import { READ_SPACING_MS } from "../../src/core/evidence.ts";
import type { Location } from "../../src/core/input.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import { FILE_REQUEST, inPhase, kinds, LIMITS, sample, type Run } from "./fixtures.ts";

const DOWN_MS = 300_000;
const LEFT_AT_MIB = 50;
const HERE_WITH_JOB: Partial<Location> = { source: "active", sourceJob: true };

/** Had sent 50 MiB; another daemon goes on a minute after its call. */
function restarted(phase: "starting" | "running" = "running", file = false): Run {
  const run = inPhase(phase, {
    limits: { ...LIMITS, stallingLimitMs: 2_000, progressTimeoutMs: 600_000 },
    ...(file ? FILE_REQUEST : {}),
  });
  const operation = file ? "save" : "migrationOut";
  if (phase === "running") run.cycle(sample({ operation, processedMiB: LEFT_AT_MIB }));
  run.nowMs += DOWN_MS;
  run.restore("daemonDown");
  run.effects.length = 0;
  return run;
}

/** As libvirt shows a job so long after its beginning. */
const shown = (processedMiB: number, timeElapsedMs: number): JobStats =>
  sample({ processedMiB, timeElapsedMs });
const OURS = shown(LEFT_AT_MIB, DOWN_MS);
const ANOTHER = shown(LEFT_AT_MIB - 1, 1_000);

function superseded(phase: "starting" | "running" = "running"): Run {
  const run = restarted(phase);
  run.cycle(ANOTHER);
  expect(run.migration.evidence.superseded).toBe(true);
  run.effects.length = 0;
  return run;
}

describe("whose job it is", () => {
  it.each([
    ["as many bytes, as old as the call", OURS, false],
    ["more bytes", shown(LEFT_AT_MIB + 1, DOWN_MS), false],
    ["fewer bytes", shown(LEFT_AT_MIB - 1, DOWN_MS), true],
    ["150 s younger than the call", shown(LEFT_AT_MIB, DOWN_MS - 150_000), false],
    ["more than 150 s younger", shown(LEFT_AT_MIB + 1, DOWN_MS - 150_001), true],
    ["older than the call", shown(LEFT_AT_MIB, 2 * DOWN_MS), false],
    ["none", sample({ type: "none", processedMiB: 0 }), false],
    ["a backup", sample({ operation: "backup", processedMiB: 0 }), false],
  ])("%s", (_name, stats, expected) => {
    const run = restarted();
    run.cycle(stats);
    expect(run.migration.evidence.superseded).toBe(expected);
  });

  it("libvirt shows it first at the beginning of a pass", () => {
    const run = restarted();
    const taken = { stats: ANOTHER, atMs: run.nowMs, passStart: { iteration: 1, tookMs: 1 } };
    run.give({ kind: "passBegan", sample: taken });
    expect(run.migration.evidence.superseded).toBe(true);
  });

  it("of a save it is told in the same way", () => {
    const run = restarted("running", true);
    run.cycle({ ...ANOTHER, operation: "save" });
    expect(run.migration.evidence.superseded).toBe(true);
  });

  it("without data it is told by its time", () => {
    const run = restarted("starting");
    run.cycle(shown(1, 1_000));
    expect(run.migration.evidence.superseded).toBe(true);
  });

  it("only the first look after the gap asks: later ones are of the same job", () => {
    const run = restarted();
    run.cycle(OURS);
    run.cycle(ANOTHER);
    expect(run.migration.evidence.superseded).toBe(false);
  });

  it("without a gap, after a restart of the host and in post-copy nobody asks", () => {
    const watched = inPhase("running");
    watched.cycle(sample({ processedMiB: LEFT_AT_MIB }));
    watched.nowMs += DOWN_MS;
    watched.cycle(ANOTHER);
    expect(watched.migration.evidence.superseded).toBe(false);
    const rebooted = inPhase("running");
    rebooted.restore("hostDown");
    rebooted.cycle(shown(0, 0));
    expect(rebooted.migration.evidence.superseded).toBe(false);
    const postCopy = inPhase("postCopy");
    postCopy.nowMs += DOWN_MS;
    postCopy.restore("daemonDown");
    postCopy.cycle(shown(1, 0), { runState: "postCopy" });
    expect(postCopy.migration.evidence.superseded).toBe(false);
  });
});

describe("somebody else's job", () => {
  it("is neither judged nor steered: only the location is asked, by the timer", () => {
    const run = superseded();
    run.change({ downtimeMs: 900, maxBandwidthMiBps: 20, migrationTechnique: "post-copy" });
    run.location({ source: "unknown" });
    for (let second = 0; second < 1_000; second += 1) {
      run.nowMs += 1_000;
      run.cycle(ANOTHER, { timer: second % 2 === 0 });
    }
    expect(kinds(run.effects)).toEqual(["locateGuest"]);
    expect(run.migration.stop).toBeNull();
    expect(run.effects.filter(({ kind }) => kind === "event")).toEqual([]);
  });

  it("its figures are not ours", () => {
    const run = superseded();
    const { sample: shown, advance } = run.migration;
    run.cycle(sample({ processedMiB: 900, remainingMiB: 1, memoryIteration: 9 }));
    const taken = sample({ processedMiB: 901, remainingMiB: 1, memoryIteration: 10 });
    const passStart = { iteration: 10, tookMs: 1 };
    run.give({ kind: "passBegan", sample: { stats: taken, atMs: run.nowMs, passStart } });
    expect(run.migration).toMatchObject({ sample: { ...shown, answered: false }, advance });
    expect(run.events("stalling")).toEqual([]);
  });

  it("is not aborted by a cancel of ours, which ends nothing either", () => {
    const run = superseded();
    run.nowMs += 1;
    expect(kinds(run.give({ kind: "cancel" }))).toEqual([]);
    run.cycle(ANOTHER);
    expect(kinds(run.effects)).not.toContain("abort");
    run.location(HERE_WITH_JOB);
    expect(run.outcome()).toMatchObject({ outcome: "failed", reason: "unknown" });
  });

  it("its post-copy is none of ours: our guest is not half lost", () => {
    const run = superseded();
    run.cycle(ANOTHER, { runState: "postCopy" });
    run.locateSurely({ source: "pausedCopy", sourceJob: true, destination: "absent" });
    run.locateSurely({ source: "pausedCopy", destination: "absent" });
    expect(run.migration.postCopy.begun).toBe(false);
    expect(run.migration.end).toBeNull();
    run.locateSurely({ source: "notActive", destination: "absent" });
    expect(run.outcome()).toMatchObject({ reason: "unknown", where: "unknown" });
    expect(run.events("vmStatus")).toEqual([]);
  });
});

describe("where our guest is", () => {
  it.each(["starting", "running"] as const)(
    "in %s: active here, although a job is shown: ours is over, nobody knows why",
    (phase) => {
      const run = superseded(phase);
      run.location(HERE_WITH_JOB);
      expect(run.outcome()).toMatchObject({
        outcome: "failed",
        reason: "unknown",
        where: "source",
        confirmed: true,
      });
      expect(run.outcome().message).toContain("while the daemon was down");
    },
  );

  it("a cancel that libvirt had taken before: cancelled", () => {
    const run = inPhase("running");
    run.cycle(sample({ processedMiB: LEFT_AT_MIB }));
    run.give({ kind: "cancel" });
    run.accepted("abort");
    run.nowMs += DOWN_MS;
    run.restore("daemonDown");
    run.cycle(ANOTHER);
    run.location(HERE_WITH_JOB);
    expect(run.outcome()).toMatchObject({ outcome: "cancelled", where: "source" });
  });

  it.each<[string, Partial<Location>, string, string]>([
    ["there", { destination: "active" }, "arrived", "destination"],
    [
      "on neither host: somebody took it elsewhere",
      { destination: "absent" },
      "unknown",
      "unknown",
    ],
  ])("%s", (_name, location, reason, where) => {
    const run = superseded();
    run.location(location);
    expect(run.migration.end).toBeNull();
    run.nowMs += READ_SPACING_MS;
    run.location(location);
    expect(run.outcome()).toMatchObject({ reason, where });
  });

  it("one that is watched waits for its job", () => {
    const run = restarted();
    run.cycle(OURS);
    run.locateSurely(HERE_WITH_JOB);
    expect(run.migration).toMatchObject({ phase: "running", end: null });
  });
});

describe("libvirt refuses our call because somebody was faster", () => {
  const FOREIGN: Partial<Location> = { ...HERE_WITH_JOB, job: "migrationOut", runState: "running" };

  it("it has failed, and the VM is leaving all the same", () => {
    const run = inPhase("starting");
    run.callEnded("invalidState");
    run.location(FOREIGN);
    expect(run.outcome()).toMatchObject({ outcome: "failed", reason: "libvirt", where: "source" });
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "migrationSource" });
  });

  it.each([
    ["another reason", "other"],
    ["no reason", null],
  ] as const)("%s: the job may be ours", (_name, ended) => {
    const run = inPhase("starting");
    run.callEnded(ended);
    run.location(FOREIGN);
    expect(run.migration).toMatchObject({ evidence: { superseded: false }, end: null });
  });
});
