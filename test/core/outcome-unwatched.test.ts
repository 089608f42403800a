/**
 * How a migration ends whose end nobody watched: the daemon was down, the host was, or it is a foreign
 * one. Its location decides as always; where the reason is unknown, the outcome says so.
 */
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/core/event.ts";
import { SETTLE_MAX_MS } from "../../src/core/evidence.ts";
import type { Location } from "../../src/core/input.ts";
import { TAKEN_OVER_GRACE_MS } from "../../src/core/location.ts";
import type { Unwatched } from "../../src/core/migration.ts";
import type { NewMigration } from "../../src/core/new-migration.ts";
import { FILE_REQUEST, inPhase, kinds, Run, sample } from "./fixtures.ts";

type From = "starting" | "running" | "postCopy" | "settling";

function unwatched(by: Unwatched, from: From, fields: Partial<NewMigration> = {}): Run {
  const run = by === "foreign" ? new Run(fields) : inPhase(from, fields);
  run.nowMs += 1_000;
  if (by === "daemonDown") run.restore("daemonDown");
  if (by === "hostDown") run.restore("hostDown");
  if (by === "foreign") {
    run.adopt(sample());
    if (from !== "starting") run.cycle(sample({ processedMiB: 2 }));
    if (from === "postCopy") run.cycle(sample({ processedMiB: 3 }), { runState: "postCopy" });
  }
  run.effects.length = 0;
  return run;
}

const HERE: Partial<Location> = { source: "active" };
const WITH_JOB: Partial<Location> = { source: "active", sourceJob: true };
const THERE: Partial<Location> = { destination: "active" };
const ABSENT: Partial<Location> = { destination: "absent" };
const SILENT: Partial<Location> = { destination: "silent" };
const PAUSED_COPY: Partial<Location> = { source: "pausedCopy", destination: "silent" };

type End = readonly [Outcome["outcome"], Outcome["reason"], Outcome["where"]];
const FAILED_UNKNOWN: End = ["failed", "unknown", "source"];
const RESTARTED: End = ["failed", "hostRestarted", "source"];
const ARRIVED: End = ["completed", "arrived", "destination"];
const LOST: End = ["failed", "guestLost", "nowhere"];
const NOT_KNOWN: End = ["failed", "unknown", "unknown"];
const GONE_WITH_HOST: End = ["failed", "hostRestarted", "unknown"];
const STARTED_ANEW: End = ["failed", "hostRestarted", "destination"];

describe("location x why nobody watched", () => {
  it.each<[string, Unwatched, From, Partial<Location>, End | null]>([
    ["here without a job", "daemonDown", "running", HERE, FAILED_UNKNOWN],
    ["here without a job", "daemonDown", "postCopy", HERE, FAILED_UNKNOWN],
    ["here without a job", "hostDown", "starting", HERE, RESTARTED],
    ["here without a job", "hostDown", "running", HERE, RESTARTED],
    ["here without a job", "foreign", "starting", HERE, FAILED_UNKNOWN],
    ["here without a job", "foreign", "running", HERE, FAILED_UNKNOWN],
    ["here with its job", "daemonDown", "starting", WITH_JOB, null],
    ["here with its job", "daemonDown", "running", WITH_JOB, null],
    ["here with its job", "foreign", "running", WITH_JOB, null],
    ["there", "daemonDown", "starting", THERE, ARRIVED],
    ["there", "daemonDown", "running", THERE, ARRIVED],
    ["there", "daemonDown", "postCopy", THERE, ARRIVED],
    ["there", "hostDown", "starting", THERE, STARTED_ANEW],
    ["there", "hostDown", "running", THERE, STARTED_ANEW],
    ["there, not asked here", "daemonDown", "running", { source: "unknown", ...THERE }, ARRIVED],
    ["nowhere", "daemonDown", "starting", ABSENT, NOT_KNOWN],
    ["nowhere", "daemonDown", "running", ABSENT, NOT_KNOWN],
    ["nowhere", "daemonDown", "postCopy", ABSENT, LOST],
    ["nowhere", "foreign", "running", ABSENT, NOT_KNOWN],
    ["nowhere", "foreign", "postCopy", ABSENT, LOST],
    ["nowhere", "hostDown", "starting", ABSENT, GONE_WITH_HOST],
    ["nowhere", "hostDown", "running", ABSENT, GONE_WITH_HOST],
    ["nowhere", "hostDown", "postCopy", ABSENT, LOST],
    ["gone, still incoming there", "daemonDown", "running", { destination: "incoming" }, null],
    ["gone, nobody says where to", "daemonDown", "running", SILENT, null],
    ["gone, nobody says where to", "hostDown", "running", SILENT, null],
    ["gone, nobody to ask", "foreign", "running", { destination: "notAsked" }, null],
    ["a paused copy", "daemonDown", "postCopy", PAUSED_COPY, null],
    ["a paused copy", "foreign", "postCopy", PAUSED_COPY, null],
    ["not known", "daemonDown", "running", { source: "unknown" }, null],
  ])("%s; %s in %s", (_name, by, from, location, end) => {
    const run = unwatched(by, from);
    run.locateSurely(location);
    if (end === null) {
      expect(run.migration.end).toBeNull();
      return;
    }
    const [outcome, reason, where] = end;
    const confirmed = end !== NOT_KNOWN;
    expect(run.outcome()).toMatchObject({ outcome, reason, where, confirmed });
  });

  it.each<[string, Unwatched, string]>([
    ["the daemon", "daemonDown", "while the daemon was down"],
    ["the host", "hostDown", "restart of this host"],
    ["its starter", "foreign", "somebody else"],
  ])("the words name %s", (_name, by, words) => {
    const run = unwatched(by, "running");
    run.locateSurely(HERE);
    expect(run.outcome().message).toContain(words);
    expect(run.outcome().code).toBe(12);
  });

  it("a call that had come back before is known as ever", () => {
    const run = inPhase("running");
    run.callEnded("other");
    run.restore("daemonDown", 1_000);
    run.locateSurely(HERE);
    expect(run.outcome()).toMatchObject({
      reason: "libvirt",
      message: expect.stringContaining("38"),
    });
  });

  it("a call that succeeded before is believed, though nobody there answers", () => {
    const run = inPhase("settling");
    run.restore("daemonDown", 1_000);
    run.locateSurely(SILENT);
    expect(run.outcome()).toMatchObject({ outcome: "completed", confirmed: false });
  });

  it.each(["shutDown", "destroyed", "crashed"] as const)(
    "the guest %s after the takeover",
    (how) => {
      const run = unwatched("daemonDown", "running");
      run.give({ kind: "guestStopped", how });
      run.locateSurely(ABSENT);
      expect(run.outcome().reason).toBe(how === "crashed" ? "guestCrashed" : "guestStopped");
    },
  );
});

describe("a call of just before the daemon was killed may show its job later", () => {
  it.each<[string, Unwatched, From, number, boolean]>([
    ["at once", "daemonDown", "starting", 0, false],
    ["just before the end of the grace", "daemonDown", "starting", TAKEN_OVER_GRACE_MS - 1, false],
    ["at the end of the grace", "daemonDown", "starting", TAKEN_OVER_GRACE_MS, true],
    ["it had sent data before", "daemonDown", "running", 0, true],
    ["the host was restarted", "hostDown", "starting", 0, true],
    ["somebody else's was seen", "foreign", "starting", 0, true],
  ])("%s: %s in %s", (_name, by, from, ms, ended) => {
    const run = unwatched(by, from);
    run.nowMs += ms;
    run.location(HERE);
    expect(run.migration.end !== null).toBe(ended);
  });

  it("it does: the migration goes on", () => {
    const run = unwatched("daemonDown", "starting");
    run.locateSurely(HERE);
    run.nowMs += 3_000;
    run.locateSurely(WITH_JOB);
    run.cycle(sample());
    expect(run.migration.phase).toBe("running");
  });

  it("it does not, and a cancel was decided before: cancelled", () => {
    const run = inPhase("starting");
    run.give({ kind: "cancel" });
    run.restore("daemonDown");
    run.nowMs += TAKEN_OVER_GRACE_MS;
    run.locateSurely(HERE);
    expect(run.outcome()).toMatchObject({ outcome: "cancelled", reason: "cancelled" });
  });
});

describe("gone, and nobody says where to", () => {
  it.each<[Unwatched, Partial<Location>]>([
    ["daemonDown", SILENT],
    ["hostDown", SILENT],
    ["foreign", { destination: "notAsked" }],
  ])("%s: asked for a minute, then not known", (by, location) => {
    const run = unwatched(by, "running");
    run.nowMs += SETTLE_MAX_MS - 1;
    run.location(location);
    expect(run.migration.end).toBeNull();
    run.nowMs += 1;
    run.location(location);
    expect(run.outcome()).toMatchObject({
      outcome: "failed",
      reason: "unknown",
      where: "unknown",
      confirmed: false,
    });
    expect(run.events("vmStatus")).toEqual([]);
  });

  it.each<Unwatched>(["daemonDown", "foreign"])("%s: libvirt's event says that it left", (by) => {
    const run = unwatched(by, "running");
    run.give({ kind: "stoppedByJob" });
    run.locateSurely({ destination: by === "foreign" ? "notAsked" : "silent" });
    expect(run.outcome()).toMatchObject({ outcome: "completed", confirmed: false });
  });

  it("found later: confirmed, with the destination's downtime", () => {
    const run = unwatched("daemonDown", "running");
    run.nowMs += SETTLE_MAX_MS;
    run.locateSurely(SILENT);
    run.locateSurely(THERE, sample({ type: "completed", downtimeMs: 80, downtimeNetMs: 66 }));
    expect(run.migration.end?.outcome).toMatchObject({
      outcome: "completed",
      reason: "arrived",
      confirmed: true,
      downtimeMs: 66,
    });
  });
});

describe("the figures", () => {
  const record = sample({ type: "completed", downtimeMs: 80, downtimeNetMs: 66, processedMiB: 9 });

  it.each<[Unwatched, From, number | null, number]>([
    ["daemonDown", "running", 2_000, 66],
    ["daemonDown", "postCopy", 2_000, 80],
    ["hostDown", "running", null, 66],
  ])("%s in %s: durations of two boots are none", (by, from, durationMs, downtimeMs) => {
    const run = unwatched(by, from);
    run.locateSurely(THERE, record);
    expect(run.outcome()).toMatchObject({
      durationMs,
      downtimeMs,
      dataProcessedBytes: record.dataProcessedBytes,
      passes: 1,
    });
  });

  it.each<[Unwatched, readonly string[]]>([
    ["daemonDown", ["putBackDowntime"]],
    // libvirt's value went with the domain of before.
    ["hostDown", []],
    // Nothing was set.
    ["foreign", []],
  ])("%s: what is put back of a guest that stays", (by, effects) => {
    expect(kinds(unwatched(by, "running").location(HERE))).toEqual(effects);
  });
});

describe("a save", () => {
  it.each<[string, Unwatched, Partial<Location>, End | null, readonly string[]]>([
    [
      "its image is complete",
      "daemonDown",
      { image: "complete" },
      ["completed", "saved", "image"],
      [],
    ],
    [
      "its image is complete",
      "hostDown",
      { image: "complete" },
      ["completed", "saved", "image"],
      [],
    ],
    [
      "its image is not",
      "daemonDown",
      { image: "notComplete" },
      ["failed", "unknown", "unknown"],
      [],
    ],
    [
      "its image is not",
      "hostDown",
      { image: "notComplete" },
      ["failed", "unknown", "unknown"],
      [],
    ],
    ["its image cannot be looked at", "daemonDown", {}, null, []],
    ["its image cannot be looked at", "hostDown", {}, null, []],
    ["the guest is here", "daemonDown", HERE, FAILED_UNKNOWN, ["removeImage"]],
    ["the guest is here again", "hostDown", HERE, RESTARTED, ["removeImage"]],
    ["its job goes on", "daemonDown", WITH_JOB, null, []],
  ])("%s: %s", (_name, by, location, end, effects) => {
    const run = unwatched(by, "running", FILE_REQUEST);
    expect(kinds(run.locateSurely(location))).toEqual(effects);
    if (end === null) expect(run.migration.end).toBeNull();
    else expect([run.outcome().outcome, run.outcome().reason, run.outcome().where]).toEqual(end);
  });

  it.each<[string, Partial<Location>, string]>([
    ["it can again", { image: "complete" }, "image"],
    ["it still cannot", {}, "unknown"],
  ])(
    "whose image cannot be looked at is waited for, but not for ever: %s",
    (_name, location, where) => {
      const run = unwatched("daemonDown", "running", FILE_REQUEST);
      run.locateSurely({});
      run.nowMs += SETTLE_MAX_MS;
      run.locateSurely(location);
      expect(run.outcome().where).toBe(where);
    },
  );

  it("of one that is watched the image alone says nothing", () => {
    const run = inPhase("running", FILE_REQUEST);
    run.callEnded("other");
    run.locateSurely({ image: "complete" });
    expect(run.outcome()).toMatchObject({ outcome: "failed", where: "unknown" });
  });
});
