/**
 * Answers as they go on the wire: VM and host statistics with VDSM's names and types, and our own
 * Host.getMigrations. Only shapes; the facts come from the host view and the migrations' states.
 */
import { isoTime, type Clock } from "../clock.ts";
import { floorExceedsShare } from "../core/bandwidth.ts";
import { figures } from "../core/cycle.ts";
import type { Transfer } from "../core/host-count.ts";
import { type Migration, type ScheduleState, stalledForMs } from "../core/migration.ts";
import { isExhausted } from "../core/schedule.ts";
import { MS_PER_SECOND, msToSecondsCeil, msToSecondsFloor } from "../core/units.ts";
import { downWhileWaiting, shownPhase, statusAfter, statusLeaving } from "../core/vm-status.ts";
import type { VmJobView } from "../hypervisor/port.ts";
import type { EndedArrival } from "./incoming/ended-arrivals.ts";
import { inPostCopy } from "./host-view.ts";
import type { MigrationRun } from "./migrations/run.ts";
import type { WireObject } from "./service.ts";
import { outcomeToWire, runStateToWire, vmStatusToWire } from "./wire-events.ts";
import { wireTimeMs } from "./wire-time.ts";

/** VM.getMigrationStatus. */
export function migrationStatusToWire(migration: Migration, nowMs: number): WireObject {
  return {
    status: statusOf(migration),
    progress: migration.progressPercent,
    phase: shownPhase(migration.phase, migration.stop),
    postcopy: migration.postCopy.begun,
    stalledFor: migration.phase === "ended" ? 0 : stalledForSeconds(migration, nowMs),
    ...(migration.deferrals === 0 ? {} : deferralToWire(migration, nowMs)),
    ...(migration.outcome === null ? {} : outcomeFields(migration)),
  };
}

function stalledForSeconds(migration: Migration, nowMs: number): number {
  return msToSecondsFloor(stalledForMs(migration, nowMs));
}

function outcomeFields(migration: Migration): WireObject {
  if (migration.outcome === null) return {};
  const { outcome } = migration;
  return {
    ...(outcome.downtimeMs === null ? {} : { downtime: Math.round(outcome.downtimeMs) }),
    outcome: outcome.outcome,
    reason: outcome.reason,
  };
}

function statusOf(migration: Migration): WireObject {
  const { outcome, stop } = migration;
  if (outcome !== null) return { code: outcome.code, message: outcome.message };
  if (migration.waitingEnd !== null) {
    return { code: 0, message: "Not begun, and to end: libvirt is asked where the VM is" };
  }
  const { deferralReason, phase } = migration;
  if (stop === null && phase === "queued" && deferralReason !== null) {
    return { code: 0, message: `Waiting, it cannot begin yet: ${deferralReason}` };
  }
  if (stop === null) return { code: 0, message: "Migration in progress" };
  const what = stop.why === "cancel" ? "cancelling" : "aborting";
  return { code: 0, message: `${what}, libvirt's job has not ended yet${libvirtOn(migration)}` };
}

/** What libvirt made of the abort so far. */
function libvirtOn({ stop, callAtMs }: Migration): string {
  if (stop === null || callAtMs === null) return "";
  if (stop.refusal !== null) return `; libvirt said: ${stop.refusal.message}`;
  return stop.acceptedAtMs === null ? "; libvirt has not answered the abort" : "";
}

/** One entry of Host.getMigrations. */
export function migrationToWire(run: MigrationRun, nowMs: number): WireObject {
  const { migration, request } = run;
  const now = figures(migration, nowMs);
  const ended = migration.phase === "ended";
  return {
    vmId: migration.vmId,
    vmName: migration.vmName,
    migrationId: run.id,
    mode: migration.mode,
    phase: shownPhase(migration.phase, migration.stop),
    dst: request.dst,
    ...(request.dstqemu === undefined ? {} : { dstqemu: request.dstqemu }),
    ...(migration.deferrals === 0 ? {} : deferralToWire(migration, nowMs)),
    acceptedAt: isoTime(run.acceptedAtWallMs),
    ...(run.endedAtWallMs === null ? {} : { endedAt: isoTime(run.endedAtWallMs) }),
    progress: migration.progressPercent,
    ...parametersToWire(run),
    ...sizesToWire(migration),
    downtimeOwner: now.downtimeOwner ?? "none",
    downtime: now.maxDowntimeMs,
    ...capsToWire(migration),
    postcopyPossible: migration.postCopy.possible,
    ...(migration.postCopy.unavailableReason === null
      ? {}
      : { postcopyUnavailableReason: migration.postCopy.unavailableReason }),
    postcopyWanted: migration.postCopy.wanted,
    postcopy: migration.postCopy.begun,
    stalledFor: ended ? 0 : msToSecondsFloor(now.stalledForMs),
    ...(ended || now.stalledForMs < MS_PER_SECOND ? {} : { stallReason: now.reason }),
    timeoutIn: ended ? 0 : msToSecondsCeil(now.timeoutInMs),
    ...(migration.schedule === null ? {} : { schedule: scheduleToWire(migration.schedule) }),
    ...(migration.stop === null ? {} : { stopping: stopToWire(migration) }),
    ...(migration.outcome === null ? {} : { outcome: outcomeToWire(migration.outcome) }),
  };
}

function deferralToWire(migration: Migration, nowMs: number): WireObject {
  const { deferrals, retryAtMs, callAtMs } = migration;
  return {
    deferrals,
    // Begun at last, nothing is in its way any more.
    ...(callAtMs === null ? { deferralReason: migration.deferralReason } : {}),
    ...(retryAtMs === null ? {} : { retryIn: msToSecondsCeil(Math.max(0, retryAtMs - nowMs)) }),
  };
}

function parametersToWire({ migration, request }: MigrationRun): WireObject {
  return {
    parameters: {
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
    },
  };
}

function sizesToWire({ stats, advance }: Migration): WireObject {
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

function capsToWire(migration: Migration): WireObject {
  const { cap, destinationCount, limits, sourceMigrations } = migration;
  const there = destinationCount.kind === "counted" ? destinationCount.migrations : 0;
  const all = Math.max(sourceMigrations, there);
  return {
    cap: cap.capMiBps ?? 0,
    capApplied: cap.appliedMiBps ?? 0,
    sourceMigrations,
    destination: destinationCount.kind,
    ...(destinationCount.kind === "counted"
      ? { destinationMigrations: destinationCount.migrations }
      : { destinationSilentQueries: destinationCount.silentQueries }),
    floorExceedsMaximum: migration.mode === "remote" && floorExceedsShare(limits, all),
  };
}

/** Where the engine's convergenceSchedule stands: the item that is next, and how many there are. */
function scheduleToWire(state: ScheduleState): WireObject {
  return {
    next: state.cursor,
    items: state.schedule.stalling.length,
    exhausted: isExhausted(state),
  };
}

function stopToWire({ stop }: Migration): WireObject {
  if (stop === null) return {};
  const code = stop.refusal?.code ?? null;
  return {
    why: stop.why,
    accepted: stop.acceptedAtMs !== null,
    // A refusal of this daemon's own has no number of libvirt's.
    ...(code === null ? {} : { libvirtCode: code }),
    ...(stop.refusal === null ? {} : { libvirtMessage: stop.refusal.message }),
  };
}

/** The VM's status word and what goes with it. */
function liveStatus(
  view: VmJobView,
  transfer: Transfer,
  run: MigrationRun | undefined,
): WireObject {
  if (transfer === "incoming" || transfer === "broken") return { status: "Migration Destination" };
  if (inPostCopy(view)) return vmStatusToWire({ kind: "postCopy" });
  if (run !== undefined) return leavingToWire(run.migration);
  if (transfer === "outgoing") return { status: "Migration Source" };
  return runStateToWire(view.vm.runState);
}

export function vmStatsToWire(
  view: VmJobView,
  transfer: Transfer,
  run: MigrationRun | undefined,
  clock: Clock,
): WireObject {
  const { vmId, name } = view.vm;
  return {
    vmId,
    vmName: name,
    ...liveStatus(view, transfer, run),
    statusTime: String(wireTimeMs(clock)),
    ...(run === undefined ? {} : { migrationProgress: run.migration.progressPercent }),
  };
}

/** A VM that had arrived here, and has ended since. `arrivedHere` is for the source that sent it. */
export function endedArrivalToWire({ vmId, vmName, how }: EndedArrival, clock: Clock): WireObject {
  return {
    vmId,
    vmName,
    ...vmStatusToWire({ kind: "down", why: how }),
    statusTime: String(wireTimeMs(clock)),
    arrivedHere: true,
  };
}

/**
 * A VM that is not on this host any more, and whose migration has not ended: until its end is told it is
 * leaving; one that was switched off or taken away while it waits is Down, and may come back.
 * `absentHere` is for a source that sends it here: it has not come.
 */
export function goneVmToWire({ migration }: MigrationRun, clock: Clock): WireObject {
  const { vmId, vmName, callAtMs, progressPercent, mode, guestStopped, stoppedByJob } = migration;
  const told = { vmId, vmName, statusTime: String(wireTimeMs(clock)) };
  const waits = callAtMs === null;
  const why = waits ? downWhileWaiting(mode, guestStopped, stoppedByJob) : null;
  const absent = why === null || why === "migrated" ? { absentHere: true } : {};
  if (why !== null) return { ...told, ...vmStatusToWire({ kind: "down", why }), ...absent };
  const progress = waits ? {} : { migrationProgress: progressPercent };
  return { ...told, ...leavingToWire(migration), ...progress, ...absent };
}

function leavingToWire({ mode, postCopy }: Migration): WireObject {
  return vmStatusToWire(statusLeaving(mode, postCopy.begun));
}

/** A VM that has left this host recently; null: nobody can tell whether it has. */
export function leftVmToWire({ migration }: MigrationRun, clock: Clock): WireObject | null {
  const { vmId, vmName, outcome, runState, postCopy, guestStopped } = migration;
  if (outcome === null || outcome.where === "source" || outcome.where === "unknown") return null;
  const facts = { runState, inPostCopy: postCopy.begun, guestStopped };
  return {
    vmId,
    vmName,
    ...vmStatusToWire(statusAfter(outcome.where, facts)),
    statusTime: String(wireTimeMs(clock)),
  };
}
