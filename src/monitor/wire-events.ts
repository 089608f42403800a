/**
 * Events as they go on the wire: VDSM's names and envelope, whole numbers only (the engine casts
 * them to Integer), and the wire's units, which `eventFields` declares for the README.
 */
import type { Clock } from "../clock.ts";
import type { CoreEvent, Outcome, StallingEvent, VmStatus } from "../core/event.ts";
import type { Migration } from "../core/migration.ts";
import { type RunState, runStateRow } from "../core/run-state.ts";
import { bytesPerSecondToMiBpsRound, msToSecondsCeil, msToSecondsFloor } from "../core/units.ts";
import type { MonitorEvent, WireObject } from "./service.ts";
import { wireTimeMs } from "./wire-time.ts";

/** vmexitreason. Source: VDSM. */
const EXIT_REASON = {
  LOST_QEMU_CONNECTION: 2,
  MIGRATION_SUCCEEDED: 4,
  SAVE_STATE_SUCCEEDED: 5,
  ADMIN_SHUTDOWN: 6,
  USER_SHUTDOWN: 7,
  MIGRATION_FAILED: 8,
  POSTCOPY_MIGRATION_FAILED: 12,
} as const;

/** Every event: its fields, each with its unit. The README's table is held to this by a test. */
export const eventFields = {
  VM_status: {
    status: "VDSM's status word",
    pauseCode:
      "with status Paused: NOERR, EIO (storage error), EOTHER, or POSTCOPY while the guest runs on the destination",
    exitCode: "0 normal, 1 error; with status Down",
    exitMessage: "text; with status Down",
    exitReason: "VDSM's number; with status Down",
  },
  VM_migration_status: {
    progress: "%, 0 to 100, never falling",
    postcopy: "boolean",
    downtime: "ms the guest stood still; in the last event of a migration that arrived",
  },
  VM_migration_stalling: {
    stalledFor: "s since the last advance",
    stallingLimit: "s, 0 = off",
    count: "which multiple of the limit; 0 with progressing",
    reason: "notStarted, noStats, noData, throttled, notConverging or postcopyStalled",
    dataRemaining: "bytes",
    bestPass: "bytes that the smallest productive pass began with",
    bandwidth: "MiB/s measured",
    dirtyRate: "bytes/s that the guest dirties; 0 in pass 1",
    iteration: "number of the pass; 0 = not begun",
    downtime: "ms, the maximum downtime now",
    maxBandwidth: "MiB/s, the cap now",
    timeoutIn: "s until the hard limit; 0 = reached",
    progressing: "boolean: the stall is over",
    aborting: "boolean: the host has decided to abort by itself",
  },
  VM_migration_deferred: {
    reason: "text: why it cannot begin yet",
    deferrals: "how often it was sent back into the queue",
    retryIn: "s until it is tried again",
  },
  VM_migration_ended: {
    outcome: "completed, failed or cancelled",
    reason: "one word, see outcomes",
    code: "number, 0 = completed",
    message: "text",
    where: "where the guest is: source, destination, image, nowhere or unknown",
    confirmed: "boolean: somebody there said so",
    duration: "ms since the call to libvirt; 0 if there was none",
    downtime: "ms the guest stood still; -1 = not known",
    dataProcessed: "bytes",
    passes: "number",
  },
} as const;

export function eventToWire(migration: Migration, event: CoreEvent, clock: Clock): MonitorEvent {
  switch (event.kind) {
    case "migrationStatus":
      return envelope("VM_migration_status", migration.vmId, clock, {
        progress: event.progressPercent,
        postcopy: event.postCopy,
        ...(event.downtimeMs === null ? {} : { downtime: Math.round(event.downtimeMs) }),
      });
    case "vmStatus":
      return envelope("VM_status", migration.vmId, clock, vmStatusToWire(event.status));
    case "stalling":
      return envelope(
        "VM_migration_stalling",
        migration.vmId,
        clock,
        stallingToWire(event.stalling),
      );
    case "deferred":
      return envelope("VM_migration_deferred", migration.vmId, clock, {
        reason: event.reason,
        deferrals: event.deferrals,
        retryIn: msToSecondsCeil(Math.max(0, event.retryInMs)),
      });
    case "ended":
      return envelope("VM_migration_ended", migration.vmId, clock, outcomeToWire(event.outcome));
  }
}

/** A guest has arrived on this host. */
export function arrivedToWire(vmId: string, runState: RunState, clock: Clock): MonitorEvent {
  return envelope("VM_status", vmId, clock, runStateToWire(runState));
}

function envelope(
  name: keyof typeof eventFields,
  vmId: string,
  clock: Clock,
  fields: WireObject,
): MonitorEvent {
  const params = { [vmId]: fields, notify_time: wireTimeMs(clock) };
  return { method: `|virt|${name}|${vmId}`, params };
}

/** A VM that lives on this host, by its state alone. */
export function runStateToWire(runState: RunState): WireObject {
  const { status, pauseCode } = runStateRow(runState);
  return pauseCode === null ? { status } : { status, pauseCode };
}

/** Also what VM.getStats says of a VM that has left. */
export function vmStatusToWire(status: VmStatus): WireObject {
  switch (status.kind) {
    case "migrationSource":
      return { status: "Migration Source" };
    case "savingState":
      return { status: "Saving State" };
    case "postCopy":
      return { status: "Paused", pauseCode: "POSTCOPY" };
    case "staysHere":
      return runStateToWire(status.runState);
    case "down":
      return { status: "Down", ...exit(status.why) };
  }
}

function exit(why: Extract<VmStatus, { kind: "down" }>["why"]): WireObject {
  switch (why) {
    case "migrated":
      return down(0, EXIT_REASON.MIGRATION_SUCCEEDED, "Migration succeeded");
    case "saved":
      return down(0, EXIT_REASON.SAVE_STATE_SUCCEEDED, "Saved to a file");
    case "lost":
      return down(1, EXIT_REASON.MIGRATION_FAILED, "Lost in migration");
    case "lostInPostCopy":
      return down(1, EXIT_REASON.POSTCOPY_MIGRATION_FAILED, "Lost in post-copy");
    case "shutDown":
      return down(0, EXIT_REASON.USER_SHUTDOWN, "The guest shut itself down");
    case "crashed":
      return down(1, EXIT_REASON.LOST_QEMU_CONNECTION, "The guest crashed, or its QEMU died");
    case "destroyed":
      return down(0, EXIT_REASON.ADMIN_SHUTDOWN, "Destroyed by somebody");
    case "reverted":
      return down(0, EXIT_REASON.ADMIN_SHUTDOWN, "Switched off by a revert to a snapshot");
    case "failed":
      return down(1, EXIT_REASON.LOST_QEMU_CONNECTION, "Failed, libvirt says");
    case "unseen":
      return down(1, EXIT_REASON.LOST_QEMU_CONNECTION, "Gone when libvirtd was back");
  }
}

function down(exitCode: number, exitReason: number, exitMessage: string): WireObject {
  return { exitCode, exitReason, exitMessage };
}

export function stallingToWire(stalling: StallingEvent): WireObject {
  return {
    stalledFor: msToSecondsFloor(stalling.stalledForMs),
    stallingLimit: msToSecondsFloor(stalling.stallingLimitMs),
    count: stalling.count,
    reason: stalling.reason,
    dataRemaining: Math.round(stalling.dataRemainingBytes),
    bestPass: Math.round(stalling.bestPassBytes),
    bandwidth: bytesPerSecondToMiBpsRound(stalling.bytesPerSecond),
    dirtyRate: Math.round(stalling.dirtyRateBytesPerSecond),
    iteration: stalling.pass,
    downtime: stalling.maxDowntimeMs,
    maxBandwidth: stalling.maxBandwidthMiBps,
    timeoutIn: msToSecondsCeil(stalling.timeoutInMs),
    progressing: stalling.progressing,
    aborting: stalling.aborting,
  };
}

export function outcomeToWire(outcome: Outcome): WireObject {
  return {
    outcome: outcome.outcome,
    reason: outcome.reason,
    code: outcome.code,
    message: outcome.message,
    where: outcome.where,
    confirmed: outcome.confirmed,
    duration: Math.round(outcome.durationMs ?? 0),
    downtime: outcome.downtimeMs === null ? -1 : Math.round(outcome.downtimeMs),
    dataProcessed: Math.round(outcome.dataProcessedBytes),
    passes: outcome.passes,
  };
}
