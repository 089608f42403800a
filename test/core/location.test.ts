/**
 * What follows from where the guest was read: only two reads that lie apart are two; a destination that
 * it has left again; a guest paused for a switchover whose job is over; a host that was restarted.
 * Who is lost and who only was not seen. The words: outcome.test.ts, outcome-unwatched.test.ts.
 */
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/core/event.ts";
import { READ_SPACING_MS, SETTLE_MAX_MS } from "../../src/core/evidence.ts";
import type { Location } from "../../src/core/input.ts";
import { UNDECIDED_MAX_MS } from "../../src/core/location.ts";
import type { Unwatched } from "../../src/core/migration.ts";
import type { GuestStopped } from "../../src/core/run-state.ts";
import { inPhase, sample, type Run } from "./fixtures.ts";

type End = readonly [Outcome["reason"], Outcome["where"], boolean];
const ARRIVED: End = ["arrived", "destination", true];
const NOT_KNOWN: End = ["unknown", "unknown", false];
const LOST: End = ["guestLost", "nowhere", true];
const STOPPED: End = ["guestStopped", "nowhere", true];
const CRASHED: End = ["guestCrashed", "nowhere", true];
const STAYED: End = ["libvirt", "source", true];
const RESTARTED: End = ["hostRestarted", "unknown", true];
const STARTED_ANEW: End = ["hostRestarted", "destination", true];

const THERE: Partial<Location> = { destination: "active" };
const ABSENT: Partial<Location> = { destination: "absent" };
const SILENT: Partial<Location> = { destination: "silent" };
const LEFT: Partial<Location> = { destination: "left" };

/** How it ended, in short; null: it has not. */
function end(run: Run): End | null {
  const outcome = run.migration.end?.outcome;
  return outcome === undefined ? null : [outcome.reason, outcome.where, outcome.confirmed];
}

function broken(phase: "running" | "postCopy" = "running"): Run {
  const run = inPhase(phase);
  run.callEnded("other");
  return run;
}

function unwatched(by: Unwatched): Run {
  const run = inPhase("running");
  run.nowMs += 1_000;
  if (by === "daemonDown") run.restore("daemonDown");
  if (by === "hostDown") run.restore("hostDown");
  if (by === "foreign") run.adopt(sample());
  return run;
}

describe("two reads are two only a second apart", () => {
  const PAIRS: readonly [string, Partial<Location>, End][] = [
    ["there", THERE, ARRIVED],
    ["there, the source silent", { source: "unknown", destination: "active" }, ARRIVED],
    ["on neither host", ABSENT, LOST],
    ["paused for the switchover, there", { source: "switching", ...THERE }, ARRIVED],
    ["paused for the switchover, not there", { source: "switching", ...ABSENT }, STAYED],
  ];

  it.each(PAIRS)("%s", (_name, location, expected) => {
    const run = broken();
    run.location(location);
    for (const ms of [0, READ_SPACING_MS - 1]) {
      run.nowMs += ms;
      run.location(location);
      expect(end(run)).toBeNull();
    }
    run.nowMs += 1;
    run.location(location);
    expect(end(run)).toEqual(expected);
  });

  it.each(PAIRS)("many reads within a second are one: %s", (_name, location) => {
    const run = broken();
    for (let n = 0; n < 100; n += 1) {
      run.nowMs += 9;
      run.location(location);
    }
    expect(end(run)).toBeNull();
  });

  it.each(PAIRS)(
    "one that says otherwise between them begins anew: %s",
    (_name, location, expected) => {
      const run = broken();
      run.location(location);
      run.nowMs += READ_SPACING_MS;
      run.location({ destination: "incoming" });
      run.nowMs += READ_SPACING_MS;
      run.location(location);
      expect(end(run)).toBeNull();
      run.nowMs += READ_SPACING_MS;
      run.location(location);
      expect(end(run)).toEqual(expected);
    },
  );

  it("the first of another kind counts at once, the second a second after it", () => {
    const run = broken();
    run.location(ABSENT);
    run.nowMs += 1;
    run.location(THERE);
    run.nowMs += READ_SPACING_MS - 1;
    run.location(THERE);
    expect(end(run)).toBeNull();
    run.nowMs += 1;
    run.location(THERE);
    expect(end(run)).toEqual(ARRIVED);
  });

  it("a read of the daemon before does not count", () => {
    const run = broken();
    run.location(THERE);
    run.nowMs += READ_SPACING_MS;
    run.restore("daemonDown");
    run.location(THERE);
    expect(end(run)).toBeNull();
    run.nowMs += READ_SPACING_MS;
    run.location(THERE);
    expect(end(run)).toEqual(ARRIVED);
  });

  it.each<[string, (run: Run) => void]>([
    ["libvirt said success", (run) => run.callEnded(null)],
    ["libvirt's event says that it left", leftByEvent],
  ])("one is enough where %s", (_name, leaves) => {
    const run = inPhase("running");
    leaves(run);
    run.location(THERE);
    expect(end(run)).toEqual(ARRIVED);
  });
});

function leftByEvent(run: Run): void {
  run.give({ kind: "stoppedByJob" });
  run.callEnded("other");
}

describe("a late confirmation", () => {
  function unconfirmed(): Run {
    const run = broken();
    run.nowMs += SETTLE_MAX_MS;
    run.location(SILENT);
    expect(end(run)).toEqual(NOT_KNOWN);
    return run;
  }

  it("needs two reads as well, a second apart", () => {
    const run = unconfirmed();
    for (const ms of [5_000, READ_SPACING_MS - 1]) {
      run.nowMs += ms;
      run.location(THERE);
      expect(end(run)).toEqual(NOT_KNOWN);
    }
    run.nowMs += 1;
    run.location(THERE);
    expect(end(run)).toEqual(ARRIVED);
  });

  it("silence between the two: as before", () => {
    const run = unconfirmed();
    for (const location of [THERE, SILENT, THERE]) {
      run.nowMs += 5_000;
      run.location(location);
    }
    expect(end(run)).toEqual(NOT_KNOWN);
  });

  it("one is enough where it has left again", () => {
    const run = unconfirmed();
    run.location(LEFT);
    expect(end(run)).toEqual(ARRIVED);
  });

  it("also in the next boot, whose times begin anew", () => {
    const run = unconfirmed();
    run.location(THERE);
    run.nowMs = 50;
    run.restore("hostDown");
    run.location(THERE);
    expect(end(run)).toEqual(NOT_KNOWN);
    run.nowMs += READ_SPACING_MS;
    run.location(THERE);
    expect(end(run)).toEqual(ARRIVED);
  });
});

describe("it had arrived there, and has gone on", () => {
  it.each<[string, () => Run, Partial<Location>, End | null]>([
    ["watched", broken, LEFT, ARRIVED],
    ["in post-copy", () => broken("postCopy"), LEFT, ARRIVED],
    ["the daemon was down", () => unwatched("daemonDown"), LEFT, ARRIVED],
    ["paused for the switchover", broken, { source: "switching", ...LEFT }, ARRIVED],
    ["the host was down", () => unwatched("hostDown"), LEFT, STARTED_ANEW],
    // It may be on its way back: where it is active decides.
    ["it runs here", broken, { source: "active", ...LEFT }, STAYED],
    ["libvirt here is silent", broken, { source: "unknown", ...LEFT }, null],
    ["still to be switched", broken, { source: "switching", sourceJob: true, ...LEFT }, null],
  ])("one read; %s", (_name, make, location, expected) => {
    const run = make();
    run.location(location);
    expect(end(run)).toEqual(expected);
  });
});

describe("paused for the switchover, and its job is over", () => {
  const SWITCHING = { source: "switching" } as const;

  it.each<[Location["destination"], End | null, End | null]>([
    ["active", null, ARRIVED],
    ["left", ARRIVED, ARRIVED],
    ["absent", null, STAYED],
    ["incoming", null, null],
    ["silent", null, null],
    ["notAsked", null, null],
  ])("%s: after one read, after two", (destination, one, two) => {
    const run = broken();
    run.location({ ...SWITCHING, destination });
    expect(end(run)).toEqual(one);
    if (one !== null) return;
    run.nowMs += READ_SPACING_MS;
    run.location({ ...SWITCHING, destination });
    expect(end(run)).toEqual(two);
  });

  it.each(["silent", "notAsked"] as const)("%s: asked for a minute, then not known", (where) => {
    const run = broken();
    run.nowMs += SETTLE_MAX_MS - 1;
    run.location({ ...SWITCHING, destination: where });
    expect(end(run)).toBeNull();
    run.nowMs += 1;
    run.location({ ...SWITCHING, destination: where });
    expect(end(run)).toEqual(NOT_KNOWN);
    expect(run.events("vmStatus").map(({ status }) => status.kind)).toEqual(["migrationSource"]);
  });

  it("incoming there: asked for ten minutes, then not known", () => {
    const run = broken();
    run.nowMs += 100 * SETTLE_MAX_MS;
    run.locateSurely({ ...SWITCHING, destination: "incoming" });
    expect(end(run)).toBeNull();
    run.nowMs += UNDECIDED_MAX_MS;
    run.location({ ...SWITCHING, destination: "incoming" });
    expect(end(run)).toEqual(NOT_KNOWN);
  });

  it.each(["active", "left", "absent", "silent", "notAsked"] as const)(
    "its job goes on: %s there is no end",
    (destination) => {
      const run = broken();
      run.nowMs += 100 * SETTLE_MAX_MS;
      run.locateSurely({ ...SWITCHING, sourceJob: true, destination });
      expect(end(run)).toBeNull();
    },
  );

  it("stayed, and a cancel was decided before: cancelled", () => {
    const run = inPhase("running");
    run.give({ kind: "cancel" });
    run.callEnded("aborted");
    run.locateSurely({ ...SWITCHING, ...ABSENT });
    expect(run.outcome()).toMatchObject({ outcome: "cancelled", where: "source" });
  });
});

describe("on neither host", () => {
  it.each<[Unwatched, GuestStopped | null, boolean, End]>([
    ["daemonDown", null, false, NOT_KNOWN],
    ["foreign", null, false, NOT_KNOWN],
    ["hostDown", null, false, RESTARTED],
    ["daemonDown", "shutDown", false, STOPPED],
    ["foreign", "destroyed", false, STOPPED],
    ["daemonDown", "crashed", false, CRASHED],
    ["daemonDown", null, true, LOST],
    ["foreign", null, true, LOST],
    ["hostDown", null, true, LOST],
  ])("%s, stopped: %s, post-copy: %s", (by, how, postCopy, expected) => {
    const run = unwatched(by);
    if (how !== null) run.give({ kind: "guestStopped", how });
    if (postCopy) {
      run.migration = { ...run.migration, postCopy: { ...run.migration.postCopy, begun: true } };
    }
    run.locateSurely(ABSENT);
    expect(end(run)).toEqual(expected);
    const told = run.events("vmStatus").some(({ status }) => status.kind === "down");
    expect(told).toBe(expected[1] === "nowhere");
  });
});

describe("the host was restarted, and it is active there", () => {
  const record = sample({ type: "completed", downtimeMs: 80, downtimeNetMs: 66 });

  it.each<[string, "queued" | "preparing" | "running", boolean, End]>([
    ["with the record of its arrival", "running", true, ARRIVED],
    ["without one: it may have been started anew", "running", false, STARTED_ANEW],
    ["it was never called: with somebody else's record", "preparing", true, STARTED_ANEW],
    ["it was never called", "queued", false, STARTED_ANEW],
  ])("%s", (_name, phase, known, expected) => {
    const run = inPhase(phase);
    run.restore("hostDown");
    run.locateSurely(THERE, known ? record : null);
    expect(end(run)).toEqual(expected);
    if (expected === STARTED_ANEW) expect(run.outcome().message).toContain("started anew");
  });

  it("the record that libvirt gave before the restart is one as well", () => {
    const run = inPhase("running");
    run.give({ kind: "jobCompleted", stats: { ...record, operation: "migrationOut" } });
    run.restore("hostDown");
    run.locateSurely(THERE);
    expect(end(run)).toEqual(ARRIVED);
  });
});

describe("libvirt said that the guest ended here, and nobody there answers", () => {
  it.each<[GuestStopped, Location["destination"], End]>([
    ["shutDown", "silent", STOPPED],
    ["destroyed", "silent", STOPPED],
    ["destroyed", "notAsked", STOPPED],
    ["crashed", "silent", CRASHED],
  ])("%s in pre-copy, %s: lost at once", (how, destination, expected) => {
    const run = inPhase("running");
    run.give({ kind: "guestStopped", how });
    run.callEnded("other");
    run.location({ destination });
    expect(end(run)).toEqual(expected);
  });

  it("in post-copy it runs over there: asked for a minute", () => {
    const run = inPhase("postCopy");
    run.give({ kind: "guestStopped", how: "destroyed" });
    run.callEnded("other");
    run.location(SILENT);
    expect(end(run)).toBeNull();
    run.nowMs += SETTLE_MAX_MS;
    run.location(SILENT);
    expect(end(run)).toEqual(NOT_KNOWN);
  });

  it("libvirtd was not there when it went: asked for a minute, it may have gone over", () => {
    const run = inPhase("running");
    run.callEnded("other");
    run.location({ ...SILENT, endedHere: "unseen" });
    expect(end(run)).toBeNull();
    run.nowMs += SETTLE_MAX_MS;
    run.location({ ...SILENT, endedHere: "unseen" });
    expect(end(run)).toEqual(NOT_KNOWN);
  });

  it("nobody said so: asked for a minute", () => {
    const run = broken();
    run.location(SILENT);
    expect(end(run)).toBeNull();
  });
});
