/**
 * What waits begins and ends by what its VM is then, not by what it was at acceptance: however it is to
 * end, libvirt is asked first, and outcome, place and status follow from the answer.
 */
import { describe, expect, it } from "vitest";
import { downtimeBySteps } from "../../src/core/downtime.ts";
import { READ_SPACING_MS, SETTLE_MAX_MS } from "../../src/core/evidence.ts";
import type { Location } from "../../src/core/input.ts";
import { UNDECIDED_MAX_MS } from "../../src/core/location.ts";
import type { Evidence } from "../../src/core/migration.ts";
import { PAUSED_GUEST } from "../../src/core/post-copy-availability.ts";
import {
  type GuestStopped,
  RUN_STATES,
  type RunState,
  runStateRow,
} from "../../src/core/run-state.ts";
import { GIB_BYTES } from "../../src/core/units.ts";
import { lookAtWaiting } from "../../src/core/waiting.ts";
import { bringTo, FILE_REQUEST, inPhase, kinds, nextDaemon, refusal, Run } from "./fixtures.ts";

const PAUSED = { kind: "staysHere", runState: "suspended" };
const REFUSAL = refusal("other");
const ENDINGS: readonly [string, (run: Run) => unknown, string, string][] = [
  ["a cancel in the queue", (run) => run.give({ kind: "cancel" }), "cancelled", "cancelled"],
  [
    "a cancel while it prepares",
    (run) => {
      bringTo("preparing", run);
      run.give({ kind: "cancel" });
      run.give({ kind: "deferred", retryAtMs: 9_000, reason: "full" });
    },
    "cancelled",
    "cancelled",
  ],
  ["admission that took too long", (run) => run.give({ kind: "notAdmitted" }), "failed", "noSlot"],
  [
    "a start that is refused",
    (run) => run.give({ kind: "notBegun", refusal: REFUSAL }),
    "failed",
    "libvirt",
  ],
  [
    "a destination where nobody is",
    (run) => {
      bringTo("preparing", run);
      const silence = { cause: "nameUnknown", text: "no such name" } as const;
      run.give({ kind: "unanswered", silence, reachedBefore: false, retryAtMs: 9_000 });
    },
    "failed",
    "noDestination",
  ],
];

describe.each(ENDINGS)("ended by %s", (_name, end, outcome, reason) => {
  function ended(before: (run: Run) => unknown = () => null): Run {
    const run = new Run();
    before(run);
    end(run);
    expect(run.migration.phase).toBe("settling");
    expect(run.migration.pending).toEqual(["locateGuest"]);
    return run;
  }

  it.each(RUN_STATES.filter((state) => runStateRow(state).presence === "active"))(
    "%s, it is here, and its status is that",
    (runState) => {
      const run = ended();
      run.location({ source: "active", runState });
      expect(run.outcome()).toMatchObject({ outcome, reason, where: "source", durationMs: null });
      expect(run.events("vmStatus").map(({ status }) => status)).toEqual([
        { kind: "migrationSource" },
        { kind: "staysHere", runState },
      ]);
    },
  );

  it("switched off and on again meanwhile it is here and runs", () => {
    const run = ended((waits) => {
      waits.give({ kind: "guestStopped", how: "shutDown" });
      waits.give({ kind: "guestStarted" });
    });
    run.found();
    expect(run.outcome()).toMatchObject({ outcome, reason, where: "source" });
  });

  it.each<[GuestStopped, string]>([
    ["shutDown", "guestStopped"],
    ["destroyed", "guestStopped"],
    ["saved", "guestStopped"],
    ["crashed", "guestCrashed"],
    ["reverted", "guestStopped"],
    ["failed", "guestCrashed"],
    ["unseen", "guestCrashed"],
  ])("%s for good, with or without a definition: it is down", (how, why) => {
    for (const location of [{ endedHere: how }, {}] as const) {
      const run = ended((waits) => waits.give({ kind: "guestStopped", how }));
      run.location({ source: "notActive", ...location });
      expect(run.outcome()).toMatchObject({ outcome: "failed", reason: why, where: "nowhere" });
      expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "down", why: how });
    }
  });

  it("the event that says why may come after the look", () => {
    const run = ended();
    run.location({ source: "notActive" });
    expect(run.migration.end).toBeNull();
    run.give({ kind: "guestStopped", how: "destroyed" });
    run.location({ source: "notActive" });
    expect(run.outcome()).toMatchObject({ reason: "guestStopped", where: "nowhere" });
  });

  it("gone, and nothing says why: nothing is said of its status", () => {
    const run = ended();
    run.location({ source: "notActive", destination: "absent" });
    expect(run.migration.end).toBeNull();
    run.nowMs += READ_SPACING_MS;
    run.location({ source: "notActive", destination: "absent" });
    expect(run.outcome()).toMatchObject({ outcome: "failed", reason: "unknown", where: "unknown" });
    expect(run.events("vmStatus")).toHaveLength(1);
  });

  it.each<[string, Partial<Location>, Partial<Evidence>, string]>([
    ["its definition says so", { endedHere: "migrated" }, {}, "unknown"],
    ["the event said so", {}, { stoppedByJob: true }, "unknown"],
    ["it is where it was to go", { destination: "active" }, {}, "destination"],
    ["what is here is the paused copy", { source: "pausedCopy" }, {}, "unknown"],
  ])(
    "taken by somebody else's migration, %s: never down for good",
    (_how, location, state, where) => {
      const run = ended();
      const { evidence } = run.migration;
      run.migration = { ...run.migration, evidence: { ...evidence, ...state } };
      run.location({ source: "notActive", ...location });
      expect(run.outcome()).toMatchObject({ outcome: "failed", reason: "leftByOther", where });
      const [, ...told] = run.events("vmStatus").map(({ status }) => status);
      expect(told).toEqual(where === "unknown" ? [] : [{ kind: "down", why: "migrated" }]);
    },
  );

  it("somebody else migrates it right now: it is here, and it is leaving", () => {
    const run = ended();
    run.location({ source: "active", sourceJob: true, job: "migrationOut", runState: "running" });
    expect(run.outcome()).toMatchObject({ outcome, where: "source" });
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "migrationSource" });
  });

  it("libvirt works on it and does not answer for seconds: then it counts what it says", () => {
    const run = ended();
    for (const nowMs of [0, 3_000, 5_000]) {
      run.nowMs += nowMs;
      run.location({ source: "unknown" });
      expect(run.migration.end).toBeNull();
    }
    run.found("suspended");
    expect(run.outcome()).toMatchObject({ outcome, reason, where: "source" });
    expect(run.events("vmStatus").at(-1)?.status).toEqual({
      kind: "staysHere",
      runState: "suspended",
    });
  });

  it("gone after such a silence: what says why may be on its way", () => {
    const run = ended();
    run.location({ source: "unknown" });
    run.nowMs += 5_000;
    run.location({ source: "notActive" });
    expect(run.migration.end).toBeNull();
    run.give({ kind: "guestStopped", how: "crashed" });
    run.location({ source: "notActive" });
    expect(run.outcome()).toMatchObject({ reason: "guestCrashed", where: "nowhere" });
  });

  it("not here and silent by turns: not for ever", () => {
    const run = ended();
    for (let reads = 0; run.nowMs < SETTLE_MAX_MS; reads += 1) {
      run.location({ source: reads % 2 === 0 ? "unknown" : "notActive" });
      expect(run.migration.end).toBeNull();
      run.nowMs += READ_SPACING_MS;
    }
    run.location({ source: "notActive" });
    expect(run.outcome()).toMatchObject({ where: "unknown" });
  });

  function silent(): Run {
    const run = ended();
    run.nowMs += SETTLE_MAX_MS;
    run.location({ source: "unknown" });
    expect(run.outcome()).toMatchObject({ outcome, reason, where: "unknown" });
    expect(run.outcome().message).not.toContain("stays here");
    expect(run.events("vmStatus")).toHaveLength(1);
    return run;
  }

  it.each<[string, Partial<Location>, string, object]>([
    ["it is here", { source: "active", runState: "suspended" }, "source", PAUSED],
    [
      "somebody migrates it",
      { source: "active", runState: "running", sourceJob: true, job: "migrationOut" },
      "source",
      { kind: "migrationSource" },
    ],
    ["it is off", { endedHere: "destroyed" }, "nowhere", { kind: "down", why: "destroyed" }],
  ])(
    "silent to the end, and later %s: told once, how it ended stays",
    (_n, location, where, status) => {
      const run = silent();
      run.location({ source: "unknown" });
      expect(run.events("vmStatus")).toHaveLength(1);
      for (const _ of [1, 2]) run.location(location);
      expect(run.events("vmStatus").map((event) => event.status)).toEqual([
        { kind: "migrationSource" },
        status,
      ]);
      expect(run.events("ended")).toHaveLength(1);
      expect(run.migration.end?.outcome).toMatchObject({ outcome, reason, where });
    },
  );

  it.each<[string, Partial<Location>]>([
    ["on its way out", { source: "switching", runState: "switching" }],
    ["taken by somebody else's migration", { endedHere: "migrated" }],
    ["gone without a word", { destination: "absent" }],
  ])("silent to the end, and later %s: nothing is said of it", (_name, location) => {
    const run = silent();
    for (const _ of [1, 2]) run.location(location);
    expect(run.events("vmStatus")).toHaveLength(1);
    expect(run.migration.end?.outcome).toMatchObject({ outcome, reason, where: "unknown" });
  });

  it.each(["cameBack", "destroyed"] as const)("silent to the end, and %s: that counts", (why) => {
    const run = silent();
    run.give({ kind: "departureOver", why });
    run.found();
    expect(run.events("vmStatus")).toHaveLength(1);
  });

  it("being taken apart: asked again, and not for ever", () => {
    const run = ended();
    run.location({ source: "ending", runState: "shuttingDown" });
    expect(run.migration.end).toBeNull();
    run.nowMs += SETTLE_MAX_MS;
    run.location({ source: "ending", runState: "shuttingDown" });
    expect(run.outcome()).toMatchObject({ outcome, where: "source" });
  });

  it("what comes late of its preparing changes nothing", () => {
    const run = ended();
    const { migration } = run;
    run.give({ kind: "reserved" });
    run.give({ kind: "deferred", retryAtMs: 9_000, reason: "full" });
    const destination = { kind: "unknown", silentQueries: 0 } as const;
    run.give({ kind: "prepared", sourceMigrations: 1, destination, runState: "running" });
    run.give({ kind: "notBegun", refusal: REFUSAL });
    expect(run.migration).toEqual(migration);
  });

  it("the daemon is killed meanwhile: it waits again, unless it was cancelled", () => {
    const run = ended();
    const { stop } = run.migration;
    expect(nextDaemon(run.migration, "daemonDown", 0)).toMatchObject({
      ...(stop === null ? { phase: "queued" } : { phase: "settling", pending: ["locateGuest"] }),
      admission: { ending: stop === null ? null : { why: { kind: "stopped" } } },
      stop,
    });
    expect(nextDaemon(run.migration, "hostDown", 0)).toMatchObject({
      phase: "settling",
      admission: { ending: null },
    });
  });
});

it("each look of its cycles asks again until it has ended", () => {
  const run = inPhase("queued");
  run.give({ kind: "cancel" });
  run.location({ source: "notActive" });
  expect(kinds(run.cycle(null, { timer: false }))).toEqual(["locateGuest"]);
});

it("the downtime that is found too late is put back", () => {
  const run = bringTo("preparing", new Run());
  const { downtime } = run.migration;
  if (downtime === null) throw new Error("no downtime");
  run.migration = { ...run.migration, downtime: { ...downtime, foundMs: null } };
  run.give({ kind: "notAdmitted" });
  run.give({ kind: "downtimeFound", foundMs: 700 });
  expect(run.found()).toContainEqual({ kind: "putBackDowntime", maxDowntimeMs: 700 });
});

it("a save that never began leaves no file, wherever its guest is", () => {
  const run = inPhase("queued", FILE_REQUEST);
  expect(run.events("vmStatus").map(({ status }) => status.kind)).toEqual(["savingState"]);
  run.give({ kind: "notBegun", refusal: REFUSAL });
  expect(kinds(run.location({ source: "notActive", endedHere: "destroyed" }))).toEqual([
    "removeImage",
  ]);
});

it("one that waited when the host was restarted is asked for until the destination says", () => {
  const run = inPhase("queued");
  expect(kinds(run.restore("hostDown"))).toEqual(["locateGuest"]);
  run.location({ source: "unknown", destination: "silent" });
  expect(kinds(run.cycle(null))).toEqual(["locateGuest"]);
  run.nowMs += UNDECIDED_MAX_MS;
  run.location({ source: "unknown", destination: "silent" });
  expect(run.outcome()).toMatchObject({ reason: "unknown", where: "unknown" });
});

describe("suspended or resumed while it waits", () => {
  const seen = (run: Run, runState: RunState): unknown =>
    run.give({ kind: "seen", runState, vmName: "renamed", memoryBytes: 7 });
  const PAUSED = { possible: false, unavailableReason: PAUSED_GUEST };

  it("post-copy is possible, not, and possible again", () => {
    const run = inPhase("queued");
    seen(run, "suspended");
    expect(run.migration).toMatchObject({
      evidence: { runState: "suspended" },
      facts: { vmName: "renamed", memoryBytes: 7 },
    });
    expect(run.migration.postCopy).toMatchObject(PAUSED);
    expect(run.change({ migrationTechnique: "post-copy" })).toBe("impossible");
    run.cycle(null, { runState: "running" });
    expect(run.migration.postCopy).toMatchObject({ possible: true, unavailableReason: null });
    expect(run.change({ migrationTechnique: "post-copy" })).toBe("changed");
    seen(run, "asleep");
    expect(run.migration.postCopy).toMatchObject(PAUSED);
  });

  it.each<[string, RunState, RunState, boolean]>([
    ["accepted suspended, begun running", "suspended", "running", true],
    ["accepted running, begun suspended", "running", "suspended", false],
  ])("%s: the call's flag is by what it is then", (_name, before, then, postcopy) => {
    const possible = before === "running";
    const run = new Run({
      runState: before,
      postCopy: { possible, unavailableReason: possible ? null : PAUSED_GUEST },
    });
    run.give({ kind: "admitted" });
    seen(run, then);
    const destination = { kind: "unknown", silentQueries: 0 } as const;
    run.give({ kind: "prepared", sourceMigrations: 1, destination, runState: then });
    expect(run.effects.find(({ kind }) => kind === "call")).toMatchObject({ postcopy });
    expect(run.migration.postCopy.possible).toBe(postcopy);
  });

  it("with more memory its own downtime steps are further apart", () => {
    const run = new Run({ downtime: downtimeBySteps(500, 5, 100, GIB_BYTES) });
    expect(run.migration.downtime?.stepWaitMs).toBe(20_000);
    const vm = { runState: "running", vmName: "guest", memoryBytes: 2 * GIB_BYTES } as const;
    run.give({ kind: "seen", ...vm, stepWaitMs: 40_000 });
    expect(run.migration.downtime?.stepWaitMs).toBe(40_000);
  });

  it("another reason stays, whatever the guest does", () => {
    const run = new Run({ postCopy: { possible: false, unavailableReason: "parallel" } });
    seen(run, "suspended");
    seen(run, "running");
    expect(run.migration.postCopy).toMatchObject({
      possible: false,
      unavailableReason: "parallel",
    });
  });

  it("switched off it says nothing of post-copy", () => {
    const run = inPhase("queued");
    seen(run, "offShutDown");
    expect(run.migration.postCopy.possible).toBe(true);
  });
});

it.each([
  [true, false, false, "known"],
  [false, true, true, "known"],
  [false, false, false, "ended"],
  [true, true, false, "maybeStarted"],
  [true, true, true, "started"],
] as const)("waits, here %s, had ended %s, was here %s: %s", (isHere, hadEnded, wasHere, look) => {
  expect(lookAtWaiting(isHere, hadEnded, wasHere)).toBe(look);
});
