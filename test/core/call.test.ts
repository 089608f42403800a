/**
 * A call that returns is not the end. The connection of a migrate or save call can break while libvirt
 * continues the job: such a migration is watched, limited and steered as before, and the only copy of a
 * saved guest is never removed because a connection was lost.
 */
import { describe, expect, it } from "vitest";
import { inPhase, kinds, sample } from "./fixtures.ts";

const BROKEN = "other";
const STILL_HERE = { source: "active", sourceJob: true } as const;

describe("a migrate call whose connection broke while the job goes on", () => {
  it("is watched as before, asked for its place each cycle, and ends by it", () => {
    const run = inPhase("running");
    run.callEnded(BROKEN);
    run.locateSurely(STILL_HERE);
    expect(run.migration.phase).toBe("running");

    const effects = run.cycle(sample({ processedMiB: 2 }));
    expect(kinds(effects)).toContain("locateGuest");
    expect(run.events("migrationStatus").length).toBeGreaterThan(0);

    run.locateSurely({ destination: "active" });
    expect(run.outcome()).toMatchObject({ outcome: "completed", where: "destination" });
  });

  it("can be cancelled", () => {
    const run = inPhase("running");
    run.callEnded(BROKEN);
    run.locateSurely(STILL_HERE);
    expect(kinds(run.give({ kind: "cancel" }))).toEqual(["abort"]);
  });

  it("is aborted by the hard limit", () => {
    const run = inPhase("running");
    run.callEnded(BROKEN);
    run.locateSurely(STILL_HERE);
    run.nowMs += run.migration.limits.progressTimeoutMs;
    expect(kinds(run.cycle(sample({ processedMiB: 1 })))).toContain("abort");
  });

  it("in post-copy: a destination that still receives is waited for, and its silence is told", () => {
    const run = inPhase("postCopy");
    run.callEnded(BROKEN);
    run.location({ destination: "incoming" });
    expect(run.migration.phase).toBe("postCopy");
    run.nowMs += run.migration.limits.progressTimeoutMs;
    run.cycle(sample({ processedMiB: 2 }), { runState: "postCopy" });
    expect(run.events("stalling").at(-1)?.stalling.reason).toBe("postcopyStalled");
  });
});

describe("a save whose connection broke", () => {
  const saving = () => inPhase("running", { mode: "file", downtime: null });

  it("the job's own record says that it is saved", () => {
    const run = saving();
    run.give({ kind: "jobCompleted", stats: sample({ operation: "save", type: "completed" }) });
    run.callEnded(BROKEN);
    run.locateSurely({});
    expect(run.outcome()).toMatchObject({ outcome: "completed", where: "image" });
  });

  it("libvirt's event says that it is saved", () => {
    const run = saving();
    run.give({ kind: "stoppedByJob" });
    run.callEnded(BROKEN);
    run.locateSurely({});
    expect(run.outcome()).toMatchObject({ outcome: "completed", where: "image" });
  });

  it("nobody says so: the image is kept, and the outcome names it", () => {
    const run = saving();
    run.callEnded(BROKEN);
    const effects = run.locateSurely({});
    expect(kinds(effects)).not.toContain("removeImage");
    expect(run.outcome()).toMatchObject({ outcome: "failed", where: "unknown" });
    expect(run.outcome().message).toContain(run.migration.facts.destination);
  });

  it("the guest is still here: what was made is removed", () => {
    const run = saving();
    run.callEnded(BROKEN);
    expect(kinds(run.locateSurely({ source: "active" }))).toContain("removeImage");
  });
});

it("the record of another job, such as a backup's, is not the migration's", () => {
  const run = inPhase("running");
  run.give({ kind: "jobCompleted", stats: sample({ operation: "backup", type: "completed" }) });
  expect(run.migration.evidence.record).toBeNull();
});

it("no connection at the call says nothing about post-copy: it is not tried again without", () => {
  const run = inPhase("starting");
  expect(kinds(run.callEnded("other"))).toEqual(["locateGuest"]);
  expect(run.migration.postCopy.possible).toBe(true);
});
