/**
 * Sequences of inputs for properties: whatever may come, in whatever order, also such as no daemon
 * would produce, and what one migration makes of them.
 */
import fc from "fast-check";
import { downtimeBySteps } from "../../src/core/downtime.ts";
import { type Effect, reportingKinds } from "../../src/core/effect.ts";
import type { Changes, Input, Location } from "../../src/core/input.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import type { Migration } from "../../src/core/migration.ts";
import { newMigration } from "../../src/core/new-migration.ts";
import { REFUSAL_KINDS } from "../../src/core/refusal.ts";
import { RUN_STATES, isPausedCopy } from "../../src/core/run-state.ts";
import { step } from "../../src/core/step.ts";
import { GIB_BYTES } from "../../src/core/units.ts";
import { FILE_REQUEST, request } from "./fixtures.ts";
import { holdInvariants } from "./invariants.ts";

/** PROPERTY_RUNS=20000 looks longer; a failure prints the seed that repeats it. */
export const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 200);

export interface Move {
  readonly waitMs: number;
  readonly input: Input;
}

export const number = fc.nat({ max: 40 });
const refusal = fc.record({
  kind: fc.constantFrom(...REFUSAL_KINDS),
  code: fc.constant(null),
  message: fc.constant("no"),
});
export const destination = fc.oneof(
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

const PENDING = reportingKinds.filter((kind) => kind !== "locateGuest");
const result = fc.oneof(
  fc.record({ kind: fc.constant("ok" as const), value: fc.option(number) }),
  fc.record({ kind: fc.constant("refused" as const), refusal }),
  fc.constant({ kind: "noAnswer" as const }),
);

/** Post-copy's paused copy is left here and the guest runs over there. */
export const LEFT_PAUSED_COPY: Location = {
  source: "pausedCopy",
  sourceJob: false,
  destination: "active",
};

const anyLocation: fc.Arbitrary<Location> = fc.record(
  {
    source: fc.constantFrom("active", "switching", "pausedCopy", "notActive", "unknown"),
    sourceJob: fc.boolean(),
    destination: fc.constantFrom("active", "incoming", "left", "absent", "silent", "notAsked"),
    image: fc.constantFrom("complete", "notComplete"),
  },
  { requiredKeys: ["source", "sourceJob", "destination"] },
);
/** Often the one that something irrevocable follows from. */
const location = fc.oneof(
  { weight: 3, arbitrary: anyLocation },
  { weight: 1, arbitrary: fc.constant(LEFT_PAUSED_COPY) },
);

const VM_ID = "11111111-1111-4111-8111-111111111111";

const atMs = fc.nat({ max: 300_000 });
const cycle = fc.record({
  kind: fc.constant("cycle" as const),
  timer: fc.boolean(),
  sample: fc.option(fc.record({ stats, atMs })),
  runState: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...RUN_STATES.filter((each) => !isPausedCopy(each))) },
    { weight: 1, arbitrary: fc.constantFrom("postCopy" as const, "postCopyFailed" as const) },
  ),
  sourceMigrations: number,
  destination,
});
const passStart = fc.record({ iteration: fc.nat({ max: 8 }), tookMs: fc.nat({ max: 200 }) });
const located = fc.record({
  kind: fc.constant("location" as const),
  location,
  record: fc.option(stats),
});
const rare: fc.Arbitrary<Input> = fc.oneof(
  fc.constantFrom(
    { kind: "admitted" as const },
    { kind: "reserved" as const },
    { kind: "notAdmitted" as const },
    { kind: "guestStarted" as const },
  ),
  fc.record({
    kind: fc.constant("seen" as const),
    runState: fc.constantFrom(...RUN_STATES),
    vmName: fc.constant("guest"),
    memoryBytes: fc.constant(GIB_BYTES),
  }),
  fc.record({
    kind: fc.constant("downtimePrepared" as const),
    appliedMs: fc.option(number),
  }),
  fc.record({
    kind: fc.constant("prepared" as const),
    sourceMigrations: number,
    destination,
    runState: fc.constantFrom(...RUN_STATES),
  }),
  fc.record({ kind: fc.constant("notBegun" as const), refusal }),
  fc.record({ kind: fc.constant("callEnded" as const), refusal: fc.option(refusal) }),
  located,
  fc.record({ kind: fc.constant("jobCompleted" as const), stats }),
  fc.constant({ kind: "stoppedByJob" as const }),
  fc.record({ kind: fc.constant("downtimeFound" as const), foundMs: number }),
  fc.record({
    kind: fc.constant("guestStopped" as const),
    how: fc.constantFrom("shutDown" as const, "destroyed" as const, "crashed" as const),
  }),
  fc.constant({ kind: "cancel" as const }),
  fc.record({
    kind: fc.constant("restore" as const),
    after: fc.constantFrom("daemonDown" as const, "hostDown" as const),
    uptimeSinceMs: fc.nat({ max: 7_200_000 }),
    lastAtMs: fc.constant(null),
  }),
  fc.record({ kind: fc.constant("adopt" as const), stats, inPostCopy: fc.boolean() }),
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

const change = fc.record({ kind: fc.constant("change" as const), changes });

const waitMs = fc.nat({ max: 6_000 });
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ waitMs, input: often }) },
  { weight: 3, arbitrary: fc.record({ waitMs, input: rare }) },
  { weight: 1, arbitrary: fc.record({ waitMs, input: change }) },
);
const moves = fc.array(move, { maxLength: 40 });
/** As the daemon begins: admitted and called; after that anything may come. */
const opening: readonly Move[] = [
  { waitMs: 0, input: { kind: "admitted" } },
  {
    waitMs: 0,
    input: {
      kind: "prepared",
      sourceMigrations: 1,
      destination: { kind: "counted", migrations: 0, askedAtMs: Number.MAX_SAFE_INTEGER },
      runState: "running",
    },
  },
];
export const sequence = fc
  .tuple(fc.boolean(), moves)
  .map(([begun, rest]): readonly Move[] => (begun ? [...opening, ...rest] : rest));

/** The call broke, and the place is asked again and again. */
export const settlingSequence = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ waitMs, input: located }) },
      { weight: 1, arbitrary: move },
    ),
    { maxLength: 20 },
  )
  .map((rest): readonly Move[] => [
    ...opening,
    {
      waitMs: 0,
      input: { kind: "callEnded", refusal: { kind: "other", code: 38, message: "no" } },
    },
    ...rest,
  ]);

export interface Moment {
  readonly input: Input;
  readonly nowMs: number;
  readonly before: Migration;
  readonly after: Migration;
  readonly effects: readonly Effect[];
}

/** What one migration makes of a sequence, moment by moment. */
export function play(file: boolean, sequenceOfMoves: readonly Move[]): Moment[] {
  const downtime = file ? null : downtimeBySteps(500, 5, 100, GIB_BYTES);
  let migration = newMigration(
    request({ vmId: VM_ID, ...(file ? FILE_REQUEST : {}), downtime }),
    0,
  );
  let nowMs = 0;
  return sequenceOfMoves.map((one) => {
    nowMs += one.waitMs;
    const before = migration;
    const stepped = step(before, one.input, nowMs);
    holdInvariants({ ...stepped, before, input: one.input, nowMs });
    migration = stepped.migration;
    return { input: one.input, nowMs, before, after: migration, effects: stepped.effects };
  });
}

/** Holds for each moment of every sequence, for a migration and for a save. */
export function always(holds: (moment: Moment) => void): void {
  fc.assert(
    fc.property(fc.boolean(), sequence, (file, sequenceOfMoves) => {
      for (const moment of play(file, sequenceOfMoves)) holds(moment);
    }),
    { numRuns: RUNS },
  );
}
