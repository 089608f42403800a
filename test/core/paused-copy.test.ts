/**
 * The paused copy that post-copy leaves here: destroyed only when it is sure that the guest runs over there;
 * lost only when it is sure that one half is gone; given up only after ten minutes of silence.
 * post-copy.test.ts: how it is mended before. location.ts.
 */
import { describe, expect, it } from "vitest";
import { READ_SPACING_MS, SETTLE_MAX_MS } from "../../src/core/evidence.ts";
import type { Location } from "../../src/core/input.ts";
import { POSTCOPY_SILENT_MAX_MS } from "../../src/core/location.ts";
import { inPhase, kinds, sample, type Run } from "./fixtures.ts";

const SOURCES = ["active", "switching", "pausedCopy", "notActive", "unknown"] as const;
const DESTINATIONS = ["active", "incoming", "left", "absent", "silent", "notAsked"] as const;
const PLACES: readonly Location[] = SOURCES.flatMap((source) =>
  DESTINATIONS.flatMap((destination) =>
    [false, true].map((sourceJob): Location => ({ source, sourceJob, destination })),
  ),
);
const isLeftPausedCopy = ({ source, sourceJob, destination }: Location): boolean =>
  source === "pausedCopy" && !sourceJob && destination === "active";

describe("the paused copy that post-copy leaves", () => {
  const PAUSED_COPY: Partial<Location> = { source: "pausedCopy", destination: "active" };

  it("is destroyed after two reads that agree, and then the guest has arrived", () => {
    const run = inPhase("postCopy");
    run.callEnded("other");
    expect(kinds(run.location(PAUSED_COPY))).toEqual([]);
    run.nowMs += READ_SPACING_MS;
    expect(kinds(run.location(PAUSED_COPY))).toEqual(["destroyPausedCopy"]);
    expect(run.migration.end).toBeNull();
    run.accepted("destroyPausedCopy");
    run.location({ source: "notActive", destination: "active" });
    expect(run.outcome()).toMatchObject({ outcome: "completed", where: "destination" });
  });

  it("of a guest that has gone on from there is left alone, and the guest has arrived", () => {
    const run = inPhase("postCopy");
    run.callEnded("other");
    expect(kinds(run.location({ ...PAUSED_COPY, destination: "left", sourceJob: true }))).toEqual(
      [],
    );
    expect(run.migration.end).toBeNull();
    expect(kinds(run.location({ ...PAUSED_COPY, destination: "left" }))).toEqual([]);
    expect(run.outcome()).toMatchObject({ outcome: "completed", where: "destination" });
  });

  it("is asked for again if libvirt refuses, never twice at a time", () => {
    const run = inPhase("postCopy");
    run.callEnded("other");
    run.locateSurely(PAUSED_COPY);
    expect(kinds(run.locateSurely(PAUSED_COPY))).toEqual([]);
    run.refused("destroyPausedCopy", "locked");
    expect(kinds(run.location(PAUSED_COPY))).toEqual(["destroyPausedCopy"]);
  });

  it.each(["starting", "running", "postCopy", "settling"] as const)(
    "in %s: of all pairs of reads only that one",
    (phase) => {
      for (const first of PLACES) {
        for (const second of PLACES) {
          const run = inPhase(phase);
          if (phase !== "settling") run.callEnded("other");
          run.location(first);
          run.nowMs += READ_SPACING_MS;
          run.location(second);
          const destroys = kinds(run.effects).includes("destroyPausedCopy");
          const sure = isLeftPausedCopy(first) && isLeftPausedCopy(second);
          expect(destroys, JSON.stringify([first, second])).toBe(sure);
        }
      }
    },
  );

  it("a read of the daemon before does not count", () => {
    const run = inPhase("postCopy");
    run.callEnded("other");
    run.location(PAUSED_COPY);
    run.nowMs += READ_SPACING_MS;
    run.restore("daemonDown");
    expect(kinds(run.location(PAUSED_COPY))).toEqual([]);
    run.nowMs += READ_SPACING_MS;
    expect(kinds(run.location(PAUSED_COPY))).toEqual(["destroyPausedCopy"]);
  });

  it("reads before the call came back count for nothing", () => {
    const run = inPhase("postCopy");
    for (let n = 0; n < 5; n += 1) run.locateSurely(PAUSED_COPY);
    expect(kinds(run.effects)).not.toContain("destroyPausedCopy");
  });
});

describe("lost in post-copy", () => {
  const lost: readonly Partial<Location>[] = [
    { source: "pausedCopy", destination: "absent" },
    { source: "pausedCopy", sourceJob: true, destination: "absent" },
    { source: "notActive", destination: "incoming" },
  ];

  it.each(lost)("only after two reads that agree: %j", (location) => {
    const run = inPhase("postCopy");
    run.callEnded("other");
    run.location(location);
    run.nowMs += READ_SPACING_MS;
    run.location({ source: "pausedCopy", destination: "silent" });
    run.location(location);
    expect(run.migration.end).toBeNull();
    run.nowMs += READ_SPACING_MS;
    run.location(location);
    expect(run.outcome()).toMatchObject({
      outcome: "failed",
      reason: "guestLost",
      where: "nowhere",
    });
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "down", why: "lostInPostCopy" });
  });

  it.each(lost)("never if libvirt said that it succeeded: %j", (location) => {
    const run = inPhase("postCopy");
    run.callEnded(null);
    for (let n = 0; n < 5; n += 1) run.locateSurely(location);
    expect(run.migration.end).toBeNull();
  });

  it.each(lost)("never if its event said that it left: %j", (location) => {
    const run = inPhase("postCopy");
    run.give({ kind: "stoppedByJob" });
    run.callEnded("other");
    for (let n = 0; n < 5; n += 1) run.locateSurely(location);
    expect(run.migration.end).toBeNull();
  });
});

describe("a paused copy, and the destination is silent", () => {
  const silent: readonly Partial<Location>[] = [
    { source: "pausedCopy", destination: "silent" },
    { source: "pausedCopy", destination: "notAsked" },
    { source: "pausedCopy", sourceJob: true, destination: "silent" },
  ];

  /** Asked for so long, every 10 s; its cycles see its job as it was. */
  function asked(run: Run, location: Partial<Location>, forMs: number, processedMiB = 2): Run {
    const endMs = run.nowMs + forMs;
    while (run.nowMs < endMs) {
      run.nowMs = Math.min(endMs, run.nowMs + 10_000);
      run.cycle(sample({ processedMiB }), { runState: "postCopy" });
      run.location(location);
    }
    return run;
  }

  function broken(): Run {
    const run = inPhase("postCopy");
    run.callEnded("other");
    return run;
  }

  const expectUnseen = (run: Run): void => {
    expect(run.outcome()).toMatchObject({ outcome: "failed", reason: "unknown", where: "unknown" });
    expect(run.events("vmStatus").map(({ status }) => status.kind)).not.toContain("down");
  };

  it.each(silent)("for ten minutes from the call's return: %j", (location) => {
    const run = asked(broken(), location, POSTCOPY_SILENT_MAX_MS - 1);
    expect(run.migration.end).toBeNull();
    expectUnseen(asked(run, location, 1));
  });

  it.each(silent)("from the takeover, also while its job is shown: %j", (location) => {
    const run = inPhase("postCopy");
    run.nowMs += POSTCOPY_SILENT_MAX_MS;
    run.restore("daemonDown");
    asked(run, location, POSTCOPY_SILENT_MAX_MS - 1);
    expect(run.migration.end).toBeNull();
    expectUnseen(asked(run, location, 1));
  });

  it.each(silent)("from the last byte: %j", (location) => {
    const run = asked(broken(), location, 300_000);
    asked(run, location, 10_000, 3);
    asked(run, location, POSTCOPY_SILENT_MAX_MS - 1, 3);
    expect(run.migration.end).toBeNull();
    expectUnseen(asked(run, location, 1, 3));
  });

  it.each(["incoming", "active", "absent"] as const)("from its last word: %s", (destination) => {
    const run = asked(broken(), { source: "pausedCopy", destination: "silent" }, 300_000);
    run.location({ source: "pausedCopy", destination });
    asked(run, { source: "pausedCopy", destination: "silent" }, POSTCOPY_SILENT_MAX_MS - 1);
    expect(run.migration.end).toBeNull();
    expectUnseen(asked(run, { source: "pausedCopy", destination: "silent" }, 1));
  });

  it("a destination that receives is waited for as long as it takes", () => {
    const run = asked(broken(), { source: "pausedCopy", destination: "incoming" }, 7_200_000);
    expect(run.migration).toMatchObject({ phase: "postCopy", end: null });
  });

  it("the paused copy is gone: then a minute is enough", () => {
    const run = broken();
    run.nowMs += SETTLE_MAX_MS;
    run.location({ source: "notActive", destination: "silent" });
    expectUnseen(run);
  });
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
