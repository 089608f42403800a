/** QEMU's passes: what they cost, when they end, and that the steps in which time goes by do not matter. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DirtyLog,
  type MemoryShape,
  PAGE_BYTES,
} from "../../../src/hypervisor/simulated/guest-memory.ts";
import { RamStream } from "../../../src/hypervisor/simulated/ram-stream.ts";

const MIB_PAGES = 256;
const OPTIONS = { zeroPagesPerSecond: 1_000_000, compressed: false };
const RATE = 16 * 1024 * 1024;

const shape: fc.Arbitrary<MemoryShape> = fc
  .record({
    still: fc.nat({ max: 64 * MIB_PAGES }),
    zeroPages: fc.nat({ max: 64 * MIB_PAGES }),
    sets: fc.array(
      fc.record({
        pages: fc.integer({ min: 1, max: 16 * MIB_PAGES }),
        writesPerSecond: fc.nat({ max: 40 * MIB_PAGES }),
        order: fc.constantFrom("sweep" as const, "random" as const),
        deltaBytes: fc.constant(64),
      }),
      { maxLength: 3 },
    ),
  })
  .map(({ still, zeroPages, sets }) => ({
    pages: still + zeroPages + sets.reduce((sum, { pages }) => sum + pages, 0),
    zeroPages,
    sets,
  }));

/** Everything goes on for `ms`, in steps of the given shares of it. */
function goOn(stream: RamStream, log: DirtyLog, ms: number, shares: readonly number[]): void {
  const whole = shares.reduce((sum, share) => sum + share, 0);
  for (const share of shares) {
    const stepMs = (ms * share) / whole;
    stream.send(stepMs, RATE);
    log.run(stepMs, 1);
  }
}

describe("RamStream", () => {
  it("comes to the same in one step and in many", () => {
    const parts = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(shape, parts, fc.integer({ min: 1, max: 9000 }), (memory, shares, ms) => {
        const [one, many] = [[1], shares].map((steps) => {
          const log = new DirtyLog(memory.sets);
          const stream = new RamStream(memory, log, OPTIONS);
          goOn(stream, log, ms, steps);
          const fresh = stream.look();
          goOn(stream, log, ms, steps);
          return [fresh, stream.leftPages, stream.sentBytes, stream.sent.whole, stream.sent.zero];
        });
        for (const [at, figure] of one?.entries() ?? []) expect(many?.[at]).toBeCloseTo(figure, 3);
      }),
      { numRuns: 50 },
    );
  });

  it("keeps to its rate, and loses no page", () => {
    fc.assert(
      fc.property(shape, fc.integer({ min: 1, max: 20_000 }), (memory, ms) => {
        const stream = new RamStream(memory, new DirtyLog(memory.sets), OPTIONS);
        stream.send(ms, RATE);
        expect(stream.sentBytes).toBeLessThanOrEqual((RATE * ms) / 1000 + 1);
        const { whole, zero, delta } = stream.sent;
        expect(whole + zero + delta + stream.leftPages).toBeCloseTo(memory.pages, 3);
      }),
      { numRuns: 50 },
    );
  });

  it("looks when what is left fits into the downtime, at the rate that it measured", () => {
    const memory = { pages: 64 * MIB_PAGES, zeroPages: 0, sets: [] };
    const stream = new RamStream(memory, new DirtyLog([]), OPTIONS);
    const looksInMs = stream.looksInMs(RATE, 500);
    stream.send(looksInMs, RATE);

    // 16 MiB/s for half a second; at most a slice more has gone by then.
    expect(stream.fits(500)).toBe(true);
    expect(stream.fits(400)).toBe(false);
    expect((stream.leftPages * PAGE_BYTES) / 1024 / 1024).toBeGreaterThan(8 - 1.6);
  });

  it.each([
    { order: "sweep", left: 4, MiB: 8 },
    // The 4 that are still to be sent are as likely among the 8 written as any.
    { order: "random", left: 4, MiB: 6.3 * 0.75 },
  ] as const)(
    "$order: $left MiB still to be sent, $MiB more after a look",
    ({ order, left, MiB }) => {
      const set = { pages: 16 * MIB_PAGES, writesPerSecond: 4 * MIB_PAGES, order, deltaBytes: 0 };
      const log = new DirtyLog([set]);
      const stream = new RamStream({ pages: set.pages, zeroPages: 0, sets: [set] }, log, OPTIONS);
      stream.send((16 - left) * 62.5 * (4104 / 4096), RATE);
      log.run(2000, 1);

      expect(stream.leftPages / MIB_PAGES).toBeCloseTo(left, 3);
      expect(stream.look() / MIB_PAGES).toBeCloseTo(MiB, 1);
    },
  );

  it.each([
    { order: "sweep", ms: 2000, MiB: 8 },
    { order: "sweep", ms: 8000, MiB: 16 },
    // 16 x (1 - e^-0.5)
    { order: "random", ms: 2000, MiB: 6.3 },
    { order: "random", ms: 60_000, MiB: 16 },
  ] as const)("$order: 4 MiB/s over 16 MiB dirties $MiB MiB in $ms ms", ({ order, ms, MiB }) => {
    const set = { pages: 16 * MIB_PAGES, writesPerSecond: 4 * MIB_PAGES, order, deltaBytes: 0 };
    const log = new DirtyLog([set]);
    const stream = new RamStream({ pages: set.pages, zeroPages: 0, sets: [set] }, log, OPTIONS);
    stream.send(2000, RATE);
    log.run(ms, 1);

    expect(stream.look() / MIB_PAGES).toBeCloseTo(MiB, 1);
  });

  it("does not look more often than QEMU sends slices, however little is left", () => {
    const set = { pages: 1024, writesPerSecond: 1e6, order: "sweep", deltaBytes: 0 } as const;
    const log = new DirtyLog([set]);
    const stream = new RamStream({ pages: 1024, zeroPages: 0, sets: [set] }, log, OPTIONS);
    for (let pass = 1; pass < 20; pass++) {
      const inMs = stream.looksInMs(RATE, 249);
      expect(inMs).toBeGreaterThanOrEqual(100);
      stream.send(inMs, RATE);
      log.run(inMs, 1);
      stream.look();
    }
  });

  it("never ends at no rate", () => {
    const stream = new RamStream({ pages: 10, zeroPages: 5, sets: [] }, new DirtyLog([]), OPTIONS);
    expect(stream.looksInMs(0, 500)).toBe(Infinity);
    stream.send(1000, 0);
    expect(stream.leftPages).toBe(10);
  });

  it("with xbzrle a page that is sent again costs what changed in it", () => {
    const set = { pages: 1000, writesPerSecond: 1e6, order: "sweep", deltaBytes: 50 } as const;
    const log = new DirtyLog([set]);
    const memory = { pages: 1000, zeroPages: 0, sets: [set] };
    const stream = new RamStream(memory, log, { ...OPTIONS, compressed: true });
    stream.send(10_000, RATE);
    const before = stream.sentBytes;
    log.run(1000, 1);
    stream.look();
    stream.send(10_000, RATE);

    expect(stream.sent).toMatchObject({ whole: 1000, zero: 0 });
    expect(stream.sent.delta).toBeCloseTo(1000, 6);
    expect(stream.sentBytes - before).toBeCloseTo(61_000, 3);
  });
});
