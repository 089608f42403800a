/**
 * VM.explainMigration from a real journal: every decision with its time since the beginning, which
 * others the VM had, whether the beginning is still there, and times that go on over a restart of the
 * host, whose monotonic clock does not.
 */
import { rmSync } from "node:fs";
import { expect, it } from "vitest";
import { isoTime } from "../../../src/clock.ts";
import { segmentPath } from "../../../src/journal/segments.ts";
import { DECISIONS_TOLD_MAX, explainFrom } from "../../../src/monitor/recovery/explain.ts";
import type { ExplainQuestion } from "../../../src/monitor/service.ts";
import type { Explanation } from "../../../src/wire/results.ts";
import { bringTo, sample } from "../../core/fixtures.ts";
import { desk, OTHER_VM, VM, WALL_MS, type Desk } from "../../journal/fixtures.ts";

function ask(own: Desk, question: ExplainQuestion, journal = "ok"): Promise<Explanation | null> {
  return explainFrom((wanted) => own.journal.read(wanted), question, journal);
}

async function explained(own: Desk, migrationId: string | null = null): Promise<Explanation> {
  const answer = await ask(own, { vmId: VM, migrationId });
  if (answer === null) throw new Error("the journal knows no such migration");
  return answer;
}

/** `rule afterMs` of each decision. */
async function told(own: Desk): Promise<readonly string[]> {
  const { decisions } = await explained(own);
  return decisions.map(({ rule, afterMs }) => `${rule} ${String(afterMs)}`);
}

it("each decision, with the time since the acceptance", async () => {
  const own = await desk({ nowMs: 5_000 });
  const { run } = own.accept("m1");
  bringTo("running", run);
  run.nowMs += 1_500;
  own.nowMs = run.nowMs;
  run.give({ kind: "cancel" });
  expect(await told(own)).toEqual([
    "accepted 0",
    "phase 0",
    "downtime 0",
    "downtime 0",
    "start 0",
    "phase 0",
    "phase 0",
    "cancel 1500",
    "stop 1500",
  ]);
  expect(await explained(own)).toMatchObject({
    migrationId: "m1",
    vmId: VM,
    dst: "host2",
    acceptedAt: isoTime(WALL_MS + 5_000),
    outcome: "none",
    reason: "none",
    journal: "ok",
    complete: true,
    others: [],
  });
  expect((await explained(own))["decisions"]).toContainEqual({
    time: isoTime(WALL_MS + 5_000),
    afterMs: 0,
    rule: "start",
    what: "libvirt is called",
    numbers: expect.objectContaining({ bandwidthMiBps: 52, postcopy: true }),
  });
});

it("without a name it is the VM's last one; the others are named", async () => {
  const own = await desk();
  bringTo("ended", own.accept("m1").run);
  bringTo("ended", own.accept("other", { vmId: OTHER_VM }).run);
  own.accept("m2");
  expect(await explained(own)).toMatchObject({
    migrationId: "m2",
    outcome: "none",
    others: [{ migrationId: "m1", outcome: "completed", reason: "arrived" }],
  });
  expect(await explained(own, "m1")).toMatchObject({
    migrationId: "m1",
    outcome: "completed",
    reason: "arrived",
    others: [{ migrationId: "m2" }],
  });
});

it.each([
  ["a VM that never migrated", OTHER_VM, null],
  ["a name that no migration has", VM, "m9"],
  ["another VM's migration", OTHER_VM, "m1"],
])("%s: none", async (_name, vmId, migrationId) => {
  const own = await desk();
  own.accept("m1");
  expect(await ask(own, { vmId, migrationId })).toBeNull();
});

it("a beginning that is gone with its segment is not claimed", async () => {
  const own = await desk();
  const written = own.accept("m1");
  await own.journal.close();
  const next = own.restarted();
  next.live.push(written);
  await next.begin();
  expect(await explained(next)).toMatchObject({ complete: true });
  rmSync(segmentPath(own.folder, 1));
  expect(await explained(next)).toMatchObject({ complete: false, decisions: [] });
});

it("a journal that is not written says so", async () => {
  const own = await desk();
  own.accept("m1");
  const answer = await ask(own, { vmId: VM, migrationId: null }, "disk full");
  expect(answer).toMatchObject({ journal: "disk full", complete: true });
});

it("over a restart of the host nothing tells how much later: the clock that measures began anew", async () => {
  const own = await desk({ nowMs: 900_000 });
  const written = own.accept("m1");
  await own.journal.close();
  const restartedAfterMs = 60_000;
  const next = own.restarted({
    bootId: "boot-2",
    nowMs: 3_000,
    wallAtZeroMs: WALL_MS + 900_000 + restartedAfterMs - 3_000,
  });
  next.live.push(written);
  await next.begin();
  const decision = { rule: "restored", what: "settling", numbers: {} };
  next.migrations
    .entry(written.entry.facts, written.run.migration)
    .decided(written.run.migration, [decision]);
  expect(await told(next)).toEqual(["accepted 0", "restored null"]);
});

it("a cycle that only looked is no line", async () => {
  const own = await desk();
  const { run } = own.accept("m1");
  bringTo("running", run);
  run.cycle(sample({ processedMiB: 2 }));
  const before = await told(own);
  for (let n = 3; n < 6; n += 1) {
    run.nowMs += 1_000;
    run.cycle(sample({ processedMiB: n }));
  }
  expect(await told(own)).toEqual(before);
});

it("of more decisions than one can read the beginning and the end", async () => {
  const own = await desk();
  const { run } = own.accept("m1");
  bringTo("running", run);
  for (let n = 0; n < DECISIONS_TOLD_MAX; n += 1) {
    run.nowMs += 1_000;
    run.give({ kind: "jobCompleted", stats: sample({ type: "completed", processedMiB: n }) });
  }
  const { omitted, decisions } = await explained(own);
  expect(omitted).toBeGreaterThan(0);
  expect(decisions).toHaveLength(DECISIONS_TOLD_MAX);
});
