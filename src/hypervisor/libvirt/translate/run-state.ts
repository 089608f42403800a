/**
 * libvirt's domain states and reasons as run states, with a row for each that libvirt has. What a run
 * state means is core/run-state.ts's. On SHUTOFF_MIGRATED, and on SHUTOFF_UNKNOWN of a VM that was
 * persistent, a leftover definition is removed (leftovers.ts).
 *
 * Source: libvirt-domain.h, virDomainState and virDomain{Running,Paused,Shutoff}Reason.
 */
import { DomainState, PausedReason, RunningReason, ShutoffReason } from "libvirt";
import type { RunState } from "../../../core/run-state.ts";
import { byNumber } from "./by-number.ts";

type Reasons<T> = Readonly<Record<keyof T, RunState>>;

const running: Reasons<typeof RunningReason> = {
  UNKNOWN: "running",
  BOOTED: "running",
  MIGRATED: "running",
  RESTORED: "running",
  FROM_SNAPSHOT: "running",
  UNPAUSED: "running",
  MIGRATION_CANCELED: "running",
  SAVE_CANCELED: "running",
  WAKEUP: "running",
  CRASHED: "running",
  POSTCOPY: "incomingPostCopy",
  POSTCOPY_FAILED: "incomingPostCopyFailed",
};

const paused: Reasons<typeof PausedReason> = {
  UNKNOWN: "suspended",
  USER: "suspended",
  MIGRATION: "switching",
  SAVE: "saving",
  DUMP: "dumping",
  IOERROR: "ioError",
  WATCHDOG: "watchdog",
  FROM_SNAPSHOT: "suspended",
  SHUTTING_DOWN: "shuttingDown",
  SNAPSHOT: "snapshotting",
  CRASHED: "crashed",
  STARTING_UP: "startingUp",
  POSTCOPY: "postCopy",
  POSTCOPY_FAILED: "postCopyFailed",
};

const shutoff: Reasons<typeof ShutoffReason> = {
  UNKNOWN: "off",
  SHUTDOWN: "offShutDown",
  DESTROYED: "offDestroyed",
  CRASHED: "offCrashed",
  MIGRATED: "offMigrated",
  SAVED: "offSaved",
  FAILED: "offFailed",
  FROM_SNAPSHOT: "offFromSnapshot",
  DAEMON: "offUnseen",
};

/** `else`: whatever the reason, or if `by` does not know it. */
const states: Readonly<
  Record<
    keyof typeof DomainState,
    { readonly else: RunState; readonly by?: ReadonlyMap<number, RunState> }
  >
> = {
  NOSTATE: { else: "noState" },
  RUNNING: { else: "running", by: byNumber(RunningReason, running) },
  BLOCKED: { else: "running" },
  PAUSED: { else: "suspended", by: byNumber(PausedReason, paused) },
  SHUTDOWN: { else: "shuttingDown" },
  SHUTOFF: { else: "off", by: byNumber(ShutoffReason, shutoff) },
  CRASHED: { else: "crashed" },
  PMSUSPENDED: { else: "asleep" },
};

const byState = byNumber(DomainState, states);

/** A reason that is newer than the binding is ignored. */
export function runStateFromLibvirt({
  state,
  reason,
}: {
  readonly state: number;
  readonly reason: number;
}): RunState {
  const row = byState.get(state);
  return row?.by?.get(reason) ?? row?.else ?? "noState";
}
