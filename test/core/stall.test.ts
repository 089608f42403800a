/**
 * Stall events (when, with which count), their reasons, the hard limit with its two pieces of evidence,
 * and the last step, in which nothing remains: no stall is reported then, but the hard limit holds.
 */
import { describe, expect, it } from "vitest";
import { advanceFrom } from "../../src/core/advance.ts";
import type { CycleInput } from "../../src/core/input.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import type { Advance, StallLedger } from "../../src/core/migration.ts";
import { progressTimeoutReached } from "../../src/core/progress-timeout.ts";
import {
  BYTES_STILL_AFTER_MS,
  NOT_STALLING,
  type StallEvidence,
  type StallInput,
  stallNews,
  stallReason,
} from "../../src/core/stall.ts";
import { inPhase, kinds, LIMITS, sample, type Run } from "./fixtures.ts";

const LIMIT = { stallingLimitMs: 10_000, advanced: false };

function announced(count: number): StallLedger {
  return { announcedCount: count, announced: count > 0, timeoutAnnounced: false };
}

describe("an event goes out at each multiple, once", () => {
  it.each([
    ["just below the limit: none", 9_999, 0, null],
    ["at the limit: count 1", 10_000, 0, 1],
    ["just above, announced: none again", 10_001, 1, null],
    ["just below the second multiple: none", 19_999, 1, null],
    ["at the second multiple: count 2", 20_000, 1, 2],
    ["several crossed at once: one event, the highest count", 35_000, 0, 3],
    ["several more crossed: the highest again", 79_000, 3, 7],
  ])("%s", (_name, stalledForMs, announcedCount, count) => {
    const { news } = stallNews(announced(announcedCount), { ...LIMIT, stalledForMs });
    expect(news).toEqual(count === null ? null : { count, progressing: false });
  });

  it("off: none, however long", () => {
    const input: StallInput = { stalledForMs: 1e9, stallingLimitMs: 0, advanced: false };
    expect(stallNews(NOT_STALLING, input)).toEqual({ ledger: NOT_STALLING, news: null });
  });
});

describe("when it advances again", () => {
  const again = { ...LIMIT, stalledForMs: 0, advanced: true };

  it("one event says so and the count starts anew", () => {
    const { ledger, news } = stallNews(announced(3), again);
    expect(news).toEqual({ count: 0, progressing: true });
    expect(ledger).toEqual(NOT_STALLING);
    expect(stallNews(ledger, again).news).toBeNull();
    expect(stallNews(ledger, { ...LIMIT, stalledForMs: 10_000 }).news?.count).toBe(1);
  });

  it("nothing is said if nothing was announced", () => {
    expect(stallNews(NOT_STALLING, again).news).toBeNull();
  });

  it("it is said even if the limit was switched off meanwhile", () => {
    const off = stallNews(announced(1), { ...LIMIT, stallingLimitMs: 0, stalledForMs: 12_000 });
    expect(off.news).toBeNull();
    const input = { stalledForMs: 0, stallingLimitMs: 0, advanced: true };
    expect(stallNews(off.ledger, input).news).toEqual({ count: 0, progressing: true });
  });
});

describe("a changed limit", () => {
  it("lowered below what is stalled: one event with the highest count", () => {
    const lowered = { ...LIMIT, stallingLimitMs: 3_000, stalledForMs: 25_000 };
    const { ledger, news } = stallNews(announced(2), lowered);
    expect(news?.count).toBe(8);
    expect(stallNews(ledger, lowered).news).toBeNull();
  });

  it("raised: silent until the next multiple of the new one", () => {
    const raised = { ...LIMIT, stallingLimitMs: 20_000 };
    const at35 = stallNews(announced(3), { ...raised, stalledForMs: 35_000 });
    expect(at35.news).toBeNull();
    const at40 = stallNews(at35.ledger, { ...raised, stalledForMs: 40_000 });
    expect(at40.news?.count).toBe(2);
  });

  it("a clock started anew makes the first multiple news again", () => {
    const restarted = stallNews(announced(2), { ...LIMIT, stalledForMs: 0 });
    expect(restarted.news).toBeNull();
    expect(stallNews(restarted.ledger, { ...LIMIT, stalledForMs: 10_000 }).news?.count).toBe(1);
  });
});

describe("in post-copy the hard limit is an alarm", () => {
  it.each([
    ["just below: none", 0, 29_999, null],
    ["at it, events off: count 1", 0, 30_000, 1],
    ["at it, off multiples: the count stays", 20_000, 30_000, 1],
    ["at it and at a multiple: one event", 15_000, 30_000, 2],
  ])("%s", (_name, stallingLimitMs, stalledForMs, count) => {
    const reached = stallingLimitMs === 0 ? 0 : Math.floor((stalledForMs - 1) / stallingLimitMs);
    const input = { stalledForMs, stallingLimitMs, advanced: false, alarmAfterMs: 30_000 };
    const { news } = stallNews(announced(reached), input);
    expect(news?.count ?? null).toBe(count);
  });

  it("it sounds once in a stall and again in the next", () => {
    const input = {
      stalledForMs: 30_000,
      stallingLimitMs: 0,
      advanced: false,
      alarmAfterMs: 30_000,
    };
    const first = stallNews(NOT_STALLING, input);
    expect(stallNews(first.ledger, { ...input, stalledForMs: 99_000 }).news).toBeNull();
    const over = stallNews(first.ledger, { ...input, stalledForMs: 0, advanced: true });
    expect(over.news?.progressing).toBe(true);
    expect(stallNews(over.ledger, input).news).toEqual({ count: 1, progressing: false });
  });
});

describe("the reason is the first that fits", () => {
  const evidence: StallEvidence = {
    postCopy: false,
    sampled: true,
    started: true,
    sinceLastByteMs: 0,
    bytesPerSecond: 899,
    capBytesPerSecond: 1000,
    maxBytesPerSecond: 2000,
  };

  it.each<[string, Partial<StallEvidence>, string]>([
    ["in post-copy always postcopyStalled", { postCopy: true, sampled: false }, "postcopyStalled"],
    ["no answer from libvirt: noStats", { sampled: false }, "noStats"],
    ["no byte yet: notStarted", { started: false, sinceLastByteMs: 9e9 }, "notStarted"],
    ["bytes still for 499 ms: QEMU's bursts", { sinceLastByteMs: 499 }, "notConverging"],
    ["bytes still for 500 ms: noData", { sinceLastByteMs: BYTES_STILL_AFTER_MS }, "noData"],
    ["a byte below 90 % of the cap: notConverging", {}, "notConverging"],
    ["exactly 90 % of the cap: throttled", { bytesPerSecond: 900 }, "throttled"],
    ["above the cap: throttled", { bytesPerSecond: 1100 }, "throttled"],
    [
      "at a cap that is the maximum: more sharing would not help",
      { bytesPerSecond: 1000, maxBytesPerSecond: 1000 },
      "notConverging",
    ],
    ["no rate known: notConverging", { bytesPerSecond: undefined }, "notConverging"],
  ])("%s", (_name, fields, reason) => {
    expect(stallReason({ ...evidence, ...fields })).toBe(reason);
  });
});

describe("the hard limit of 10 s needs time and evidence", () => {
  const since = (advanceMs: number, byteMs: number, unproductiveInARow: number): Advance => ({
    ...advanceFrom(0),
    lastAdvanceAtMs: 100_000 - advanceMs,
    lastByteAtMs: 100_000 - byteMs,
    unproductiveInARow,
  });

  it.each([
    ["just below the time, all evidence there: no", since(9_999, 9_999, 5), false],
    ["at the time, nothing sent as long: yes", since(10_000, 10_000, 0), true],
    ["at the time, sending, no unproductive pass: no", since(10_000, 0, 0), false],
    ["at the time, sending, one unproductive pass: no", since(99_000, 0, 1), false],
    ["at the time, sending, the second has begun: yes", since(10_000, 0, 2), true],
    ["at the time, a byte just short of it, one pass: no", since(10_000, 9_999, 1), false],
    ["nothing sent, but the clock was started anew: no", since(9_999, 50_000, 9), false],
  ])("%s", (_name, advance, reached) => {
    expect(progressTimeoutReached(advance, 10_000, true, 100_000)).toBe(reached);
  });

  it.each([
    ["unproductive passes alone: no", since(10_000, 0, 9), false],
    ["nothing sent as long: yes", since(10_000, 10_000, 0), true],
  ])("left to a schedule that names an abort: %s", (_name, advance, reached) => {
    expect(progressTimeoutReached(advance, 10_000, false, 100_000)).toBe(reached);
  });
});

const OWN = { limits: { ...LIMITS, stallingLimitMs: 1_000, progressTimeoutMs: 10_000 } };

interface View {
  readonly stats?: JobStats;
  readonly fields?: Partial<CycleInput>;
}

/** Cycles of a second each. */
function cycles(run: Run, seconds: number, { stats, fields }: View): string[] {
  return Array.from({ length: seconds }, () => {
    run.nowMs += 1_000;
    return kinds(run.cycle(stats ?? null, fields));
  }).flat();
}

const DONE = sample({ processedMiB: 10, remainingMiB: 0 });

describe("in its last step", () => {
  it.each<[string, (run: Run) => void, View]>([
    ["nothing remains", (run) => run.cycle(DONE), { stats: DONE }],
    ["nothing remained, and libvirt says nothing of the VM", (run) => run.cycle(DONE), {}],
    [
      "it stands for the switchover, and libvirt says nothing",
      () => {},
      { fields: { runState: "switching" } },
    ],
    ["the VM is not here any more", () => {}, { fields: { gone: true } }],
    ["libvirt said that it has left", (run) => run.give({ kind: "stoppedByJob" }), {}],
    [
      "libvirt said that the job is complete",
      (run) => run.give({ kind: "jobCompleted", stats: { ...DONE, type: "completed" } }),
      {},
    ],
  ])("%s: no stall event", (_name, before, view) => {
    const run = inPhase("running", OWN);
    before(run);
    cycles(run, 9, view);
    expect(run.events("stalling")).toEqual([]);
  });

  it("one that hangs there is ended by the hard limit all the same", () => {
    const run = inPhase("running", OWN);
    run.cycle(DONE);
    expect(cycles(run, 10, {})).toContain("abort");
    expect(run.events("stalling")).toMatchObject([{ stalling: { aborting: true } }]);
  });
});

describe("not in its last step", () => {
  it.each<[string, View]>([
    ["libvirt says nothing", {}],
    [
      "it stands for the switchover, and bytes that remain stand still",
      { fields: { runState: "switching" }, stats: sample({ remainingMiB: 3 }) },
    ],
  ])("%s: a stall is said", (_name, view) => {
    const run = inPhase("running", OWN);
    cycles(run, 3, view);
    expect(run.events("stalling").length).toBeGreaterThan(0);
  });

  it("a stall that was said and is over is said to be over, though nothing remains", () => {
    const run = inPhase("running", OWN);
    cycles(run, 3, {});
    run.nowMs += 1_000;
    run.cycle(DONE);
    expect(run.events("stalling").at(-1)).toMatchObject({ stalling: { progressing: true } });
  });
});
