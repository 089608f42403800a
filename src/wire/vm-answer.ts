/**
 * VMs as they go on the wire: status words, exit codes, and the entries of VM.getStats,
 * Host.getAllVmStats and Host.getVMList. What is known of a VM comes as facts; nobody reads it back
 * from here.
 */
import type { DownWhy } from "../core/event.ts";
import { type RunState, runStateRow } from "../core/run-state.ts";
import type { StatusHere } from "../core/vm-status.ts";
import type { ObjectOf } from "./field.ts";
import {
  exitReasons,
  type vmListFields,
  type vmStatsFields,
  type vmStatusFields,
} from "./results.ts";
import { statusTime, type Moment } from "./time.ts";

export type VmStats = ObjectOf<typeof vmStatsFields>;
export type VmListEntry = ObjectOf<typeof vmListFields>;
export type StatusFields = ObjectOf<typeof vmStatusFields>;
type ExitFields = Pick<StatusFields, "exitCode" | "exitReason" | "exitMessage">;

/** What a VM is on this host, or while it comes to it. */
export type ShownStatus = StatusHere;

export interface VmFacts {
  readonly vmId: string;
  readonly vmName: string;
  readonly status: ShownStatus;
  /** Of its migration to another host; null: there is none. */
  readonly progressPercent: number | null;
  /** Its migration has not ended, and it is not on this host: for a source that sends it here. */
  readonly absentHere: boolean;
  /** It had arrived here and has ended since: for the source that sent it. */
  readonly arrivedHere: boolean;
}

/** The guest is active on this host and runs. */
export function isUp(status: ShownStatus): boolean {
  return status.kind === "staysHere" && runStateRow(status.runState).status === "Up";
}

export function vmStats(vm: VmFacts, now: Moment): VmStats {
  return {
    vmId: vm.vmId,
    vmName: vm.vmName,
    ...statusFields(vm.status),
    statusTime: statusTime(now),
    ...(vm.progressPercent === null ? {} : { migrationProgress: vm.progressPercent }),
    ...(vm.absentHere ? { absentHere: true } : {}),
    ...(vm.arrivedHere ? { arrivedHere: true } : {}),
  };
}

export function vmListEntry(vm: VmFacts, now: Moment): VmListEntry {
  const { status, pauseCode: _, ...exit } = statusFields(vm.status);
  return { vmId: vm.vmId, status, statusTime: statusTime(now), ...exit };
}

/** VDSM's words. */
export function statusFields(status: ShownStatus): StatusFields {
  switch (status.kind) {
    case "migrationSource":
      return { status: "Migration Source" };
    case "migrationDestination":
      return { status: "Migration Destination" };
    case "savingState":
      return { status: "Saving State" };
    case "postCopy":
      return { status: "Paused", pauseCode: "POSTCOPY" };
    case "staysHere":
      return runStateFields(status.runState);
    case "down":
      return { status: "Down", ...exitFields(status.why) };
  }
}

function runStateFields(runState: RunState): StatusFields {
  const { status, pauseCode } = runStateRow(runState);
  return pauseCode === null ? { status } : { status, pauseCode };
}

function exitFields(why: DownWhy): ExitFields {
  switch (why) {
    case "migrated":
      return exit(0, exitReasons.migrationSucceeded, "Migration succeeded");
    case "saved":
      return exit(0, exitReasons.saveStateSucceeded, "Saved to a file");
    case "lost":
      return exit(1, exitReasons.migrationFailed, "Lost in migration");
    case "lostInPostCopy":
      return exit(1, exitReasons.postCopyMigrationFailed, "Lost in post-copy");
    case "shutDown":
      return exit(0, exitReasons.userShutdown, "The guest shut itself down");
    case "crashed":
      return exit(1, exitReasons.lostQemuConnection, "The guest crashed, or its QEMU died");
    case "destroyed":
      return exit(0, exitReasons.adminShutdown, "Destroyed by somebody");
    case "reverted":
      return exit(0, exitReasons.adminShutdown, "Switched off by a revert to a snapshot");
    case "failed":
      return exit(1, exitReasons.lostQemuConnection, "Failed, according to libvirt");
    case "unseen":
      return exit(1, exitReasons.lostQemuConnection, "Gone when libvirtd was back");
  }
}

function exit(exitCode: number, exitReason: number, exitMessage: string): ExitFields {
  return { exitCode, exitReason, exitMessage };
}
