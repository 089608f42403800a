/**
 * Before there is a call: a destination keeps a slot, or has none and sends the migration back into
 * the queue; a cancel ends it there, and admission does not take for ever. No clock of the migration
 * runs meanwhile.
 */
import { describe, expect, it } from "vitest";
import { stalledForMs } from "../../src/core/migration.ts";
import { afterReboot, takenOver } from "../../src/core/recover.ts";
import { inPhase, kinds } from "./fixtures.ts";

const deferred = (retryAtMs: number) =>
  ({ kind: "deferred", retryAtMs, reason: "Incoming migration limit exceeded" }) as const;

describe("a destination that has no slot", () => {
  it("sends the migration back into the queue, to be tried again at a time, and counts", () => {
    const run = inPhase("preparing");
    run.give(deferred(10_000));
    expect(run.migration).toMatchObject({
      phase: "queued",
      retryAtMs: 10_000,
      deferrals: 1,
      deferralReason: "Incoming migration limit exceeded",
    });
    run.give({ kind: "admitted" });
    expect(run.migration).toMatchObject({ phase: "preparing", retryAtMs: null, deferrals: 1 });
    run.give(deferred(20_000));
    expect(run.migration.deferrals).toBe(2);
  });

  it("does not let the stall clock run", () => {
    const run = inPhase("preparing");
    run.give(deferred(10_000));
    expect(stalledForMs(run.migration, 1_000_000)).toBe(0);
  });

  it("the engine is told Migration Source once, however often it is tried", () => {
    const run = inPhase("preparing");
    run.give(deferred(10_000));
    run.give({ kind: "admitted" });
    expect(run.events("vmStatus").map((event) => event.status.kind)).toEqual(["migrationSource"]);
  });

  it.each([
    ["in the queue", "queued"],
    ["while it is asked", "preparing"],
  ] as const)("a cancel %s ends it, and the engine hears that the VM stays", (_name, where) => {
    const run = inPhase("preparing");
    run.give(deferred(10_000));
    if (where === "preparing") run.give({ kind: "admitted" });
    run.give({ kind: "cancel" });
    if (where === "preparing") run.give(deferred(20_000));
    run.found();
    expect(run.outcome()).toMatchObject({ outcome: "cancelled", where: "source" });
    expect(run.events("vmStatus").at(-1)?.status.kind).toBe("staysHere");
  });

  it("for as long as admission may take: failed, noSlot, with what it said last", () => {
    const run = inPhase("preparing");
    run.give(deferred(10_000));
    run.give({ kind: "notAdmitted" });
    run.found();
    expect(run.outcome()).toMatchObject({ outcome: "failed", reason: "noSlot", where: "source" });
    expect(run.outcome().message).toContain("Incoming migration limit exceeded");
  });

  it("nothing of it once the call is out", () => {
    const run = inPhase("running");
    expect(kinds(run.give(deferred(10_000)))).toEqual([]);
    expect(kinds(run.give({ kind: "notAdmitted" }))).toEqual([]);
    expect(run.migration.phase).toBe("running");
  });
});

describe("a destination that keeps a slot", () => {
  const reserved = { kind: "reserved" } as const;

  it("is remembered, and nothing follows from it", () => {
    const run = inPhase("preparing");
    expect(run.migration.reservedThere).toBe(false);
    expect(run.give(reserved)).toEqual([]);
    expect(run.migration).toMatchObject({ phase: "preparing", reservedThere: true });
  });

  it.each(["queued", "starting", "running", "postCopy", "settling", "ended"] as const)(
    "said in %s it comes too late",
    (phase) => {
      const run = inPhase(phase);
      run.give(reserved);
      expect(run.migration.reservedThere).toBe(false);
    },
  );

  it("is known to the next daemon of this boot, in the queue and at the end; not after a reboot", () => {
    const run = inPhase("preparing");
    run.give(reserved);
    expect(takenOver(run.migration, 0)).toMatchObject({ phase: "queued", reservedThere: true });
    expect(afterReboot(run.migration, 0).reservedThere).toBe(false);
    run.give({ kind: "notBegun", refusal: { code: 1, message: "no" } });
    run.found();
    expect(run.migration).toMatchObject({ phase: "ended", reservedThere: true });
  });
});
