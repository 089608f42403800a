/**
 * What holds for every sequence of inputs, in whatever order: also such as no daemon would produce,
 * since a bug elsewhere must not make the core abort a guest in post-copy. fast-check, few runs.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { floorMiBps, nextCap, shareMiBps } from "../../src/core/bandwidth.ts";
import { changeParams, type Changes } from "../../src/core/change.ts";
import { downtimeBySteps, downtimeStepsMs, DOWNTIME_MIN_MS } from "../../src/core/downtime.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import { newMigration, type Effect, type Migration } from "../../src/core/migration.ts";
import { step, type Input } from "../../src/core/step.ts";
import { GIB_BYTES } from "../../src/core/units.ts";
import { FILE_REQUEST, request } from "./fixtures.ts";

/** PROPERTY_RUNS=20000 looks longer; a failure prints the seed that repeats it. */
const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 200);

type Move = { readonly waitMs: number } & (
  | { readonly input: Input }
  | { readonly changes: Changes }
);

const number = fc.nat({ max: 40 });
const refusal = fc.record({
  code: fc.constantFrom(1, 9, 38, 55, 68, 78),
  message: fc.constant("no"),
});
const destination = fc.oneof(
  fc.record({ kind: fc.constant("counted" as const), migrations: number, askedAtMs: number }),
  fc.record({
    kind: fc.constantFrom("silent" as const, "unknown" as const),
    silentQueries: number,
  }),
);

const stats: fc.Arbitrary<JobStats> = fc.record(
  {
    type: fc.constantFrom("none", "unbounded", "completed", "failed"),
    operation: fc.constantFrom("migrationOut", "save", "unknown"),
    timeElapsedMs: number,
    dataTotalBytes: fc.constantFrom(0, 1e8, 1e9),
    dataProcessedBytes: fc.nat({ max: 1e9 }),
    dataRemainingBytes: fc.nat({ max: 1e9 }),
    memoryIteration: fc.nat({ max: 8 }),
    memoryBytesPerSecond: fc.nat({ max: 1e8 }),
    downtimeMs: fc.nat({ max: 5_000 }),
  },
  {
    requiredKeys: [
      "type",
      "operation",
      "timeElapsedMs",
      "dataTotalBytes",
      "dataProcessedBytes",
      "dataRemainingBytes",
    ],
  },
);

const PENDING = [
  "setMaxBandwidth",
  "readMaxBandwidth",
  "setMaxDowntime",
  "startPostCopy",
  "pausePostCopy",
  "resumePostCopy",
  "probeAddress",
  "destroyShell",
  "abort",
] as const;
const result = fc.oneof(
  fc.record({ kind: fc.constant("ok" as const), value: fc.option(number) }),
  fc.record({ kind: fc.constant("refused" as const), refusal }),
  fc.constant({ kind: "noAnswer" as const }),
);

const place = fc.record({
  source: fc.constantFrom(
    "active" as const,
    "shell" as const,
    "notActive" as const,
    "unknown" as const,
  ),
  sourceJob: fc.boolean(),
  destination: fc.constantFrom(
    "active" as const,
    "incoming" as const,
    "absent" as const,
    "silent" as const,
    "notAsked" as const,
  ),
});

const atMs = fc.nat({ max: 300_000 });
const cycle = fc.record({
  kind: fc.constant("cycle" as const),
  timer: fc.boolean(),
  sample: fc.option(fc.record({ stats, atMs })),
  postCopyState: fc.nat({ max: 9 }).map((n) => n === 0),
  postCopyFailed: fc.boolean(),
  sourceMigrations: number,
  destination,
});
const passStart = fc.record({ iteration: fc.nat({ max: 8 }), tookMs: fc.nat({ max: 200 }) });
const rare: fc.Arbitrary<Input> = fc.oneof(
  fc.constant({ kind: "admitted" as const }),
  fc.record({
    kind: fc.constant("downtimePrepared" as const),
    appliedMs: fc.option(number),
  }),
  fc.record({
    kind: fc.constant("begin" as const),
    sourceMigrations: number,
    destination,
    paused: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("notBegun" as const), refusal, active: fc.boolean() }),
  fc.record({ kind: fc.constant("callEnded" as const), refusal: fc.option(refusal) }),
  fc.record({ kind: fc.constant("place" as const), place, record: fc.option(stats) }),
  fc.record({ kind: fc.constant("jobCompleted" as const), stats }),
  fc.constant({ kind: "stoppedByJob" as const }),
  fc.record({ kind: fc.constant("downtimeFound" as const), foundMs: number }),
  fc.record({
    kind: fc.constant("guestStopped" as const),
    how: fc.constantFrom("shutDown" as const, "destroyed" as const, "crashed" as const),
  }),
  fc.constant({ kind: "cancel" as const }),
);
const often: fc.Arbitrary<Input> = fc.oneof(
  cycle,
  fc.record({
    kind: fc.constant("passBegan" as const),
    sample: fc.record({ stats, atMs, passStart }),
  }),
  fc.record({
    kind: fc.constant("effectDone" as const),
    effect: fc.constantFrom(...PENDING),
    asked: fc.option(number),
    result,
  }),
);
const changes: fc.Arbitrary<Changes> = fc.record(
  {
    downtimeMs: fc.integer({ min: 1, max: 3_000 }),
    migrationTechnique: fc.constantFrom("pre-copy", "post-copy"),
    stallingLimitMs: fc.constantFrom(0, 1_000, 5_000),
    maxBandwidthMiBps: fc.integer({ min: 1, max: 100 }),
    progressTimeoutMs: fc.integer({ min: 1, max: 60_000 }),
  },
  { requiredKeys: [] },
);

const waitMs = fc.nat({ max: 6_000 });
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ waitMs, input: often }) },
  { weight: 3, arbitrary: fc.record({ waitMs, input: rare }) },
  { weight: 1, arbitrary: fc.record({ waitMs, changes }) },
);
const moves = fc.array(move, { maxLength: 40 });
/** As the daemon begins: admitted and called; after that anything may come. */
const opening: readonly Move[] = [
  { waitMs: 0, input: { kind: "admitted" } },
  {
    waitMs: 0,
    input: {
      kind: "begin",
      sourceMigrations: 1,
      destination: { kind: "counted", migrations: 0, askedAtMs: Number.MAX_SAFE_INTEGER },
      paused: false,
    },
  },
];
const sequence = fc
  .tuple(fc.boolean(), moves)
  .map(([begun, rest]): readonly Move[] => (begun ? [...opening, ...rest] : rest));

interface Moment {
  readonly before: Migration;
  readonly after: Migration;
  readonly effects: readonly Effect[];
}

function play(file: boolean, sequenceOfMoves: readonly Move[]): Moment[] {
  const downtime = file ? null : downtimeBySteps(500, 5, 100, GIB_BYTES);
  let migration = newMigration(request({ ...(file ? FILE_REQUEST : {}), downtime }), 0);
  let nowMs = 0;
  return sequenceOfMoves.map((one) => {
    nowMs += one.waitMs;
    const before = migration;
    if ("input" in one) {
      const stepped = step(before, one.input, nowMs);
      migration = stepped.migration;
      return { before, after: migration, effects: stepped.effects };
    }
    const changed = changeParams(before, one.changes, nowMs);
    if (changed.kind === "changed") migration = changed.migration;
    return { before, after: migration, effects: [] };
  });
}

/** Holds for each moment of every sequence, for a migration and for a save. */
function always(holds: (moment: Moment) => void): void {
  fc.assert(
    fc.property(fc.boolean(), sequence, (file, sequenceOfMoves) => {
      for (const moment of play(file, sequenceOfMoves)) holds(moment);
    }),
    { numRuns: RUNS },
  );
}

describe("whatever comes, in whatever order", () => {
  it("the same inputs give the same states and effects, and nothing throws", () => {
    fc.assert(
      fc.property(fc.boolean(), sequence, (file, sequenceOfMoves) => {
        expect(play(file, sequenceOfMoves)).toEqual(play(file, sequenceOfMoves));
      }),
      { numRuns: RUNS },
    );
  });

  it("progress never falls, and is 100 only when completed", () => {
    always(({ before, after }) => {
      expect(after.progressPercent).toBeGreaterThanOrEqual(before.progressPercent);
      const completed = after.outcome?.outcome === "completed";
      expect(after.progressPercent === 100).toBe(completed);
    });
  });

  it("there is one end, with its one event last, and nothing follows", () => {
    always(({ before, after, effects }) => {
      const ends = effects.filter(({ kind, ...rest }) => kind === "event" && isEnd(rest));
      const ending = before.phase !== "ended" && after.phase === "ended";
      expect(ends.length).toBe(ending ? 1 : 0);
      if (ending) expect(effects.at(-1)).toBe(effects.filter((one) => one.kind === "event").at(-1));
      if (before.phase === "ended") expect(effects).toEqual([]);
      expect(after.outcome === null).toBe(after.phase !== "ended");
    });
  });

  it("no abort once post-copy has begun, and post-copy never un-begins", () => {
    always(({ before, after, effects }) => {
      if (before.postCopy.begun) {
        expect(after.postCopy.begun).toBe(true);
        expect(effects.map(({ kind }) => kind)).not.toContain("abort");
        if (before.stop === null) expect(after.stop).toBeNull();
      }
    });
  });

  it("never two of a kind pending", () => {
    always(({ before, after, effects }) => {
      expect(new Set(after.pending).size).toBe(after.pending.length);
      for (const { kind } of effects) {
        if (after.phase !== "ended") expect(before.pending).not.toContain(kind);
      }
    });
  });

  it("a stop, once decided, stays decided for the same reason", () => {
    always(({ before, after }) => {
      if (before.stop !== null) expect(after.stop).toMatchObject({ why: before.stop.why });
    });
  });

  it("a cap that is asked for is within floor and maximum, whole and at least 1", () => {
    always(({ after, effects }) => {
      for (const effect of effects) {
        if (effect.kind !== "setMaxBandwidth") continue;
        const mibps = effect.maxBandwidthMiBps;
        expect(Number.isInteger(mibps) && mibps >= 1).toBe(true);
        expect(mibps).toBeGreaterThanOrEqual(floorMiBps(after.limits));
        expect(mibps).toBeLessThanOrEqual(after.limits.maxBandwidthMiBps);
      }
    });
  });

  it("a save is never steered", () => {
    always(({ after, effects }) => {
      if (after.mode !== "file") return;
      const steering = ["setMaxBandwidth", "readMaxBandwidth", "setMaxDowntime", "startPostCopy"];
      expect(effects.filter(({ kind }) => steering.includes(kind))).toEqual([]);
    });
  });
});

function isEnd(rest: object): boolean {
  return "event" in rest && JSON.stringify(rest.event).startsWith('{"kind":"ended"');
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
