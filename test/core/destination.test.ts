/**
 * A destination that gives no useful answer to a migration that has not begun: what waiting cannot
 * cure fails at once, what it may cure is waited for and told, and a port that refuses is tried a few
 * times unless a daemon was heard there before.
 */
import { describe, expect, it } from "vitest";
import {
  REFUSED_TRIES,
  SOON_MS,
  type SilenceCause,
  type SilenceVerdict,
  isNewReason,
  judgeSilence,
  refusedTriesAfter,
  silenceCauses,
} from "../../src/core/destination.ts";
import { nextDaemon, inPhase, type Run } from "./fixtures.ts";

const LATER_MS = 60_000;
const NEVER_HEARD = { refusedTries: 1, reachedBefore: false } as const;

function unanswered(run: Run, cause: SilenceCause, reachedBefore = false, text: string = cause) {
  const silence = { cause, text };
  return run.give({
    kind: "unanswered",
    silence,
    reachedBefore,
    retryAtMs: run.nowMs + LATER_MS,
  });
}

describe("judgeSilence", () => {
  // cause, never heard of: at the first try and at the last; heard before: at the last.
  it.each<[SilenceCause, SilenceVerdict, SilenceVerdict, SilenceVerdict]>([
    ["nameUnknown", "fatal", "fatal", "fatal"],
    ["badAddress", "fatal", "fatal", "fatal"],
    ["notADaemon", "fatal", "fatal", "fatal"],
    ["certificateThere", "fatal", "fatal", "fatal"],
    ["certificateHere", "fatal", "fatal", "fatal"],
    ["noCertificate", "fatal", "fatal", "fatal"],
    ["denied", "fatal", "fatal", "fatal"],
    ["refused", "soon", "fatal", "wait"],
    ["closed", "soon", "fatal", "wait"],
    ["resolverSilent", "wait", "wait", "wait"],
    ["unreachable", "wait", "wait", "wait"],
    ["timeout", "wait", "wait", "wait"],
    ["broken", "wait", "wait", "wait"],
    ["busy", "wait", "wait", "wait"],
    ["failed", "wait", "wait", "wait"],
  ])("%s", (cause, first, last, heardBefore) => {
    const never = (refusedTries: number) =>
      judgeSilence(cause, { refusedTries, reachedBefore: false });
    expect(never(1)).toBe(first);
    expect(never(REFUSED_TRIES - 1)).toBe(first);
    expect(never(REFUSED_TRIES)).toBe(last);
    expect(judgeSilence(cause, { refusedTries: 1, reachedBefore: true })).toBe(heardBefore);
    expect(judgeSilence(cause, { refusedTries: 99, reachedBefore: true })).toBe(heardBefore);
  });

  it("counts tries in a row: any cause that is waited for begins anew", () => {
    expect(refusedTriesAfter(2, "refused")).toBe(3);
    expect(refusedTriesAfter(1, "closed")).toBe(2);
    expect(refusedTriesAfter(2, "timeout")).toBe(0);
  });

  it("makes its tries within 10 s", () => {
    expect((REFUSED_TRIES - 1) * SOON_MS).toBeLessThan(10_000);
  });
});

describe("isNewReason", () => {
  it.each([
    [null, "full", true],
    ["full", "full", false],
    ["no answer within 1000 ms", "no answer within 1003 ms", false],
    ["full (2 of 2 in use)", "full (3 of 3 in use)", false],
    ["full", "no route", true],
  ])("%s, then %s: %s", (before, reason, isNew) => {
    expect(isNewReason(before, reason)).toBe(isNew);
  });
});

describe("a migration to it", () => {
  it.each(silenceCauses.filter((cause) => judgeSilence(cause, NEVER_HEARD) === "fatal"))(
    "fails at once: %s",
    (cause) => {
      const run = inPhase("preparing");
      unanswered(run, cause, true, "why it cannot");
      run.found();
      expect(run.migration.phase).toBe("ended");
      expect(run.outcome()).toMatchObject({
        outcome: "failed",
        reason: "noDestination",
        code: 10,
        where: "source",
        confirmed: true,
        message: expect.stringContaining("why it cannot"),
      });
      expect(run.events("vmStatus").at(-1)?.status.kind).toBe("staysHere");
      expect(run.events("deferred")).toEqual([]);
    },
  );

  it("tries a port that refuses three times, without a slot in between, and then fails", () => {
    const run = inPhase("preparing");
    for (let tries = 1; tries < REFUSED_TRIES; tries += 1) {
      unanswered(run, "refused");
      expect(run.migration).toMatchObject({
        phase: "queued",
        admission: { retryAtMs: run.nowMs + SOON_MS, deferrals: tries },
      });
      run.nowMs += SOON_MS;
      run.give({ kind: "admitted" });
    }
    unanswered(run, "refused");
    run.found();
    expect(run.outcome()).toMatchObject({ reason: "noDestination", code: 10, where: "source" });
    expect(run.outcome().message).toContain("tried 3 times");
    expect(run.events("deferred")).toHaveLength(1);
  });

  it("waits for one that was heard of before, however often it refuses", () => {
    const run = inPhase("preparing");
    for (let tries = 1; tries <= REFUSED_TRIES + 1; tries += 1) {
      unanswered(run, "refused", true);
      expect(run.migration).toMatchObject({
        phase: "queued",
        admission: { retryAtMs: run.nowMs + LATER_MS },
      });
      run.give({ kind: "admitted" });
    }
  });

  it("begins to count anew when what refuses was silent, or full, in between", () => {
    const run = inPhase("preparing");
    const again = (give: () => unknown) => {
      give();
      expect(run.migration.phase).toBe("queued");
      run.give({ kind: "admitted" });
    };
    again(() => unanswered(run, "refused"));
    again(() => unanswered(run, "refused"));
    again(() => unanswered(run, "timeout"));
    again(() => unanswered(run, "refused"));
    again(() => unanswered(run, "refused"));
    again(() => run.give({ kind: "deferred", retryAtMs: run.nowMs, reason: "full" }));
    again(() => unanswered(run, "refused"));
  });

  it("tells when it is deferred first, and when the reason changes", () => {
    const run = inPhase("preparing");
    const told = (cause: SilenceCause, text: string) => {
      const effects = unanswered(run, cause, false, text);
      run.give({ kind: "admitted" });
      return effects.map(({ kind }) => kind);
    };
    expect(told("timeout", "no answer within 1000 ms")).toEqual(["log", "event"]);
    expect(told("timeout", "no answer within 1001 ms")).toEqual([]);
    expect(told("unreachable", "no route")).toEqual(["log", "event"]);
    expect(run.events("deferred")).toEqual([
      { kind: "deferred", reason: "no answer within 1000 ms", deferrals: 1, retryInMs: LATER_MS },
      { kind: "deferred", reason: "no route", deferrals: 3, retryInMs: LATER_MS },
    ]);
    expect(run.migration.admission.deferralReason).toBe("no route");
  });

  it("that was cancelled meanwhile is cancelled, whatever the destination is", () => {
    const run = inPhase("preparing");
    run.give({ kind: "cancel" });
    unanswered(run, "notADaemon");
    run.found();
    expect(run.outcome()).toMatchObject({ outcome: "cancelled", where: "source" });
  });

  it.each(["starting", "running", "postCopy", "settling", "ended"] as const)(
    "whose call is out (%s) never fails for this",
    (phase) => {
      const run = inPhase(phase);
      const before = run.migration;
      expect(unanswered(run, "notADaemon")).toEqual([]);
      expect(run.migration).toBe(before);
    },
  );

  it("goes on counting in the next daemon, which knows that it was reached", () => {
    const run = inPhase("preparing");
    run.give({ kind: "reached" });
    unanswered(run, "refused");
    expect(nextDaemon(run.migration, "daemonDown", 0)).toMatchObject({
      admission: { refusedTries: 1, destinationReached: true },
    });
  });
});
