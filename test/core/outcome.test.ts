/**
 * How a migration ends: where the guest is decides, why comes from the call and from what the host
 * itself did; exactly one `ended` event, after the last status. A guest that
 * ended by itself: guest-end.test.ts.
 */
import { describe, expect, it } from "vitest";
import { SETTLE_MAX_MS } from "../../src/core/evidence.ts";
import type { Location } from "../../src/core/input.ts";
import { judgeLocation } from "../../src/core/location.ts";
import type { Migration } from "../../src/core/migration.ts";
import type { RefusalKind } from "../../src/core/refusal.ts";
import { FILE_REQUEST, inPhase, kinds, sample, type Run } from "./fixtures.ts";

type Why = "nothing" | "cancel" | "timeout";

/** Settling after a call that ended as `ended` (null: success) and an own stop, if any. */
function settling(ended: RefusalKind | null, why: Why = "nothing", file = false): Run {
  const run = inPhase("running", file ? FILE_REQUEST : {});
  if (why === "cancel") run.give({ kind: "cancel" });
  if (why === "timeout") {
    run.nowMs += 10_000;
    run.cycle(null);
  }
  run.callEnded(ended);
  return run;
}

const HERE: Partial<Location> = { source: "active", destination: "notAsked" };
const THERE: Partial<Location> = { source: "notActive", destination: "active" };
const NOWHERE: Partial<Location> = { source: "notActive", destination: "absent" };
const SILENT: Partial<Location> = { source: "notActive", destination: "silent" };

describe("location x why", () => {
  it.each<[string, RefusalKind | null, Why, Partial<Location>, string, string, string, boolean]>([
    ["arrived", null, "nothing", THERE, "completed", "arrived", "destination", true],
    [
      "arrived though the call failed",
      "other",
      "nothing",
      THERE,
      "completed",
      "arrived",
      "destination",
      true,
    ],
    ["cancel too late", null, "cancel", THERE, "completed", "cancelTooLate", "destination", true],
    ["abort too late", null, "timeout", THERE, "completed", "abortTooLate", "destination", true],
    ["cancelled", "aborted", "cancel", HERE, "cancelled", "cancelled", "source", true],
    [
      "cancelled, whatever the code",
      "other",
      "cancel",
      HERE,
      "cancelled",
      "cancelled",
      "source",
      true,
    ],
    [
      "aborted by the timeout",
      "aborted",
      "timeout",
      HERE,
      "failed",
      "progressTimeout",
      "source",
      true,
    ],
    ["aborted without either", "aborted", "nothing", HERE, "cancelled", "byOther", "source", true],
    ["libvirt's failure", "other", "nothing", HERE, "failed", "libvirt", "source", true],
    ["success that moved nothing", null, "nothing", HERE, "failed", "libvirt", "source", true],
    [
      "ended over there since the call succeeded",
      null,
      "nothing",
      NOWHERE,
      "completed",
      "arrived",
      "destination",
      false,
    ],
    ["lost in a cancel", "aborted", "cancel", NOWHERE, "failed", "guestLost", "nowhere", true],
    [
      "success, destination silent",
      null,
      "nothing",
      SILENT,
      "completed",
      "arrived",
      "destination",
      false,
    ],
    [
      "success, cancel pending, destination silent",
      null,
      "cancel",
      SILENT,
      "completed",
      "cancelTooLate",
      "destination",
      false,
    ],
    [
      "success, no daemon to ask",
      null,
      "nothing",
      { destination: "notAsked" },
      "completed",
      "arrived",
      "destination",
      false,
    ],
  ])("%s", (_name, ended, why, location, outcome, reason, where, confirmed) => {
    const run = settling(ended, why);
    run.locateSurely(location);
    expect(run.outcome()).toMatchObject({ outcome, reason, where, confirmed });
    expect(run.migration).toMatchObject({ phase: "ended", pending: [] });
  });

  it.each([
    ["completed", null, THERE, 0],
    ["cancelled", "aborted", HERE, 47],
    ["failed", "other", HERE, 12],
    ["failed by OPERATION_FAILED", "operationFailed", HERE, 102],
    ["lost", "other", NOWHERE, 12],
    ["ended over there since", null, NOWHERE, 0],
  ] as const)("VDSM's number: %s", (_name, ended, location, number) => {
    const run = settling(ended);
    run.locateSurely(location);
    expect(run.outcome().code).toBe(number);
  });

  it("success, and the guest is here again: the words do not say that it stayed", () => {
    const run = settling(null);
    run.locateSurely(HERE);
    expect(run.outcome().message).toMatch(/had left, as libvirt said, and is active here/);
  });

  it("an event that the guest stopped as migrated counts as a success", () => {
    const run = inPhase("running");
    run.give({ kind: "stoppedByJob" });
    run.callEnded("other");
    run.locateSurely(SILENT);
    expect(run.outcome()).toMatchObject({ outcome: "completed", confirmed: false });
  });

  it.each([
    ["saved", null, "nothing", { source: "notActive" }, "completed", "saved", "image"],
    [
      "saved, cancel too late",
      null,
      "cancel",
      { source: "notActive" },
      "completed",
      "cancelTooLate",
      "image",
    ],
    ["failed", "other", "nothing", HERE, "failed", "libvirt", "source"],
  ] as const)("a save: %s", (_name, ended, why, location, outcome, reason, where) => {
    const run = settling(ended, why, true);
    const effects = run.locateSurely(location);
    expect(run.outcome()).toMatchObject({ outcome, reason, where, confirmed: true });
    expect(kinds(effects)).toEqual(outcome === "completed" ? [] : ["removeImage"]);
  });
});

describe("not yet known: asked again", () => {
  it.each<[string, Partial<Location>]>([
    ["libvirt still shows a job on the source", { source: "active", sourceJob: true }],
    ["the source does not answer", { source: "unknown", destination: "absent" }],
    ["still incoming on the destination", { source: "notActive", destination: "incoming" }],
  ])("%s", (_name, location) => {
    const run = settling(null);
    expect(run.locateSurely(location)).toEqual([]);
    expect(kinds(run.cycle(null, { timer: false }))).toEqual([]);
    expect(kinds(run.cycle(null))).toEqual(["locateGuest"]);
    expect(kinds(run.cycle(null))).toEqual([]);
  });

  it.each([
    ["just below the limit: asked again", SETTLE_MAX_MS - 1, "askAgain"],
    ["at the limit: unknown", SETTLE_MAX_MS, "ended"],
  ])("the call failed and the destination is silent; %s", (_name, ms, kind) => {
    const run = settling("other");
    const location: Location = { source: "notActive", sourceJob: false, destination: "silent" };
    const verdict = judgeLocation(run.migration, location, run.nowMs + ms);
    expect(verdict).toEqual(kind === "ended" ? { kind, how: "unseen" } : { kind });
  });
});

it("on both hosts, read twice: said as it is, and nothing is taken away", () => {
  const run = settling("other");
  run.location({ source: "active", destination: "active" });
  expect(run.migration.end).toBeNull();
  run.locateSurely({ source: "active", destination: "active" });
  expect(run.outcome()).toMatchObject({ outcome: "failed", reason: "runsTwice", where: "source" });
  expect(kinds(run.effects)).not.toContain("destroyPausedCopy");
});

describe("confirmed later", () => {
  const record = sample({ type: "completed", downtimeMs: 80, downtimeNetMs: 66 });

  function late(why: Why): Run {
    const run = settling(null, why);
    run.locateSurely(SILENT);
    run.locateSurely(THERE, record);
    return run;
  }

  it("the record changes, no second event goes out", () => {
    const run = late("nothing");
    expect(run.migration.end?.outcome).toMatchObject({
      outcome: "completed",
      confirmed: true,
      downtimeMs: 66,
    });
    expect(run.outcome().confirmed).toBe(false);
  });

  it("it still says that the cancel came too late", () => {
    const outcome = late("cancel").migration.end?.outcome;
    expect(outcome?.reason).toBe("cancelTooLate");
    expect(outcome?.message).toContain("too late");
  });

  it("an unknown one is found after all, with what the host had tried", () => {
    const run = settling("other", "cancel");
    run.nowMs += SETTLE_MAX_MS;
    run.locateSurely(SILENT);
    expect(run.outcome().reason).toBe("unknown");
    run.locateSurely(THERE);
    expect(run.migration).toMatchObject({
      sample: { progressPercent: 100 },
      end: {
        outcome: { outcome: "completed", reason: "cancelTooLate", where: "destination", code: 0 },
      },
    });
  });

  it.each<[string, Partial<Location>]>([
    ["still silent", SILENT],
    ["incoming", { destination: "incoming" }],
  ])("%s: as before", (_name, location) => {
    const run = settling(null);
    run.locateSurely(SILENT);
    run.locateSurely(location);
    expect(run.migration.end?.outcome.confirmed).toBe(false);
  });

  it("a confirmed one never changes again", () => {
    const run = settling("aborted", "cancel");
    run.locateSurely(HERE);
    run.locateSurely(THERE);
    expect(run.migration.end?.outcome.outcome).toBe("cancelled");
  });
});

describe("what the engine is told at the end", () => {
  it.each<[string, RefusalKind | null, Partial<Location>, string]>([
    ["migrated", null, THERE, "migrated"],
    ["lost", "other", NOWHERE, "lost"],
  ])("the last status, then Down as %s, then the end", (_name, ended, location, why) => {
    const effects = settling(ended).locateSurely(location);
    expect(effects).toMatchObject([
      { event: { kind: "migrationStatus" } },
      { event: { kind: "vmStatus", status: { kind: "down", why } } },
      { event: { kind: "ended" } },
    ]);
  });

  it("a guest lost in post-copy is Down for that reason", () => {
    const run = inPhase("postCopy");
    run.callEnded("internalError");
    run.locateSurely(NOWHERE);
    expect(run.events("vmStatus").at(-1)?.status).toEqual({ kind: "down", why: "lostInPostCopy" });
  });

  it.each([
    ["pre-copy: net of the network", "running", 66],
    ["post-copy: the gross one", "postCopy", 80],
  ] as const)("the downtime of %s", (_name, phase, downtimeMs) => {
    const run = inPhase(phase);
    const stats = sample({ type: "completed", downtimeMs: 80, downtimeNetMs: 66, processedMiB: 9 });
    run.give({ kind: "jobCompleted", stats });
    run.nowMs = 5_000;
    run.callEnded(null);
    run.locateSurely(THERE);
    expect(run.outcome()).toMatchObject({ downtimeMs, durationMs: 5_000, passes: 1 });
    expect(run.outcome().dataProcessedBytes).toBe(stats.dataProcessedBytes);
    expect(run.events("migrationStatus").at(-1)?.downtimeMs).toBe(downtimeMs);
  });

  it("nothing follows an end", () => {
    const run = settling(null);
    run.locateSurely(THERE);
    const before: Migration = run.migration;
    const sent = run.effects.length;
    run.give({ kind: "cancel" });
    run.callEnded("other");
    run.cycle(sample());
    run.locateSurely(THERE);
    run.accepted("abort");
    expect(run.effects.length).toBe(sent);
    expect(run.migration).toEqual(before);
  });

  it.each([
    ["the guest is here: libvirt's reason", "active", "source"],
    ["the guest is gone, nobody knows where", "notActive", "unknown"],
  ] as const)("a call never made; %s", (_name, source, where) => {
    const run = inPhase("preparing");
    run.give({ kind: "notBegun", refusal: { kind: "noVm", code: 42, message: "no domain" } });
    run.locateSurely({ source });
    expect(run.outcome()).toMatchObject({ outcome: "failed", where, durationMs: null, passes: 0 });
  });
});
