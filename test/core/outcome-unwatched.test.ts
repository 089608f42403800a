/**
 * How a migration ends whose end nobody watched: the daemon was down, the host was, or it is a foreign
 * one. Its location decides as always; where the reason is unknown, the outcome says so.
 */
import { describe, expect, it } from "vitest";
import { SETTLE_MAX_MS } from "../../src/core/evidence.ts";
import type { Location } from "../../src/core/input.ts";
import { TAKEN_OVER_GRACE_MS } from "../../src/core/location.ts";
import type { Unwatched } from "../../src/core/migration.ts";
import type { GuestStopped } from "../../src/core/run-state.ts";
import { ending, FILE_REQUEST, inPhase, kinds, sample, unwatched } from "./fixtures.ts";

type From = "starting" | "running" | "postCopy";

const HERE: Partial<Location> = { source: "active" };
const WITH_JOB: Partial<Location> = { source: "active", sourceJob: true };
const THERE: Partial<Location> = { destination: "active" };
const ABSENT: Partial<Location> = { destination: "absent" };
const SILENT: Partial<Location> = { destination: "silent" };
const PAUSED_COPY: Partial<Location> = { source: "pausedCopy", destination: "silent" };

const FAILED_UNKNOWN = "failed unknown source";
const RESTARTED = "failed hostRestarted source";
const ARRIVED = "completed arrived destination";
const LOST = "failed guestLost nowhere";
const NOT_KNOWN = "failed unknown unknown?";
const GONE_WITH_HOST = "failed hostRestarted unknown";
const STARTED_ANEW = "failed hostRestarted destination";

describe("location x why nobody watched", () => {
  it.each<[Unwatched, From, Partial<Location>, string | null]>([
    ["daemonDown", "running", HERE, FAILED_UNKNOWN],
    ["daemonDown", "postCopy", HERE, FAILED_UNKNOWN],
    ["hostDown", "running", HERE, RESTARTED],
    ["foreign", "running", HERE, FAILED_UNKNOWN],
    ["daemonDown", "starting", WITH_JOB, null],
    ["daemonDown", "running", WITH_JOB, null],
    ["foreign", "running", WITH_JOB, null],
    ["daemonDown", "starting", THERE, ARRIVED],
    ["daemonDown", "running", THERE, ARRIVED],
    ["daemonDown", "postCopy", THERE, ARRIVED],
    ["hostDown", "running", THERE, STARTED_ANEW],
    ["daemonDown", "running", { source: "unknown", ...THERE }, ARRIVED],
    ["daemonDown", "starting", ABSENT, NOT_KNOWN],
    ["daemonDown", "running", ABSENT, NOT_KNOWN],
    ["daemonDown", "postCopy", ABSENT, LOST],
    ["foreign", "running", ABSENT, NOT_KNOWN],
    ["foreign", "postCopy", ABSENT, LOST],
    ["hostDown", "running", ABSENT, GONE_WITH_HOST],
    ["hostDown", "postCopy", ABSENT, LOST],
    ["daemonDown", "running", { destination: "incoming" }, null],
    ["daemonDown", "postCopy", PAUSED_COPY, null],
    ["foreign", "postCopy", PAUSED_COPY, null],
    ["daemonDown", "running", { source: "unknown" }, null],
  ])("%s in %s, %j: %s", (by, from, location, expected) => {
    const run = unwatched(by, from);
    run.locateSurely(location);
    expect(ending(run)).toBe(expected);
    const told = run.events("vmStatus").some(({ status }) => status.kind === "down");
    expect(told).toBe(expected === LOST || (expected?.endsWith("destination") ?? false));
  });

  it.each<[string, Unwatched, string]>([
    ["the daemon", "daemonDown", "while the daemon was down"],
    ["the host", "hostDown", "restart of this host"],
    ["its starter", "foreign", "somebody else"],
  ])("the words name %s", (_name, by, words) => {
    const run = unwatched(by);
    run.locateSurely(HERE);
    expect(run.outcome()).toMatchObject({ message: expect.stringContaining(words), code: 12 });
  });

  it("a call that had come back before is known as ever", () => {
    const run = inPhase("running");
    run.callEnded("other");
    run.restore("daemonDown", 1_000);
    run.locateSurely(HERE);
    expect(ending(run)).toBe("failed libvirt source");
    expect(run.outcome().message).toContain("38");
  });

  it("a call that succeeded before is believed, though nobody there answers", () => {
    const run = unwatched("daemonDown", "settling");
    run.locateSurely(SILENT);
    expect(ending(run)).toBe("completed arrived destination?");
  });

  it.each<[Unwatched, GuestStopped, string]>([
    ["daemonDown", "shutDown", "failed guestStopped nowhere"],
    ["daemonDown", "crashed", "failed guestCrashed nowhere"],
    ["foreign", "destroyed", "failed guestStopped nowhere"],
  ])("%s, and the guest %s after that", (by, how, expected) => {
    const run = unwatched(by);
    run.give({ kind: "guestStopped", how });
    run.locateSurely(ABSENT);
    expect(ending(run)).toBe(expected);
  });
});

describe("the host was restarted, and it is active there", () => {
  const record = sample({ type: "completed", downtimeMs: 80, downtimeNetMs: 66 });

  it.each<[string, "queued" | "preparing" | "running", boolean, string]>([
    ["with the record of its arrival", "running", true, ARRIVED],
    ["without one: it may have been started anew", "running", false, STARTED_ANEW],
    ["it was never called: with somebody else's record", "preparing", true, STARTED_ANEW],
  ])("%s", (_name, phase, known, expected) => {
    const run = inPhase(phase);
    run.restore("hostDown");
    run.locateSurely(THERE, known ? record : null);
    expect(ending(run)).toBe(expected);
    if (expected === STARTED_ANEW) expect(run.outcome().message).toContain("started anew");
  });

  it("the record that libvirt gave before the restart is one as well", () => {
    const run = inPhase("running");
    run.give({ kind: "jobCompleted", stats: record });
    run.restore("hostDown");
    run.locateSurely(THERE);
    expect(ending(run)).toBe(ARRIVED);
  });
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
    expect(ending(run)).toBe("cancelled cancelled source");
  });
});

describe("gone, and nobody says where to", () => {
  it.each<[Unwatched, Partial<Location>]>([
    ["daemonDown", SILENT],
    ["hostDown", SILENT],
    ["foreign", {}],
  ])("%s: asked for a minute, then not known; unless libvirt said that it left", (by, location) => {
    const run = unwatched(by);
    run.nowMs += SETTLE_MAX_MS - 1;
    run.location(location);
    expect(ending(run)).toBeNull();
    run.nowMs += 1;
    run.location(location);
    expect(ending(run)).toBe(NOT_KNOWN);
    expect(run.events("vmStatus")).toEqual([]);
    if (by === "hostDown") return;
    const left = unwatched(by);
    left.give({ kind: "stoppedByJob" });
    left.locateSurely(location);
    expect(ending(left)).toBe("completed arrived destination?");
  });

  it("found later: confirmed, with the destination's downtime", () => {
    const run = unwatched("daemonDown");
    run.nowMs += SETTLE_MAX_MS;
    run.locateSurely(SILENT);
    run.locateSurely(THERE, sample({ type: "completed", downtimeMs: 80, downtimeNetMs: 66 }));
    expect(ending(run)).toBe(ARRIVED);
    expect(run.migration.end?.outcome.downtimeMs).toBe(66);
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
    const { dataProcessedBytes } = record;
    expect(run.outcome()).toMatchObject({ durationMs, downtimeMs, dataProcessedBytes, passes: 1 });
  });

  it.each<[Unwatched, readonly string[]]>([
    ["daemonDown", ["putBackDowntime"]],
    // libvirt's value went with the domain of before.
    ["hostDown", []],
    // Nothing was set.
    ["foreign", []],
  ])("%s: what is put back of a guest that stays", (by, effects) => {
    expect(kinds(unwatched(by).location(HERE))).toEqual(effects);
  });
});

describe("a save", () => {
  it.each<[Unwatched, Partial<Location>, string | null]>([
    ["daemonDown", { image: "complete" }, "completed saved image"],
    ["hostDown", { image: "complete" }, "completed saved image"],
    ["daemonDown", { image: "notComplete" }, "failed unknown unknown?"],
    ["hostDown", { image: "notComplete" }, "failed unknown unknown?"],
    ["daemonDown", {}, null],
    ["hostDown", {}, null],
    ["daemonDown", HERE, FAILED_UNKNOWN],
    ["hostDown", HERE, RESTARTED],
    ["daemonDown", WITH_JOB, null],
  ])("%s, %j: %s", (by, location, expected) => {
    const run = unwatched(by, "running", FILE_REQUEST);
    const removed = location === HERE ? ["removeImage"] : [];
    expect(kinds(run.locateSurely(location))).toEqual(removed);
    expect(ending(run)).toBe(expected);
  });

  it.each<[Partial<Location>, string]>([
    [{ image: "complete" }, "image"],
    [{}, "unknown"],
  ])("an image that cannot be looked at is waited for, but not for ever: %j", (location, where) => {
    const run = unwatched("daemonDown", "running", FILE_REQUEST);
    run.locateSurely({});
    run.nowMs += SETTLE_MAX_MS;
    run.locateSurely(location);
    expect(run.outcome().where).toBe(where);
  });

  it("of one that is watched the image alone says nothing", () => {
    const run = inPhase("running", FILE_REQUEST);
    run.callEnded("other");
    run.locateSurely({ image: "complete" });
    expect(run.outcome()).toMatchObject({ outcome: "failed", where: "unknown" });
  });
});
