/**
 * What holds for every sequence of inputs, in whatever order: also such as no daemon would produce,
 * since a bug elsewhere must not make the core abort a guest in post-copy. fast-check, few runs.
 */
import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { floorMiBps, nextCap, shareMiBps } from "../../src/core/bandwidth.ts";
import { DOWNTIME_MIN_MS, downtimeStepsMs } from "../../src/core/downtime.ts";
import { READ_SPACING_MS } from "../../src/core/evidence.ts";
import type { Input, Location } from "../../src/core/input.ts";
import type { Migration } from "../../src/core/migration.ts";
import { step } from "../../src/core/step.ts";
import { wholeState } from "../../src/monitor/recovery/state.ts";
import { nextDaemon } from "./fixtures.ts";
import { migrationSchema } from "../../src/monitor/recovery/schema.ts";
import {
  always,
  destination,
  LEFT_PAUSED_COPY,
  number,
  play,
  RUNS,
  sequence,
  settlingSequence,
  type Move,
} from "./sequences.ts";

describe("whatever comes, in whatever order", () => {
  it("the same inputs give the same states and effects, and nothing throws", () => {
    fc.assert(
      fc.property(fc.boolean(), sequence, (file, sequenceOfMoves) => {
        expect(play(file, sequenceOfMoves)).toEqual(play(file, sequenceOfMoves));
      }),
      { numRuns: RUNS },
    );
  });

  it("they replay to the same state, also from a file that holds them and each state in between", () => {
    fc.assert(
      fc.property(fc.boolean(), sequence, (file, moves) => {
        const moments = play(file, moves);
        const first = moments[0]?.before;
        if (first === undefined) return;
        let migration = written(first);
        for (const { input, nowMs, after } of moments) {
          migration = written(step(migration, written(input), nowMs).migration);
          expect(migration).toEqual(written(after));
        }
      }),
      { numRuns: RUNS },
    );
  });

  it("a paused copy is destroyed only if two looks, a second apart, said that the guest runs over there", () => {
    let destroyed = 0;
    eachSettling((moments) => {
      const places = moments.filter(({ input }) => input?.kind === "location");
      for (const { effects } of moments.filter(({ input }) => input?.kind !== "location")) {
        expect(effects.map(({ kind }) => kind)).not.toContain("destroyPausedCopy");
      }
      for (const [at, { effects }] of places.entries()) {
        if (!effects.some(({ kind }) => kind === "destroyPausedCopy")) continue;
        destroyed += 1;
        expect([places[at - 1]?.input, places[at]?.input]).toMatchObject([
          { location: LEFT_PAUSED_COPY },
          { location: LEFT_PAUSED_COPY },
        ]);
        const others = places.findLastIndex(({ input }, n) => n < at && !isLeftPausedCopy(input));
        const first = places[others + 1]?.nowMs ?? 0;
        expect((places[at]?.nowMs ?? 0) - first).toBeGreaterThanOrEqual(READ_SPACING_MS);
      }
    });
    expect(destroyed).toBeGreaterThan(0);
  });
});

describe("a daemon that is killed at any moment", () => {
  const COMES_NEXT: readonly Input[] = [
    { kind: "admitted" },
    { kind: "location", location: LEFT_PAUSED_COPY, record: null },
    { kind: "cancel" },
    {
      kind: "cycle",
      timer: true,
      sample: null,
      sourceMigrations: 1,
      destination: { kind: "unknown", silentQueries: 0 },
    },
    { kind: "location", location: { ...LEFT_PAUSED_COPY, source: "notActive" }, record: null },
  ];

  it("leaves a state that its journal gives back as it was, but for what was in flight", () => {
    always(({ after }) => {
      const sample = { ...after.sample, answered: false };
      expect(journaled(after)).toEqual({ ...after, pending: [], sample });
    });
  });

  it.each([
    ["the same boot", "daemonDown" as const],
    ["another boot", "hostDown" as const],
  ])("the next one goes on with it: %s", (_name, ended) => {
    always(({ before, after, nowMs }) => {
      let migration = nextDaemon(journaled(after), ended, nowMs);
      expect(migration.end?.outcome).toEqual(after.end?.outcome);
      const isLocated = migration.end === null && migration.phase !== "queued";
      expect(migration.pending).toEqual(isLocated ? ["locateGuest"] : []);
      expect(migration.postCopy.begun).toBe(after.postCopy.begun);
      for (const input of COMES_NEXT) {
        const stepped = step(migration, input, nowMs + 1);
        migration = stepped.migration;
        const kinds = stepped.effects.map(({ kind }) => kind);
        if (before.postCopy.begun) expect(kinds).not.toContain("abort");
        expect(kinds).not.toContain("destroyPausedCopy");
        if (after.phase === "ended") expect(kinds).toEqual([]);
      }
    });
  });
});

function journaled(migration: Migration): Migration {
  return v.parse(migrationSchema, JSON.parse(JSON.stringify(wholeState(migration))));
}

function eachSettling(holds: (moments: ReturnType<typeof play>) => void): void {
  fc.assert(
    fc.property(fc.boolean(), settlingSequence, (file, moves: readonly Move[]) => {
      holds(play(file, moves));
    }),
    { numRuns: RUNS },
  );
}

function matches({ source, sourceJob, destination }: Location): boolean {
  return source === "pausedCopy" && !sourceJob && destination === "active";
}

function isLeftPausedCopy(input: Input | null): boolean {
  return input?.kind === "location" && matches(input.location);
}

/** As it comes back from a file. */
function written<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

const mibps = fc.integer({ min: 1, max: 100_000 });

describe("formulas", () => {
  it("the caps of equal migrations sum up to at most the maximum, where the floor allows it", () => {
    fc.assert(
      fc.property(mibps, mibps, fc.integer({ min: 1, max: 200 }), (max, min, n) => {
        const rule = { maxBandwidthMiBps: max, minBandwidthMiBps: min };
        const cap = shareMiBps(rule, n);
        expect(cap).toBeGreaterThanOrEqual(floorMiBps(rule));
        expect(cap).toBeLessThanOrEqual(max);
        if (n * floorMiBps(rule) <= max) expect(n * cap).toBeLessThanOrEqual(max);
      }),
    );
  });

  it("any cap is within floor and maximum, and silence never raises one", () => {
    const caps = fc.record({ max: mibps, min: mibps, n: number, destination, seen: number });
    fc.assert(
      fc.property(caps, fc.option(mibps), ({ max, min, n, seen, ...given }, capMiBps) => {
        const rule = { maxBandwidthMiBps: max, minBandwidthMiBps: min };
        const input = { rule, sourceMigrations: n, silentQueriesSeen: seen, capMiBps };
        const next = nextCap({ ...input, destination: given.destination }).capMiBps;
        expect(next).toBeGreaterThanOrEqual(floorMiBps(rule));
        expect(next).toBeLessThanOrEqual(max);
        if (given.destination.kind !== "counted" && capMiBps !== null) {
          expect(next).toBeLessThanOrEqual(Math.max(capMiBps, floorMiBps(rule)));
        }
      }),
    );
  });

  it("the downtime steps never fall, stay within 1 and D, and end with exactly D", () => {
    const maxMs = fc.integer({ min: 1, max: 2_000_000 });
    fc.assert(
      fc.property(maxMs, fc.integer({ min: 1, max: 1_000 }), (max, steps) => {
        const sequenceMs = downtimeStepsMs(max, steps);
        expect(sequenceMs).toHaveLength(steps);
        expect(sequenceMs.at(-1)).toBe(max);
        expect(sequenceMs).toEqual(sequenceMs.toSorted((a, b) => a - b));
        expect(sequenceMs.every((ms) => Number.isInteger(ms) && ms >= DOWNTIME_MIN_MS)).toBe(true);
      }),
    );
  });
});
