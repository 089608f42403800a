/**
 * What a journal may contain, checked before any of it is trusted: a file can be truncated, or have been
 * written by another version or another program. Shapes only; the compiler keeps them in line with the
 * core's types. A field added by a later version has its default here, beside the field, so that older
 * journals stay readable; unknown fields are ignored. What follows from a record is restore.ts's.
 */
import * as v from "valibot";
import { endReasons } from "../../core/end-reasons.ts";
import { type Outcome, downtimeOwners, outcomes, whereabouts } from "../../core/event.ts";
import type { JobStats } from "../../core/job-stats.ts";
import {
  type Advance,
  type Migration,
  type ScheduleState,
  departureEnds,
  phases,
  stopReasons,
  unwatchedReasons,
} from "../../core/migration.ts";
import { namesOf } from "../../core/names.ts";
import { REFUSAL_KINDS } from "../../core/refusal.ts";
import type { Reservation } from "../../core/reservations.ts";
import { RUN_STATES, guestStops } from "../../core/run-state.ts";
import { NO_SWEEP } from "../../core/sweep.ts";
import type { Decision } from "../../core/turn.ts";
import { uuidPattern } from "../../core/uuid.ts";
import type { CallTemplate } from "../migrations/call.ts";
import type { MigrateRequest, NumberedEvent } from "../service.ts";

/** Of events: far beyond what a host ever numbers, far from where numbers are no longer exact. */
const SEQ_MAX = 2 ** 52;
/** The last time that a date can show. Source: ECMAScript, time values. */
const WALL_MS_MAX = 8.64e15;

const number = v.pipe(v.number(), v.finite());
const count = v.pipe(number, v.integer(), v.minValue(0));
const text = v.string();
const flag = v.boolean();
const optionalNumber = v.exactOptional(number);
export const uuid = v.pipe(v.string(), v.regex(uuidPattern));

/** A kind that only a newer daemon knows is `other` to this one. */
const refusal = v.object({
  kind: v.fallback(v.picklist(REFUSAL_KINDS), "other"),
  code: v.nullable(number),
  message: text,
  refusesPostCopy: v.exactOptional(v.literal(true)),
});

const jobStats: v.GenericSchema<unknown, JobStats> = v.object({
  type: v.picklist(["none", "bounded", "unbounded", "completed", "failed", "cancelled"]),
  operation: v.picklist([
    "unknown",
    "start",
    "save",
    "restore",
    "migrationIn",
    "migrationOut",
    "snapshot",
    "snapshotRevert",
    "dump",
    "backup",
    "snapshotDelete",
  ]),
  timeElapsedMs: number,
  dataTotalBytes: number,
  dataProcessedBytes: number,
  dataRemainingBytes: number,
  memoryIteration: optionalNumber,
  memoryBytesPerSecond: optionalNumber,
  dirtyRatePagesPerSecond: optionalNumber,
  pageSizeBytes: optionalNumber,
  memoryRemainingBytes: optionalNumber,
  normalPages: optionalNumber,
  constantPages: optionalNumber,
  compressedPages: optionalNumber,
  downtimeMs: optionalNumber,
  downtimeNetMs: optionalNumber,
});

const outcome: v.GenericSchema<unknown, Outcome> = v.object({
  outcome: v.picklist(outcomes),
  reason: v.picklist(namesOf(endReasons)),
  code: number,
  message: text,
  where: v.picklist(whereabouts),
  confirmed: flag,
  durationMs: v.nullable(number),
  downtimeMs: v.nullable(number),
  dataProcessedBytes: number,
  passes: number,
});

const action = v.variant("kind", [
  v.object({ kind: v.literal("setDowntime"), downtimeMs: number }),
  v.object({ kind: v.literal("postcopy") }),
  v.object({ kind: v.literal("abort") }),
]);

const convergenceSchedule = v.object({
  init: v.array(action),
  stalling: v.array(v.object({ limitPasses: number, action })),
});

const schedule: v.GenericSchema<unknown, ScheduleState> = v.object({
  schedule: convergenceSchedule,
  cursor: count,
  seenPass: number,
});

const downtime = v.object({
  owner: v.picklist(downtimeOwners),
  wantedMs: v.nullable(number),
  appliedMs: v.nullable(number),
  stepsMs: v.array(number),
  step: count,
  stepWaitMs: number,
  steppedAtMs: v.nullable(number),
  foundMs: v.nullable(number),
});

const sweep = v.object({
  handledBytes: number,
  inPages: flag,
  endBytes: v.nullable(number),
  number: count,
  nextBytes: v.nullable(number),
});

const advanceFields = v.object({
  firstIteration: v.nullable(number),
  pass: count,
  passSeenAtMs: number,
  passSizeBytes: v.nullable(number),
  verdict: v.picklist(["unknown", "undecided", "productive", "unproductive"]),
  bestPassBytes: v.nullable(number),
  unproductiveInARow: count,
  processedBytes: number,
  bytesMoving: flag,
  lastByteAtMs: number,
  lastAdvanceAtMs: number,
  sampledAtMs: number,
  gapEndedAtMs: v.nullable(number),
  sweep: v.exactOptional(sweep),
});

/** Journals of before sweeps were counted: each pass was one, and the next sample begins another. */
const advance = v.pipe(
  advanceFields,
  v.transform((fields): Advance => ({ sweep: { ...NO_SWEEP, number: fields.pass }, ...fields })),
);

const postCopy = v.object({
  possible: flag,
  unavailableReason: v.nullable(text),
  wanted: flag,
  begun: flag,
  recovery: v.object({
    asked: flag,
    addressAnswers: flag,
    probedAtMs: v.nullable(number),
    pausedAtMs: v.nullable(number),
    paused: flag,
    attempts: count,
    triedAtMs: v.nullable(number),
    refusalMessage: v.nullable(text),
  }),
});

const waitingEnd = v.variant("kind", [
  v.object({ kind: v.literal("stopped") }),
  v.object({ kind: v.literal("notAdmitted") }),
  v.object({ kind: v.literal("notBegun"), refusal }),
  v.object({ kind: v.literal("noDestination"), why: text, tries: count }),
]);

const destinationCount = v.variant("kind", [
  v.object({ kind: v.literal("unknown"), silentQueries: count }),
  v.object({ kind: v.literal("counted"), migrations: count, askedAtMs: number }),
  v.object({ kind: v.literal("silent"), silentQueries: count }),
]);

/** Whatever is written there. */
const unanswered = v.pipe(
  v.optional(v.unknown(), null),
  v.transform(() => false),
);
const nothingPending = v.pipe(
  v.optional(v.unknown(), null),
  v.transform((): Migration["pending"] => []),
);

const evidence = v.object({
  runState: v.picklist(RUN_STATES),
  guestStopped: v.nullable(v.picklist(guestStops)),
  stoppedByJob: flag,
  superseded: flag,
  record: v.nullable(jobStats),
  pausedCopyReads: count,
  thereReads: count,
  lostReads: count,
  readAtMs: v.nullable(number),
  undecidedSinceMs: v.nullable(number),
  heardAtMs: v.nullable(number),
});

/** What is not journaled (`sample.answered`, `pending`) begins again. */
export const migrationSchema: v.GenericSchema<unknown, Migration> = v.object({
  phase: v.picklist(phases),
  facts: v.object({
    vmId: uuid,
    vmName: text,
    memoryBytes: number,
    mode: v.picklist(["remote", "file"]),
    destination: text,
  }),
  limits: v.object({
    progressTimeoutMs: number,
    timeoutJudgesPasses: flag,
    stallingLimitMs: number,
    maxBandwidthMiBps: number,
    minBandwidthMiBps: number,
    postcopyStallTimeoutMs: number,
  }),
  admission: v.object({
    acceptedAtMs: number,
    retryAtMs: v.nullable(number),
    deferrals: count,
    deferralReason: v.nullable(text),
    refusedTries: count,
    destinationReached: flag,
    reservedThere: flag,
    ending: v.nullable(v.object({ why: waitingEnd, sinceMs: number })),
  }),
  call: v.object({
    madeAtMs: v.nullable(number),
    returned: v.nullable(
      v.object({
        sinceMs: number,
        succeeded: flag,
        refusal: v.nullable(refusal),
        unwatched: v.nullable(v.picklist(unwatchedReasons)),
      }),
    ),
  }),
  sample: v.object({
    answered: unanswered,
    stats: v.nullable(jobStats),
    dataSinceMs: v.nullable(number),
    progressPercent: number,
  }),
  advance: v.nullable(advance),
  stall: v.object({ announcedCount: count, announced: flag, timeoutAnnounced: flag }),
  stop: v.nullable(
    v.object({
      why: v.picklist(stopReasons),
      sinceMs: number,
      acceptedAtMs: v.nullable(number),
      refusal: v.nullable(refusal),
    }),
  ),
  bandwidth: v.object({
    capMiBps: v.nullable(number),
    appliedMiBps: v.nullable(number),
    silentQueriesSeen: count,
    cyclesSinceVerified: v.nullable(number),
    sourceMigrations: count,
    destination: destinationCount,
    destinationAtCall: v.nullable(number),
  }),
  downtime: v.nullable(downtime),
  schedule: v.nullable(schedule),
  postCopy,
  evidence,
  end: v.nullable(
    v.object({
      outcome,
      atMs: number,
      cleared: flag,
      departureOver: v.nullable(v.picklist(departureEnds)),
    }),
  ),
  pending: nothingPending,
});

export const requestSchema: v.GenericSchema<unknown, MigrateRequest> = v.object({
  vmId: uuid,
  mode: v.picklist(["remote", "file"]),
  dst: text,
  dstparams: v.exactOptional(text),
  dstqemu: v.exactOptional(text),
  consoleAddress: v.exactOptional(text),
  compressed: flag,
  autoConverge: flag,
  abortOnError: flag,
  encrypted: flag,
  tunneled: flag,
  parallel: optionalNumber,
  downtimeMs: optionalNumber,
  progressTimeoutMs: optionalNumber,
  stallingLimitMs: optionalNumber,
  maxBandwidthMiBps: optionalNumber,
  convergenceSchedule: v.exactOptional(convergenceSchedule),
  outgoingLimit: optionalNumber,
  incomingLimit: optionalNumber,
  cpusets: v.exactOptional(v.array(text)),
  numaNodesets: v.exactOptional(v.array(text)),
  unknownKeys: v.array(text),
});

const call: v.GenericSchema<unknown, CallTemplate> = v.object({
  destinationUri: text,
  migrateUri: v.exactOptional(text),
  graphicsUri: v.exactOptional(text),
  tlsDestination: v.exactOptional(text),
  postcopyBandwidthMiBps: number,
  parallelConnections: optionalNumber,
  compressed: flag,
  autoConverge: flag,
  abortOnError: flag,
  encrypted: flag,
  tunneled: flag,
  persistent: flag,
  placement: v.exactOptional(
    v.object({
      cpusets: v.exactOptional(v.array(text)),
      numaNodesets: v.exactOptional(v.array(text)),
    }),
  ),
  destinationHosts: v.optional(v.array(text), []),
});

/** A run's target without what lives in the process alone. */
export const targetSchema = v.variant("mode", [
  v.object({
    mode: v.literal("remote"),
    host: text,
    port: v.pipe(count, v.minValue(1), v.maxValue(65_535)),
    call,
  }),
  v.object({
    mode: v.literal("file"),
    files: v.object({
      imagePath: text,
      parametersPath: text,
      madeImage: flag,
      madeParameters: flag,
    }),
  }),
  v.object({ mode: v.literal("foreign") }),
]);

export type JournaledTarget = v.InferOutput<typeof targetSchema>;

export const wallMsSchema = v.pipe(v.number(), v.minValue(0), v.maxValue(WALL_MS_MAX));

/** A migration's own record, with what its steps have made of its state. */
export const recordedSchema = v.object({
  acceptedAtWallMs: wallMsSchema,
  request: requestSchema,
  target: targetSchema,
  state: migrationSchema,
});

/** What an event says of its VM: words and numbers, nothing nested. */
const eventFields = v.record(text, v.union([number, text, flag]));

const event: v.GenericSchema<unknown, NumberedEvent> = v.object({
  seq: v.pipe(count, v.maxValue(SEQ_MAX)),
  method: text,
  params: v.record(text, v.union([number, eventFields])),
});

export const eventsSchema = v.array(event);

const reservation: v.GenericSchema<unknown, Reservation> = v.object({
  vmId: uuid,
  source: text,
  reservedAtMs: number,
});

export const reservationsSchema = v.array(reservation);

export const comingSchema = v.array(uuid);

export const decisionsSchema: v.GenericSchema<unknown, readonly Decision[]> = v.array(
  v.object({
    rule: text,
    what: text,
    numbers: v.record(text, v.nullable(v.union([number, text, flag]))),
  }),
);
