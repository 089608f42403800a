/**
 * Before there is a call: who may begin; a destination keeps a slot, or has none and sends the
 * migration back into the queue; a cancel ends it there, and admission has a time limit. No clock of
 * the migration runs meanwhile.
 */
import { describe, expect, it } from "vitest";
import {
  type Candidate,
  hasWaitedTooLong,
  mayBegin,
  outgoingSlots,
  retryAtMs,
  retryInMs,
} from "../../src/core/admission.ts";
import { type Phase, stalledForMs } from "../../src/core/migration.ts";
import { FILE_REQUEST, nextDaemon, inPhase, kinds } from "./fixtures.ts";

const NOW_MS = 1_000;

interface Named extends Candidate {
  readonly name: string;
}

interface Known {
  readonly mode?: "remote" | "file";
  readonly phase?: Phase;
  readonly acceptedAtMs?: number;
  readonly called?: true;
  readonly retryAtMs?: number;
  readonly ending?: true;
}

function candidate(known: Known, outgoingLimit?: number): Candidate {
  const { migration: queued } = inPhase("queued", known.mode === "file" ? FILE_REQUEST : {});
  const ending = { why: { kind: "notAdmitted" }, sinceMs: 0 } as const;
  const migration = {
    ...queued,
    phase: known.phase ?? queued.phase,
    call: { madeAtMs: known.called ? 0 : null, returned: null },
    admission: {
      ...queued.admission,
      acceptedAtMs: known.acceptedAtMs ?? 0,
      retryAtMs: known.retryAtMs ?? null,
      ending: known.ending ? ending : null,
    },
  };
  return { migration, request: outgoingLimit === undefined ? {} : { outgoingLimit } };
}

const waits = candidate({});
const runs = candidate({ phase: "running", called: true });
const asks = candidate({ phase: "preparing" });
const ends = candidate({ phase: "settling", ending: true });
const later = candidate({ retryAtMs: NOW_MS + 1 });
const due = candidate({ retryAtMs: NOW_MS });
const save = candidate({ mode: "file" });
const wide = candidate({}, 3);
const narrow = candidate({}, 1);

const queue = (list: readonly Candidate[]): readonly Named[] =>
  list.map((each, i) => ({ ...each, name: `${i}` }));

describe("who may begin, with a limit of 2", () => {
  it.each<[string, readonly Candidate[], string]>([
    ["nobody waits", [runs], ""],
    ["both slots free: the first two", [waits, waits, waits], "0 1"],
    ["one held: the first", [runs, waits, waits], "1"],
    ["both held", [runs, asks, waits], ""],
    ["one that only ends holds none", [ends, ends, waits], "2"],
    ["one deferred until later is skipped", [runs, later, waits], "2"],
    ["at its time it has its old place", [runs, due, waits], "1"],
    ["a save needs no slot", [runs, runs, waits, save], "3"],
    ["a save holds none", [candidate({ mode: "file", phase: "running" }), waits, waits], "1 2"],
    ["a limit of its own beats the configured one", [runs, runs, wide], "2"],
    ["in both directions", [runs, narrow], ""],
    ["nobody overtakes a head that must wait", [runs, narrow, waits], ""],
    ["behind the head a wider limit is not looked at", [runs, runs, waits, wide], ""],
  ])("%s", (_name, list, expected) => {
    const begun = mayBegin(queue(list), 2, NOW_MS).map(({ name }) => name);
    expect(begun.sort().join(" ")).toBe(expected);
  });

  it("what cannot be admitted holds up nobody", () => {
    const live = queue([runs, waits, waits]);
    const stuck = new Set(live.slice(1, 2));
    expect(mayBegin(live, 2, NOW_MS, stuck).map(({ name }) => name)).toEqual(["2"]);
  });

  it("for a check: slots held, and who would be first", () => {
    expect(outgoingSlots([runs, asks, ends, save, waits, later], NOW_MS)).toEqual({
      inUse: 2,
      waiting: 1,
    });
  });
});

it.each([
  ["just below", 0, null, 999, false],
  ["reached", 0, null, 1_000, true],
  ["its call is out", 0, 5, 9_999, false],
  ["accepted later", 1, null, 1_000, false],
])("a time limit of 1 s: %s", (_name, acceptedAtMs, callAtMs, nowMs, expected) => {
  const known: Known = callAtMs === null ? { acceptedAtMs } : { acceptedAtMs, called: true };
  expect(hasWaitedTooLong(candidate(known), 1_000, nowMs)).toBe(expected);
  expect(hasWaitedTooLong(candidate(known), 0, nowMs)).toBe(false);
});

it.each([
  [0, 8_500],
  [0.5, 11_000],
  [1, 13_500],
])("after 10 s, give or take a quarter: random %f is %i", (random, expected) => {
  expect(retryAtMs(NOW_MS, 10_000, random)).toBe(expected);
});

it.each([
  ["deferred", later, 1],
  ["due", due, null],
  ["not deferred", waits, null],
  ["begun", candidate({ phase: "preparing", retryAtMs: NOW_MS + 1 }), null],
])("tried again: %s", (_name, each, expected) => {
  expect(retryInMs(each, NOW_MS)).toBe(expected);
});

const deferred = (retryAtMs: number) =>
  ({ kind: "deferred", retryAtMs, reason: "Incoming migration limit exceeded" }) as const;

describe("a destination that has no slot", () => {
  it("sends the migration back into the queue, to be tried again at a time, and counts", () => {
    const run = inPhase("preparing");
    run.give(deferred(10_000));
    expect(run.migration).toMatchObject({
      phase: "queued",
      admission: {
        retryAtMs: 10_000,
        deferrals: 1,
        deferralReason: "Incoming migration limit exceeded",
      },
    });
    run.give({ kind: "admitted" });
    expect(run.migration).toMatchObject({
      phase: "preparing",
      admission: { retryAtMs: null, deferrals: 1 },
    });
    run.give(deferred(20_000));
    expect(run.migration.admission.deferrals).toBe(2);
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
    expect(run.outcome()).toMatchObject({
      outcome: "failed",
      reason: "noSlot",
      code: 82,
      where: "source",
    });
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
    expect(run.migration.admission.reservedThere).toBe(false);
    expect(run.give(reserved)).toEqual([]);
    expect(run.migration).toMatchObject({ phase: "preparing", admission: { reservedThere: true } });
  });

  it.each(["queued", "starting", "running", "postCopy", "settling", "ended"] as const)(
    "said in %s it comes too late",
    (phase) => {
      const run = inPhase(phase);
      run.give(reserved);
      expect(run.migration.admission.reservedThere).toBe(false);
    },
  );

  it("is known to the next daemon of this boot, in the queue and at the end; not after a reboot", () => {
    const run = inPhase("preparing");
    run.give(reserved);
    expect(nextDaemon(run.migration, "daemonDown", 0)).toMatchObject({
      phase: "queued",
      admission: { reservedThere: true },
    });
    expect(nextDaemon(run.migration, "hostDown", 0).admission.reservedThere).toBe(false);
    run.give({ kind: "notBegun", refusal: { kind: "internalError", code: 1, message: "no" } });
    run.found();
    expect(run.migration).toMatchObject({ phase: "ended", admission: { reservedThere: true } });
  });
});
