/**
 * The shell that post-copy leaves here: destroyed only when it is sure that the guest runs over there;
 * lost only when it is sure that one half is gone; given up only after ten minutes of silence.
 * post-copy.test.ts: how it is mended before. place.ts.
 */
import { describe, expect, it } from "vitest";
import {
  POSTCOPY_SILENT_MAX_MS,
  READ_SPACING_MS,
  SETTLE_MAX_MS,
  type Place,
} from "../../src/core/place.ts";
import { takenOver } from "../../src/core/recover.ts";
import { inPhase, kinds, sample, type Run } from "./fixtures.ts";

const SOURCES = ["active", "switching", "shell", "notActive", "unknown"] as const;
const DESTINATIONS = ["active", "incoming", "left", "absent", "silent", "notAsked"] as const;
const PLACES: readonly Place[] = SOURCES.flatMap((source) =>
  DESTINATIONS.flatMap((destination) =>
    [false, true].map((sourceJob): Place => ({ source, sourceJob, destination })),
  ),
);
const isLeftShell = ({ source, sourceJob, destination }: Place): boolean =>
  source === "shell" && !sourceJob && destination === "active";

describe("the shell that post-copy leaves", () => {
  const SHELL: Partial<Place> = { source: "shell", destination: "active" };

  it("is destroyed after two reads that agree, and then the guest has arrived", () => {
    const run = inPhase("postCopy");
    run.callEnded(38);
    expect(kinds(run.place(SHELL))).toEqual([]);
    run.nowMs += READ_SPACING_MS;
    expect(kinds(run.place(SHELL))).toEqual(["destroyShell"]);
    expect(run.migration.outcome).toBeNull();
    run.accepted("destroyShell");
    run.place({ source: "notActive", destination: "active" });
    expect(run.outcome()).toMatchObject({ outcome: "completed", where: "destination" });
  });

  it("of a guest that has gone on from there is left alone, and the guest has arrived", () => {
    const run = inPhase("postCopy");
    run.callEnded(38);
    expect(kinds(run.place({ ...SHELL, destination: "left", sourceJob: true }))).toEqual([]);
    expect(run.migration.outcome).toBeNull();
    expect(kinds(run.place({ ...SHELL, destination: "left" }))).toEqual([]);
    expect(run.outcome()).toMatchObject({ outcome: "completed", where: "destination" });
  });

  it("is asked for again if libvirt refuses, never twice at a time", () => {
    const run = inPhase("postCopy");
    run.callEnded(38);
    run.placeSurely(SHELL);
    expect(kinds(run.placeSurely(SHELL))).toEqual([]);
    run.refused("destroyShell", 68);
    expect(kinds(run.place(SHELL))).toEqual(["destroyShell"]);
  });

  it.each(["starting", "running", "postCopy", "settling"] as const)(
    "in %s: of all pairs of reads only that one",
    (phase) => {
      for (const first of PLACES) {
        for (const second of PLACES) {
          const run = inPhase(phase);
          if (phase !== "settling") run.callEnded(38);
          run.place(first);
          run.nowMs += READ_SPACING_MS;
          run.place(second);
          const destroys = kinds(run.effects).includes("destroyShell");
          const sure = isLeftShell(first) && isLeftShell(second);
          expect(destroys, JSON.stringify([first, second])).toBe(sure);
        }
      }
    },
  );

  it("a read of the daemon before does not count", () => {
    const run = inPhase("postCopy");
    run.callEnded(38);
    run.place(SHELL);
    run.nowMs += READ_SPACING_MS;
    run.migration = takenOver(run.migration, run.nowMs);
    expect(kinds(run.place(SHELL))).toEqual([]);
    run.nowMs += READ_SPACING_MS;
    expect(kinds(run.place(SHELL))).toEqual(["destroyShell"]);
  });

  it("reads before the call came back count for nothing", () => {
    const run = inPhase("postCopy");
    for (let n = 0; n < 5; n += 1) run.placeSurely(SHELL);
    expect(kinds(run.effects)).not.toContain("destroyShell");
  });
});

describe("lost in post-copy", () => {
  const lost: readonly Partial<Place>[] = [
    { source: "shell", destination: "absent" },
    { source: "shell", sourceJob: true, destination: "absent" },
    { source: "notActive", destination: "incoming" },
  ];

  it.each(lost)("only after two reads that agree: %j", (place) => {
    const run = inPhase("postCopy");
    run.callEnded(38);
    run.place(place);
    run.nowMs += READ_SPACING_MS;
    run.place({ source: "shell", destination: "silent" });
    run.place(place);
    expect(run.migration.outcome).toBeNull();
    run.nowMs += READ_SPACING_MS;
    run.place(place);
    expect(run.outcome()).toMatchObject({
      outcome: "failed",
      reason: "guestLost",
      where: "nowhere",
    });
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "down", why: "lostInPostCopy" });
  });

  it.each(lost)("never if libvirt said that it succeeded: %j", (place) => {
    const run = inPhase("postCopy");
    run.callEnded(null);
    for (let n = 0; n < 5; n += 1) run.placeSurely(place);
    expect(run.migration.outcome).toBeNull();
  });

  it.each(lost)("never if its event said that it left: %j", (place) => {
    const run = inPhase("postCopy");
    run.give({ kind: "stoppedByJob" });
    run.callEnded(38);
    for (let n = 0; n < 5; n += 1) run.placeSurely(place);
    expect(run.migration.outcome).toBeNull();
  });
});

describe("a shell, and the destination is silent", () => {
  const silent: readonly Partial<Place>[] = [
    { source: "shell", destination: "silent" },
    { source: "shell", destination: "notAsked" },
    { source: "shell", sourceJob: true, destination: "silent" },
  ];

  /** Asked for so long, every 10 s; its cycles see its job as it was. */
  function asked(run: Run, place: Partial<Place>, forMs: number, processedMiB = 2): Run {
    const endMs = run.nowMs + forMs;
    while (run.nowMs < endMs) {
      run.nowMs = Math.min(endMs, run.nowMs + 10_000);
      run.cycle(sample({ processedMiB }), { postCopyState: true });
      run.place(place);
    }
    return run;
  }

  function broken(): Run {
    const run = inPhase("postCopy");
    run.callEnded(38);
    return run;
  }

  const expectUnseen = (run: Run): void => {
    expect(run.outcome()).toMatchObject({ outcome: "failed", reason: "unknown", where: "unknown" });
    expect(run.events("vmStatus").map(({ status }) => status.kind)).not.toContain("down");
  };

  it.each(silent)("for ten minutes from the call's return: %j", (place) => {
    const run = asked(broken(), place, POSTCOPY_SILENT_MAX_MS - 1);
    expect(run.migration.outcome).toBeNull();
    expectUnseen(asked(run, place, 1));
  });

  it.each(silent)("from the takeover, also while its job is shown: %j", (place) => {
    const run = inPhase("postCopy");
    run.nowMs += POSTCOPY_SILENT_MAX_MS;
    run.migration = takenOver(run.migration, run.nowMs);
    asked(run, place, POSTCOPY_SILENT_MAX_MS - 1);
    expect(run.migration.outcome).toBeNull();
    expectUnseen(asked(run, place, 1));
  });

  it.each(silent)("from the last byte: %j", (place) => {
    const run = asked(broken(), place, 300_000);
    asked(run, place, 10_000, 3);
    asked(run, place, POSTCOPY_SILENT_MAX_MS - 1, 3);
    expect(run.migration.outcome).toBeNull();
    expectUnseen(asked(run, place, 1, 3));
  });

  it.each(["incoming", "active", "absent"] as const)("from its last word: %s", (destination) => {
    const run = asked(broken(), { source: "shell", destination: "silent" }, 300_000);
    run.place({ source: "shell", destination });
    asked(run, { source: "shell", destination: "silent" }, POSTCOPY_SILENT_MAX_MS - 1);
    expect(run.migration.outcome).toBeNull();
    expectUnseen(asked(run, { source: "shell", destination: "silent" }, 1));
  });

  it("a destination that receives is waited for as long as it takes", () => {
    const run = asked(broken(), { source: "shell", destination: "incoming" }, 7_200_000);
    expect(run.migration).toMatchObject({ phase: "postCopy", outcome: null });
  });

  it("the shell is gone: then a minute is enough", () => {
    const run = broken();
    run.nowMs += SETTLE_MAX_MS;
    run.place({ source: "notActive", destination: "silent" });
    expectUnseen(run);
  });
});
