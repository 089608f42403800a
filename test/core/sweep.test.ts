/**
 * Sweeps: when everything that was dirty at some moment has been handled, however QEMU counts its
 * passes, and what that means for the verdict on a pass. One synchronisation of the dirty bitmap a pass
 * is QEMU up to 9.1; from 9.2 on, with auto-converge, there is one every 5 s in mid-sweep.
 */
import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { PRODUCTIVE_SHARE, advanceFrom, isNews } from "../../src/core/advance.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import type { Advance } from "../../src/core/migration.ts";
import { MIB_BYTES } from "../../src/core/units.ts";
import { migrationSchema } from "../../src/monitor/recovery/schema.ts";
import { nextDaemon, observed, Run, sample } from "./fixtures.ts";

const PAGE_BYTES = 4_096;
const pages = (mib: number): number => (mib * MIB_BYTES) / PAGE_BYTES;

interface Seen {
  readonly iteration: number;
  readonly remainingMiB: number;
  /** Pages that were sent whole, that were zero, and that went through the cache. */
  readonly handledMiB: number;
  readonly constantMiB?: number;
  readonly compressedMiB?: number;
  readonly processedMiB?: number;
}

function stats(seen: Seen): JobStats {
  return sample({
    dataTotalBytes: 100 * MIB_BYTES,
    memoryIteration: seen.iteration,
    remainingMiB: seen.remainingMiB,
    processedMiB: seen.processedMiB ?? seen.handledMiB,
    memoryRemainingBytes: seen.remainingMiB * MIB_BYTES,
    pageSizeBytes: PAGE_BYTES,
    normalPages: pages(seen.handledMiB),
    constantPages: pages(seen.constantMiB ?? 0),
    ...(seen.compressedMiB === undefined ? {} : { compressedPages: pages(seen.compressedMiB) }),
  });
}

/** A boundary that was seen at once, a second after the sample before. */
function boundary(before: Advance, seen: Seen): Advance {
  const { iteration } = seen;
  const atMs = before.sampledAtMs + 1_000;
  return observed(before, {
    stats: stats(seen),
    atMs,
    passStart: { iteration, tookMs: 1 },
  });
}

function poll(before: Advance, seen: Seen): Advance {
  return observed(before, { stats: stats(seen), atMs: before.sampledAtMs + 1_000 });
}

/** 100 MiB, of which pass 2 has 80: its sweep ends with 180 MiB handled. */
function inPass2(): Advance {
  const first = boundary(advanceFrom(0), { iteration: 1, remainingMiB: 100, handledMiB: 0 });
  return boundary(first, { iteration: 2, remainingMiB: 80, handledMiB: 100 });
}

describe("a pass that is not smaller", () => {
  it.each([
    ["in mid-sweep: undecided, and bytes are advance", 130, "undecided", 0, 3_000],
    ["a page before the sweep is done: the same", 180 - 1 / 256, "undecided", 0, 3_000],
    ["with the sweep done: unproductive, and bytes are none", 180, "unproductive", 1, 2_000],
  ] as const)("%s", (_name, handledMiB, verdict, unproductiveInARow, lastAdvanceAtMs) => {
    const after = boundary(inPass2(), { iteration: 3, remainingMiB: 78, handledMiB });
    expect(after).toMatchObject({ verdict, unproductiveInARow, lastAdvanceAtMs });
  });

  it("a smaller one in mid-sweep is productive, and a sweep begins anew with it", () => {
    const smaller = boundary(inPass2(), { iteration: 3, remainingMiB: 70, handledMiB: 130 });
    expect(smaller.verdict).toBe("productive");
    const same = boundary(smaller, { iteration: 4, remainingMiB: 70, handledMiB: 190 });
    expect(same).toMatchObject({ verdict: "undecided", lastAdvanceAtMs: 4_000 });
  });

  it("of an unknown size in mid-sweep: bytes are advance, and a poll proves nothing", () => {
    const low = poll(inPass2(), { iteration: 3, remainingMiB: 60, handledMiB: 120 });
    const high = poll(low, { iteration: 4, remainingMiB: 79, handledMiB: 140 });
    expect([low.verdict, high.verdict]).toEqual(["undecided", "undecided"]);
    expect(high).toMatchObject({ unproductiveInARow: 0, lastAdvanceAtMs: 4_000 });
  });
});

describe("two pieces of evidence lie a sweep apart", () => {
  const first = () => boundary(inPass2(), { iteration: 3, remainingMiB: 80, handledMiB: 181 });

  it.each([
    ["5 s later: still one", 200, 1],
    ["a sweep later: two", 261, 2],
  ])("%s", (_name, handledMiB, unproductiveInARow) => {
    const after = boundary(first(), { iteration: 4, remainingMiB: 80, handledMiB });
    expect(after).toMatchObject({ unproductiveInARow, lastAdvanceAtMs: 2_000 });
  });

  it("a productive one in between wipes the first", () => {
    const smaller = boundary(first(), { iteration: 4, remainingMiB: 70, handledMiB: 200 });
    expect(smaller).toMatchObject({ unproductiveInARow: 0, lastAdvanceAtMs: 4_000 });
  });

  it.each([
    ["within one sweep: none", 179, 0],
    ["more than one sweep: as many as there can have been", 180 + 80, 1],
    ["never more than passes", 2_000, 3],
  ])("passes that nobody saw, %s", (_name, handledMiB, unproductiveInARow) => {
    const after = poll(inPass2(), { iteration: 6, remainingMiB: 20, handledMiB });
    expect(after).toMatchObject({ unproductiveInARow, pass: 6 });
  });
});

describe("what counts as handled", () => {
  it("zero pages, which cost no bytes", () => {
    const seen = { remainingMiB: 80, handledMiB: 101, constantMiB: 79, processedMiB: 101 };
    expect(boundary(inPass2(), { iteration: 3, ...seen }).verdict).toBe("unproductive");
  });

  it("pages that went through the cache", () => {
    const seen = { remainingMiB: 80, handledMiB: 120, compressedMiB: 60, processedMiB: 121 };
    expect(boundary(inPass2(), { iteration: 3, ...seen }).verdict).toBe("unproductive");
  });

  it("pages that drop out unhandled end the sweep sooner", () => {
    const hinted = poll(inPass2(), { iteration: 2, remainingMiB: 10, handledMiB: 110 });
    const after = boundary(hinted, { iteration: 3, remainingMiB: 80, handledMiB: 121 });
    expect(after.verdict).toBe("unproductive");
  });

  it("bytes processed stand in while only disks are copied, and count no longer with memory", () => {
    const disks = (processedMiB: number, remainingMiB: number): JobStats => {
      const { memoryIteration: _, ...rest } = sample({ processedMiB, remainingMiB });
      return { ...rest, memoryRemainingBytes: 0 };
    };
    let advance = observed(advanceFrom(0), { stats: disks(0, 900), atMs: 1_000 });
    advance = observed(advance, { stats: disks(899, 1), atMs: 2_000 });
    expect(advance.sweep).toMatchObject({ inPages: false, handledBytes: 899 * MIB_BYTES });
    advance = poll(advance, { iteration: 1, remainingMiB: 100, handledMiB: 0 });
    const endBytes = 100 * MIB_BYTES;
    expect(advance.sweep).toMatchObject({ inPages: true, handledBytes: 0, endBytes });
  });

  it("one sample without page counts is no news", () => {
    const before = inPass2();
    const after = observed(before, {
      stats: sample({ memoryIteration: 2, processedMiB: 150, remainingMiB: 30 }),
      atMs: 9_000,
    });
    expect(after.sweep.handledBytes).toBe(before.sweep.handledBytes);
  });
});

it("with one synchronisation a pass a sweep is a pass, whatever the sizes", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 25_600 }), { minLength: 2, maxLength: 30 });
  fc.assert(
    fc.property(sizes, fc.boolean(), (sizesInPages, counted) => {
      let advance = advanceFrom(0);
      let bestPages = 0;
      let handledPages = 0;
      sizesInPages.forEach((sizePages, i) => {
        const seen = {
          iteration: i + 1,
          remainingMiB: sizePages / 256,
          handledMiB: handledPages / 256,
        };
        const all = stats(seen);
        const { normalPages: _, ...uncounted } = all;
        const dataTotalBytes = i === 0 ? sizePages * PAGE_BYTES : all.dataTotalBytes;
        const passStart = { iteration: i + 1, tookMs: 1 };
        advance = observed(advance, {
          stats: { ...(counted ? all : uncounted), dataTotalBytes },
          atMs: i * 1_000,
          passStart,
        });
        const productive = i === 0 || sizePages <= bestPages * PRODUCTIVE_SHARE;
        if (productive) bestPages = sizePages;
        handledPages += sizePages;
        expect(advance.verdict).toBe(productive ? "productive" : "unproductive");
        expect(advance.sweep.number).toBe(advance.pass);
      });
    }),
  );
});

describe("a pass that began is a reason to look at once", () => {
  it.each([
    ["in mid-sweep, not smaller: no", 78, 130, false],
    ["in mid-sweep, smaller: yes", 70, 130, true],
    ["with a sweep done, not smaller: yes", 78, 181, true],
  ])("%s", (_name, remainingMiB, handledMiB, news) => {
    const before = inPass2();
    const after = boundary(before, { iteration: 3, remainingMiB, handledMiB });
    expect(isNews(before, after)).toBe(news);
  });
});

describe("a daemon of before sweeps left its journal", () => {
  it("each pass was one, and the next sample begins another", () => {
    const run = new Run({ vmId: "11111111-1111-4111-8111-111111111111" });
    run.give({ kind: "admitted" });
    const { sweep: _, ...advance } = { ...inPass2(), unproductiveInARow: 1 };
    const old = { ...run.migration, callAtMs: 0, phase: "running", advance };
    const loaded = v.parse(migrationSchema, JSON.parse(JSON.stringify(old)));
    const { advance: taken } = nextDaemon(loaded, "daemonDown", 5_000);
    expect(taken?.sweep).toMatchObject({ number: 2, endBytes: null });
    if (taken === null) throw new Error("no advance");
    const next = poll(taken, { iteration: 5, remainingMiB: 99, handledMiB: 300 });
    expect(next).toMatchObject({ verdict: "undecided", unproductiveInARow: 1 });
    const endBytes = 399 * MIB_BYTES;
    expect(next.sweep).toMatchObject({ number: 2, endBytes, nextBytes: endBytes });
  });
});
