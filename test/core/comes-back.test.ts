/** What a daemon that comes back must not conclude too early, and what it must. */
import { expect, it } from "vitest";
import { READ_SPACING_MS } from "../../src/core/evidence.ts";
import { inPhase, kinds, sample } from "./fixtures.ts";
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
it("post-copy that began and was lost while the daemon was down: a paused copy is proof of it", () => {
  const run = inPhase("running");
  run.restore("daemonDown");
  run.location({ source: "pausedCopy", destination: "absent" });
  expect(run.migration.phase).toBe("postCopy");
  run.nowMs += READ_SPACING_MS;
  run.location({ source: "pausedCopy", destination: "absent" });
  expect(run.outcome()).toMatchObject({ reason: "guestLost", where: "nowhere" });
});
it("cancelled while preparing, then taken over: the next cancel ends it in the queue", () => {
  const run = inPhase("preparing");
  run.give({ kind: "cancel" });
  run.restore("daemonDown");
  run.give({ kind: "cancel" });
  run.found();
  expect(run.outcome()).toMatchObject({ outcome: "cancelled", where: "source" });
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
