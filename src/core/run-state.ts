/**
 * What state a VM is in, and all that follows from it for a migration: one row for each. libvirt's
 * numbers are turned into these words in one place (hypervisor/libvirt/translate/run-state.ts), and whoever
 * asks "is it here", "may it go", "what is it called" asks this table. It knows no job: whether a
 * VM in one of these states is on its way is what libvirt shows beside the state.
 */

/** VDSM's status words that a state alone can lead to. */
export type StatusWord =
  | "Up"
  | "Paused"
  | "Down"
  | "Powering down"
  | "Saving State"
  | "WaitForLaunch";

/** VDSM's pauseCode, given with the status Paused. Source: VDSM; engine, VmPauseStatus. */
export type PauseCode = "NOERR" | "EIO" | "EOTHER" | "POSTCOPY";

/**
 * Where a VM in this state is, as seen on its own host. `active`: its guest lives here. `switching`:
 * it stands for the switchover. `pausedCopy`: what post-copy leaves of a guest that runs elsewhere.
 * `ending`: just being taken apart, the next look shows how. `notActive`: not here.
 */
export type Presence = "active" | "switching" | "pausedCopy" | "ending" | "notActive";

export interface RunStateRow {
  readonly presence: Presence;
  readonly status: StatusWord;
  /** With the status Paused, else null. */
  readonly pauseCode: PauseCode | null;
  /** Why a migration of it may not begin, in words that follow "the VM"; null: it may. */
  readonly mayNotMigrate: string | null;
  /** It executes nothing: libvirt's post-copy could not begin. */
  readonly standsStill: boolean;
}

const up: RunStateRow = {
  presence: "active",
  status: "Up",
  pauseCode: null,
  mayNotMigrate: null,
  standsStill: false,
};

function paused(pauseCode: PauseCode, mayNotMigrate: string | null = null): RunStateRow {
  return { presence: "active", status: "Paused", pauseCode, mayNotMigrate, standsStill: true };
}

function still(presence: Presence, status: StatusWord, mayNotMigrate: string): RunStateRow {
  return { presence, status, pauseCode: null, mayNotMigrate, standsStill: true };
}

const HAS_BEGUN = "is in a migration already";
const IS_OFF = "is not running";
const off: RunStateRow = still("notActive", "Down", IS_OFF);
const pausedCopy: RunStateRow = { ...paused("POSTCOPY", HAS_BEGUN), presence: "pausedCopy" };

/**
 * - `asleep` (S3): libvirt begins its migration and waits for ever in its last step, since a guest that
 *   sleeps does not stop for it: seen with 9.0, an abort from there on is accepted and ends nothing.
 * - `crashed`: kept as it is by on_crash=preserve, QEMU lives. libvirt would migrate it and set it
 *   going over there: what was to be preserved would be gone.
 * - `switching`: a guest that was saved while suspended is so, too, once it is restored; if it is on its
 *   way, its job says so.
 * - `ioError`: QEMU would lose the request that failed.
 */
const table = {
  running: up,
  /** On the destination: post-copy brings the rest of it, or has failed to. */
  incomingPostCopy: { ...up, mayNotMigrate: HAS_BEGUN },
  incomingPostCopyFailed: { ...up, mayNotMigrate: HAS_BEGUN },
  suspended: paused("NOERR"),
  ioError: paused("EIO", "is paused on a storage error and cannot be moved"),
  watchdog: paused("EOTHER"),
  dumping: paused("NOERR", "is being dumped"),
  snapshotting: paused("NOERR", "has a snapshot taken of it"),
  saving: still("active", "Saving State", "is being saved"),
  switching: { ...paused("NOERR"), presence: "switching" },
  startingUp: still("active", "WaitForLaunch", "is only starting, or arriving"),
  postCopy: pausedCopy,
  postCopyFailed: pausedCopy,
  asleep: paused("NOERR", "sleeps (S3), and libvirt could not end its migration: wake it up first"),
  crashed: paused(
    "EOTHER",
    "has crashed and is preserved as it is; a migration would set it going",
  ),
  shuttingDown: still("ending", "Powering down", "is shutting down"),
  /** libvirt knows none; no guest of QEMU's is ever so. */
  noState: still("ending", "WaitForLaunch", "is in no state that libvirt knows"),
  /** Off, with the reason that libvirt wrote down. */
  off,
  offShutDown: off,
  offDestroyed: off,
  offCrashed: off,
  offMigrated: off,
  offSaved: off,
  offFailed: off,
  offFromSnapshot: off,
  /** Taken away while libvirtd did not look. */
  offUnseen: off,
} as const satisfies Readonly<Record<string, RunStateRow>>;

export type RunState = keyof typeof table;

/** All of them, for schemas and tests. */
export const RUN_STATES: readonly [RunState, ...RunState[]] = [
  "running",
  "incomingPostCopy",
  "incomingPostCopyFailed",
  "suspended",
  "ioError",
  "watchdog",
  "dumping",
  "snapshotting",
  "saving",
  "switching",
  "startingUp",
  "postCopy",
  "postCopyFailed",
  "asleep",
  "crashed",
  "shuttingDown",
  "noState",
  "off",
  "offShutDown",
  "offDestroyed",
  "offCrashed",
  "offMigrated",
  "offSaved",
  "offFailed",
  "offFromSnapshot",
  "offUnseen",
];

const rows: Readonly<Record<RunState, RunStateRow>> = table;

/** The state's row. */
export function runStateRow(state: RunState): RunStateRow {
  return rows[state];
}

/** Its guest is not on this host: the definition of a VM that is off. */
export function isOff(state: RunState): boolean {
  return rows[state].presence === "notActive";
}

/** The guest already runs on the other side; what is here is its paused copy. */
export function isPausedCopy(state: RunState | undefined): boolean {
  return state !== undefined && rows[state].presence === "pausedCopy";
}

/** If it was coming to this host, then not all of it has come: it has never run here. */
export function isHalfArrived(state: RunState): boolean {
  return state === "startingUp" || state === "switching";
}

/**
 * How the guest ended by itself or by somebody's hand, as libvirt's event or the shut-off reason of
 * its definition said. `crashed`: the guest panicked, or its QEMU died. `saved`: by somebody else's
 * save. `reverted`: to a snapshot in which it is off. `failed`: at a start, or libvirt gave it up.
 * `unseen`: libvirtd was not there, and could not take it up again.
 */
export const guestStops = [
  "shutDown",
  "destroyed",
  "crashed",
  "saved",
  "reverted",
  "failed",
  "unseen",
] as const;

export type GuestStopped = (typeof guestStops)[number];
