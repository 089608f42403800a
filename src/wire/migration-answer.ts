/**
 * Migrations as they go on the wire: VM.getMigrationStatus and the entries of Host.getMigrations, from
 * a migration's state. Only names, shapes and units are decided here.
 */
import { UNKNOWN_DESTINATION } from "../core/adopt.ts";
import { floorExceedsShare } from "../core/bandwidth.ts";
import type { JobStats } from "../core/job-stats.ts";
import { type Migration, type ScheduleState, type Stop, stalledForMs } from "../core/migration.ts";
import { stallFigures } from "../core/stall.ts";
import { progressPercent } from "../core/sample.ts";
import { isExhausted } from "../core/schedule.ts";
import { MS_PER_SECOND, msToSecondsCeil, msToSecondsFloor } from "../core/units.ts";
import { shownPhase } from "../core/vm-status.ts";
import { outcomeAnswer } from "./event-message.ts";
import type { ObjectOf } from "./field.ts";
import type { migrationFields, migrationStatusFields } from "./migration-fields.ts";
import type { MigrateRequest } from "./request.ts";
import { isoTime } from "./time.ts";

export type MigrationStatus = ObjectOf<typeof migrationStatusFields>;
export type MigrationEntry = ObjectOf<typeof migrationFields>;

/** A migration with what its state does not have. */
export interface MigrationFacts {
  readonly id: string;
  readonly migration: Migration;
  readonly request: MigrateRequest;
  readonly acceptedAtWallMs: number;
  readonly endedAtWallMs: number | null;
}

/** VM.getMigrationStatus. */
export function migrationStatus(migration: Migration, nowMs: number): MigrationStatus {
  return {
    status: statusOf(migration),
    progress: migration.sample.progressPercent,
    phase: shownPhase(migration.phase, migration.stop),
    postcopy: migration.postCopy.begun,
    stalledFor: migration.phase === "ended" ? 0 : stalledForSeconds(migration, nowMs),
    ...deferral(migration, nowMs),
    ...howItEnded(migration),
  };
}

function stalledForSeconds(migration: Migration, nowMs: number): number {
  return msToSecondsFloor(stalledForMs(migration, nowMs));
}

function howItEnded({ end }: Migration): Pick<MigrationStatus, "downtime" | "outcome" | "reason"> {
  if (end === null) return {};
  const { outcome } = end;
  return {
    ...(outcome.downtimeMs === null ? {} : { downtime: Math.round(outcome.downtimeMs) }),
    outcome: outcome.outcome,
    reason: outcome.reason,
  };
}

function statusOf(migration: Migration): MigrationStatus["status"] {
  const { admission, end, phase, stop } = migration;
  if (end !== null) return { code: end.outcome.code, message: end.outcome.message };
  if (admission.ending !== null) {
    return { code: 0, message: "Not started, and about to end: libvirt is asked where the VM is" };
  }
  const { deferralReason } = admission;
  if (stop === null && phase === "queued" && deferralReason !== null) {
    return { code: 0, message: `Waiting, it cannot start yet: ${deferralReason}` };
  }
  if (stop === null) return { code: 0, message: "Migration in progress" };
  const what = stop.why === "cancel" ? "cancelling" : "aborting";
  return { code: 0, message: `${what}, libvirt's job has not ended yet${libvirtOn(migration)}` };
}

/** What libvirt has answered to the abort so far. */
function libvirtOn({ call, stop }: Migration): string {
  if (stop === null || call.madeAtMs === null) return "";
  if (stop.refusal !== null) return `; libvirt said: ${stop.refusal.message}`;
  return stop.acceptedAtMs === null ? "; libvirt has not answered the abort" : "";
}

/** One entry of Host.getMigrations. */
export function migrationEntry(run: MigrationFacts, nowMs: number): MigrationEntry {
  const { migration, request } = run;
  const now = stallFigures(migration, nowMs);
  const ended = migration.phase === "ended";
  return {
    vmId: migration.facts.vmId,
    vmName: migration.facts.vmName,
    migrationId: run.id,
    mode: migration.facts.mode,
    phase: shownPhase(migration.phase, migration.stop),
    dst: request.dst,
    ...(request.dstqemu === undefined ? {} : { dstqemu: request.dstqemu }),
    ...deferral(migration, nowMs),
    acceptedAt: isoTime(run.acceptedAtWallMs),
    ...(run.endedAtWallMs === null ? {} : { endedAt: isoTime(run.endedAtWallMs) }),
    progress: migration.sample.progressPercent,
    parameters: parametersOf(run),
    ...sizesOf(migration),
    downtimeOwner: now.downtimeOwner ?? "none",
    downtime: now.maxDowntimeMs,
    ...capsOf(migration),
    postcopyPossible: migration.postCopy.possible,
    ...(migration.postCopy.unavailableReason === null
      ? {}
      : { postcopyUnavailableReason: migration.postCopy.unavailableReason }),
    postcopyWanted: migration.postCopy.wanted,
    postcopy: migration.postCopy.begun,
    stalledFor: ended ? 0 : msToSecondsFloor(now.stalledForMs),
    ...(ended || now.stalledForMs < MS_PER_SECOND ? {} : { stallReason: now.reason }),
    timeoutIn: ended ? 0 : msToSecondsCeil(now.timeoutInMs),
    ...(migration.schedule === null ? {} : { schedule: schedulePosition(migration.schedule) }),
    ...(migration.stop === null ? {} : { stopping: stopping(migration.stop) }),
    ...(migration.end === null ? {} : { outcome: outcomeAnswer(migration.end.outcome) }),
  };
}

function deferral(
  migration: Migration,
  nowMs: number,
): Pick<MigrationEntry, "deferrals" | "deferralReason" | "retryIn"> {
  const { admission, call } = migration;
  const { deferrals, deferralReason: reason, retryAtMs } = admission;
  if (deferrals === 0) return {};
  return {
    deferrals,
    // Once it has started, nothing is in its way any more.
    ...(call.madeAtMs === null && reason !== null ? { deferralReason: reason } : {}),
    ...(retryAtMs === null ? {} : { retryIn: msToSecondsCeil(Math.max(0, retryAtMs - nowMs)) }),
  };
}

function parametersOf({
  migration,
  request,
}: MigrationFacts): NonNullable<MigrationEntry["parameters"]> {
  return {
    migrationProgressTimeout: msToSecondsFloor(migration.limits.progressTimeoutMs),
    stallingLimit: msToSecondsFloor(migration.limits.stallingLimitMs),
    maxBandwidth: migration.limits.maxBandwidthMiBps,
    minBandwidth: migration.limits.minBandwidthMiBps,
    compressed: request.compressed,
    autoConverge: request.autoConverge,
    encrypted: request.encrypted,
    tunneled: request.tunneled,
    abortOnError: request.abortOnError,
    parallel: request.parallel ?? 0,
  };
}

function sizesOf({ advance, sample }: Migration) {
  const { stats } = sample;
  return {
    pass: advance?.pass ?? 0,
    passSize: Math.round(advance?.passSizeBytes ?? 0),
    bestPass: Math.round(advance?.bestPassBytes ?? 0),
    unproductivePasses: advance?.unproductiveInARow ?? 0,
    dataTotal: stats?.dataTotalBytes ?? 0,
    dataProcessed: stats?.dataProcessedBytes ?? 0,
    dataRemaining: stats?.dataRemainingBytes ?? 0,
    bandwidthBytesPerSecond: stats?.memoryBytesPerSecond ?? 0,
    dirtyRateBytesPerSecond: (stats?.dirtyRatePagesPerSecond ?? 0) * (stats?.pageSizeBytes ?? 0),
    expectedDowntime: stats?.downtimeMs ?? 0,
  };
}

function capsOf(migration: Migration) {
  const { bandwidth, limits } = migration;
  const { destination, sourceMigrations } = bandwidth;
  const there = destination.kind === "counted" ? destination.migrations : 0;
  const all = Math.max(sourceMigrations, there);
  return {
    cap: bandwidth.capMiBps ?? 0,
    capApplied: bandwidth.appliedMiBps ?? 0,
    sourceMigrations,
    destination: destination.kind,
    ...(destination.kind === "counted"
      ? { destinationMigrations: destination.migrations }
      : { destinationSilentQueries: destination.silentQueries }),
    floorExceedsMaximum: migration.facts.mode === "remote" && floorExceedsShare(limits, all),
  };
}

/** How far the engine's convergenceSchedule has come. */
function schedulePosition(state: ScheduleState): NonNullable<MigrationEntry["schedule"]> {
  return {
    next: state.cursor,
    items: state.schedule.stalling.length,
    exhausted: isExhausted(state),
  };
}

function stopping(stop: Stop): NonNullable<MigrationEntry["stopping"]> {
  const code = stop.refusal?.code ?? null;
  return {
    why: stop.why,
    accepted: stop.acceptedAtMs !== null,
    // A refusal of this daemon's own has no number of libvirt's.
    ...(code === null ? {} : { libvirtCode: code }),
    ...(stop.refusal === null ? {} : { libvirtMessage: stop.refusal.message }),
  };
}

/**
 * One entry of Host.getMigrations for a migration that somebody else started. `firstIteration`: the
 * number that libvirt gave the first pass that was seen; a job may begin above 1 after a cancelled one.
 */
export interface ForeignFacts {
  readonly vmId: string;
  readonly vmName: string;
  readonly stats: JobStats;
  readonly firstIteration: number | null;
  readonly inPostCopy: boolean;
}

export function foreignEntry(foreign: ForeignFacts): MigrationEntry {
  const { vmId, vmName, stats, firstIteration, inPostCopy } = foreign;
  const iteration = stats.memoryIteration ?? firstIteration;
  return {
    vmId,
    vmName,
    mode: "remote",
    phase: "foreign",
    dst: UNKNOWN_DESTINATION,
    progress: progressPercent(stats, 0),
    pass:
      iteration === null || firstIteration === null
        ? 0
        : Math.max(0, iteration - firstIteration + 1),
    postcopy: inPostCopy,
    dataTotal: stats.dataTotalBytes,
    dataProcessed: stats.dataProcessedBytes,
    dataRemaining: stats.dataRemainingBytes,
    bandwidthBytesPerSecond: stats.memoryBytesPerSecond ?? 0,
  };
}
