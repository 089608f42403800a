/**
 * Passes and advance: which pass is productive, what a poll may prove and what it may not, and which
 * samples move the clock. The aliasing figures were measured (src/docs/libvirt.md). Sizes in MiB,
 * times in ms.
 */
import { describe, expect, it } from "vitest";
import {
  ESTIMATE_VALID_AFTER_MS,
  PASS_START_SAMPLE_MAX_MS,
  PRODUCTIVE_SHARE,
  advanceFrom,
  observePostCopy,
  restartClock,
} from "../../src/core/advance.ts";
import { type JobStats, estimatedPassSizeBytes } from "../../src/core/job-stats.ts";
import type { Advance } from "../../src/core/migration.ts";
import { MIB_BYTES } from "../../src/core/units.ts";
import { estimate, NOT_BEGUN, observed, sample } from "./fixtures.ts";

/** Pass 1 of `bestMiB`, whole, and then the clock at 1000 ms. */
function afterPass1(bestMiB = 100, firstIteration = 1): Advance {
  const dataTotalBytes = bestMiB * MIB_BYTES;
  return observed(advanceFrom(0), {
    stats: sample({
      dataTotalBytes,
      memoryIteration: firstIteration,
      processedMiB: 100,
      remainingMiB: 0,
    }),
    atMs: 1000,
  });
}

/** The sample taken at once on the event of iteration `iteration`. */
function event(iteration: number, remainingMiB: number, processedMiB: number, atMs: number) {
  const stats = sample({ memoryIteration: iteration, remainingMiB, processedMiB });
  return { stats, atMs, passStart: { iteration, tookMs: 1 } };
}

function poll(iteration: number, remainingMiB: number, processedMiB: number, atMs: number) {
  return { stats: sample({ memoryIteration: iteration, remainingMiB, processedMiB }), atMs };
}

describe("before the first data", () => {
  it("nothing is known and nothing advances", () => {
    const advance = observed(advanceFrom(5), { stats: NOT_BEGUN, atMs: 900 });
    expect(advance).toEqual(advanceFrom(5));
  });

  it("a first sample without a byte begins pass 1 but is no advance", () => {
    const stats = sample({ processedMiB: 0 });
    const advance = observed(advanceFrom(0), { stats, atMs: 900 });
    expect(advance).toMatchObject({ pass: 1, lastAdvanceAtMs: 0, lastByteAtMs: 0 });
  });
});

describe("pass 1", () => {
  it.each([
    ["one byte more is advance", 1, 2000],
    ["no byte more is none", 0, 1000],
  ])("%s", (_name, moreBytes, lastAdvanceAtMs) => {
    const before = afterPass1();
    const stats = { ...sample(), dataProcessedBytes: before.processedBytes + moreBytes };
    const after = observed(before, { stats, atMs: 2000 });
    expect(after).toMatchObject({ pass: 1, lastAdvanceAtMs });
  });

  it("its size is the total and it counts as productive", () => {
    expect(afterPass1(100)).toMatchObject({
      passSizeBytes: 100 * MIB_BYTES,
      bestPassBytes: 100 * MIB_BYTES,
      verdict: "productive",
    });
  });

  it("a counter that goes back and comes up again is no advance", () => {
    const back = observed(afterPass1(), poll(1, 50, 40, 2000));
    const again = observed(back, poll(1, 50, 100, 3000));
    expect(again).toMatchObject({ lastAdvanceAtMs: 1000, lastByteAtMs: 1000 });
  });

  it("an estimate means nothing there", () => {
    const stats = sample({ ...estimate(300), processedMiB: 101 });
    const after = observed(afterPass1(), { stats, atMs: 5000 });
    expect(after.passSizeBytes).toBe(100 * MIB_BYTES);
  });

  it.each([0, 1, 7])("may be numbered %i in a job after a cancelled one", (first) => {
    const before = afterPass1(100, first);
    expect(before.pass).toBe(1);
    const second = observed(before, event(first + 1, 50, 120, 2000));
    expect(second).toMatchObject({ pass: 2, verdict: "productive" });
  });

  it("may come without memory_iteration, as in a save", () => {
    const { memoryIteration: _, ...stats } = sample();
    const first = observed(advanceFrom(0), { stats, atMs: 10 });
    const more = { ...stats, dataProcessedBytes: 9 * MIB_BYTES };
    expect(observed(first, { stats: more, atMs: 20 })).toMatchObject({
      pass: 1,
      lastAdvanceAtMs: 20,
    });
  });
});

describe("a later pass is productive from 5 % below the last productive one", () => {
  const limitBytes = 100 * MIB_BYTES * PRODUCTIVE_SHARE;

  it("the share is the documented one", () => {
    expect(PRODUCTIVE_SHARE).toBe(0.95);
  });

  it.each([
    ["a byte below the limit: productive", limitBytes - 1, "productive", 2000, 0],
    ["exactly 5 % smaller: productive", limitBytes, "productive", 2000, 0],
    ["a byte above the limit: not", limitBytes + 1, "unproductive", 1000, 1],
    ["equal: not", 100 * MIB_BYTES, "unproductive", 1000, 1],
    ["larger: not", 130 * MIB_BYTES, "unproductive", 1000, 1],
  ] as const)("%s", (_name, bytes, verdict, lastAdvanceAtMs, unproductiveInARow) => {
    const base = event(2, 0, 101, 2000);
    const stats: JobStats = { ...base.stats, dataRemainingBytes: bytes };
    const after = observed(afterPass1(100), { ...base, stats });
    expect(after).toMatchObject({ verdict, lastAdvanceAtMs, unproductiveInARow });
  });

  it("passes each 3 % smaller add up: every second one is productive", () => {
    let advance = afterPass1(100);
    const verdicts: string[] = [];
    for (let i = 1; i <= 6; i += 1) {
      advance = observed(advance, event(i + 1, 100 * 0.97 ** i, i * 100, 1000 + i * 1000));
      verdicts.push(advance.verdict);
    }
    const [no, yes] = ["unproductive", "productive"];
    expect(verdicts).toEqual([no, yes, no, yes, no, yes]);
  });

  it("an unproductive pass does not move the reference", () => {
    const larger = observed(afterPass1(100), event(2, 140, 110, 2000));
    const back = observed(larger, event(3, 96, 250, 3000));
    expect(back).toMatchObject({ verdict: "unproductive", bestPassBytes: 100 * MIB_BYTES });
  });

  it("advance ends with the start of an unproductive pass and comes back with a productive one", () => {
    const equal = observed(afterPass1(100), event(2, 100, 110, 2000));
    const sending = observed(equal, poll(2, 40, 150, 3000));
    expect(sending).toMatchObject({ lastAdvanceAtMs: 1000, lastByteAtMs: 3000 });
    const smaller = observed(sending, event(3, 60, 160, 4000));
    expect(smaller).toMatchObject({ lastAdvanceAtMs: 4000, unproductiveInARow: 0 });
  });

  it("a productive pass that sends no byte is no advance", () => {
    const productive = observed(afterPass1(100), event(2, 50, 110, 2000));
    const still = observed(productive, poll(2, 50, 110, 3000));
    expect(still).toMatchObject({ lastAdvanceAtMs: 2000, bytesMoving: false });
  });
});

describe("what a poll may prove", () => {
  it("polls of a 31.91 MiB pass at ever lower points never make a pass productive", () => {
    let advance = observed(afterPass1(128), event(2, 31.91, 128, 2000));
    expect(advance.verdict).toBe("productive");
    [18.66, 14.83, 11.0, 7.16, 3.33].forEach((remainingMiB, i) => {
      advance = observed(advance, poll(3 + i, remainingMiB, 160 + i * 32, 4000 + i * 2000));
      expect(advance.verdict).toBe("unknown");
      expect(advance.lastAdvanceAtMs).toBe(2000);
    });
    expect(advance.unproductiveInARow).toBe(4);
    expect(advance.bestPassBytes).toBe(31.91 * MIB_BYTES);
  });

  it("within one pass neither do they", () => {
    let advance = afterPass1(31.91);
    for (const remainingMiB of [18.66, 14.83, 11.0, 7.16, 3.33]) {
      advance = observed(advance, poll(2, remainingMiB, 150 - remainingMiB, 5000));
    }
    expect(advance).toMatchObject({ verdict: "unknown", lastAdvanceAtMs: 1000 });
  });

  it("a poll above the limit proves a pass unproductive, once", () => {
    const first = observed(afterPass1(100), poll(2, 95.5, 101, 2000));
    const second = observed(first, poll(2, 95.2, 102, 2100));
    expect(first).toMatchObject({ verdict: "unproductive", unproductiveInARow: 1 });
    expect(second.unproductiveInARow).toBe(1);
  });

  it.each([
    ["at once: the pass's size", PASS_START_SAMPLE_MAX_MS, "productive"],
    ["later than that: a lower bound only", PASS_START_SAMPLE_MAX_MS + 1, "unknown"],
  ])("the event's sample took %s", (_name, tookMs, verdict) => {
    const late = { ...event(2, 50, 110, 2000), passStart: { iteration: 2, tookMs } };
    expect(observed(afterPass1(100), late).verdict).toBe(verdict);
  });

  it("a sample that already shows the next pass is not the start of the one announced", () => {
    const late = { ...poll(3, 50, 110, 2000), passStart: { iteration: 2, tookMs: 5 } };
    expect(observed(afterPass1(100), late).verdict).toBe("unknown");
  });

  it("a sample older than the last one changes nothing", () => {
    const before = observed(afterPass1(100), poll(2, 50, 110, 2000));
    expect(observed(before, event(2, 60, 120, 1999))).toBe(before);
  });
});

describe("QEMU's own figure, where the event was missed", () => {
  const seen = observed(afterPass1(100), poll(2, 40, 101, 2000));

  it("is valid after the documented time", () => {
    expect(ESTIMATE_VALID_AFTER_MS).toBe(150);
  });

  it.each([
    ["at 149 ms of the pass it means nothing", 149, 60, 30, "unknown"],
    ["at 150 ms it is the size", 150, 60, 30, "productive"],
    ["at 151 ms too", 151, 60, 30, "productive"],
    ["equal to what remains it is still possible", 500, 30, 30, "productive"],
    ["below what remains it is impossible", 500, 29, 30, "unknown"],
    ["exactly 5 % smaller is productive", 500, 95, 30, "productive"],
    ["too large is unproductive, whatever the poll shows", 500, 96, 30, "unproductive"],
  ])("%s", (_name, afterMs, sizeMiB, remainingMiB, verdict) => {
    const stats = sample({
      memoryIteration: 2,
      remainingMiB,
      processedMiB: 102,
      ...estimate(sizeMiB),
    });
    const after = observed(seen, { stats, atMs: 2000 + afterMs });
    expect(after.verdict).toBe(verdict);
    expect(after.lastAdvanceAtMs).toBe(verdict === "productive" ? 2000 + afterMs : 1000);
  });

  it.each([
    ["no downtime", { memoryBytesPerSecond: 1 }],
    ["no rate", { downtimeMs: 1 }],
    ["neither", {}],
  ])("is absent with %s", (_name, fields) => {
    expect(estimatedPassSizeBytes(sample(fields))).toBeUndefined();
  });

  it("is downtime x rate: 66 ms at 16 MiB/s is 1.056 MiB", () => {
    const stats = sample({ remainingMiB: 1, downtimeMs: 66, memoryBytesPerSecond: 16 * MIB_BYTES });
    expect(estimatedPassSizeBytes(stats)).toBeCloseTo(1.056 * MIB_BYTES, 3);
  });
});

describe("missed passes", () => {
  it.each([
    ["none missed, the last one known", "unproductive", 3, 1],
    ["two missed and the last one unknown: three without advance", "unknown", 5, 3],
  ])("%s", (_name, verdict, iteration, unproductiveInARow) => {
    const second = observed(afterPass1(100), poll(2, verdict === "unknown" ? 50 : 99, 101, 2000));
    expect(second.verdict).toBe(verdict);
    const later = observed(second, poll(iteration, 50, 400, 3000));
    expect(later).toMatchObject({ unproductiveInARow, pass: iteration, verdict: "unknown" });
  });

  it("a productive pass after them wipes the count", () => {
    const skipped = observed(afterPass1(100), poll(6, 50, 101, 2000));
    const productive = observed(skipped, event(7, 60, 102, 3000));
    expect(productive).toMatchObject({ unproductiveInARow: 0, lastAdvanceAtMs: 3000 });
  });

  it("an iteration number that goes back keeps the pass", () => {
    const third = observed(afterPass1(100), event(3, 50, 101, 2000));
    expect(observed(third, poll(2, 40, 102, 3000)).pass).toBe(3);
  });
});

describe("post-copy and the clock", () => {
  it.each([
    ["a byte is advance, whatever the pass", 111, 3000],
    ["no byte is none", 110, 1000],
  ])("%s", (_name, processedMiB, lastAdvanceAtMs) => {
    const unproductive = observed(afterPass1(100), event(2, 100, 110, 2000));
    const after = observePostCopy(unproductive, poll(2, 90, processedMiB, 3000));
    expect(after.lastAdvanceAtMs).toBe(lastAdvanceAtMs);
  });

  it("restarting the clock changes nothing else", () => {
    const before = observed(afterPass1(100), event(2, 100, 110, 2000));
    expect(restartClock(before, 9000)).toEqual({ ...before, lastAdvanceAtMs: 9000 });
  });

  it("an answer older than the restart does not set the clock back", () => {
    const restarted = restartClock(afterPass1(100), 5000);
    expect(observed(restarted, poll(1, 50, 120, 4000)).lastAdvanceAtMs).toBe(5000);
  });
});
