/**
 * The words for states that callers are shown: phases of a migration, why one stalls, where a guest
 * is, what VM.migrateCheck looks at. Each with what it means; the compiler holds the names to the core's.
 */
import type { Outcome, StallReason } from "../core/event.ts";
import type { CheckName } from "../core/migrate-check.ts";
import { namesOf } from "../core/names.ts";
import { type RunState, runStateRow } from "../core/run-state.ts";
import type { ShownPhase } from "../core/vm-status.ts";

export interface PhaseRow {
  readonly what: string;
  readonly stallClock: string;
  /** What VM.migrateCancel does. */
  readonly cancel: string;
}

export const phases = {
  queued: {
    what: "accepted, waiting for a slot, here or on the destination",
    stallClock: "not running",
    cancel: "cancelled as soon as libvirt says where the VM is",
  },
  preparing: {
    what: "has a slot; the destination is asked and the first downtime is set",
    stallClock: "not running",
    cancel: "cancelled before libvirt is called",
  },
  starting: {
    what: "libvirt has been called, no data has been sent yet",
    stallClock: "since the call",
    cancel: "remembered, and repeated until libvirt accepts it",
  },
  running: {
    what: "data is being sent",
    stallClock: "since the last advance",
    cancel: "libvirt aborts the job",
  },
  postCopy: {
    what: "the guest runs on the destination, its remaining pages follow",
    stallClock: "since data last arrived; nothing is aborted",
    cancel: "47: it would lose the guest",
  },
  settling: {
    what: "libvirt's call has returned; the hosts are asked where the guest is",
    stallClock: "not running",
    cancel: "waits for the outcome",
  },
  ended: {
    what: "has an outcome; the record is kept for an hour, at most 200 of them",
    stallClock: "not running",
    cancel: "47, with the reason",
  },
  cancelling: {
    what: "a cancel was requested and libvirt's job has not ended yet",
    stallClock: "stopped",
    cancel: "joins the first",
  },
  aborting: {
    what: "the hard limit or the engine's schedule is ending it and libvirt's job has not ended yet",
    stallClock: "stopped",
    cancel: "waits for the outcome",
  },
} as const satisfies Readonly<Record<ShownPhase, PhaseRow>>;

/** The phase of a migration that somebody else started and that nobody has taken over. */
export const foreignPhase = {
  foreign: "started by somebody else (virsh, virt-manager): counted, and left alone",
} as const;

export interface StallReasonRow {
  readonly means: string;
  readonly remedy: string;
}

export const stallReasons = {
  notStarted: {
    means: "libvirt has not sent any data yet",
    remedy: "Does the destination's libvirt answer? Can this host reach `dstqemu`?",
  },
  noStats: {
    means: "libvirt did not answer for this VM in the last cycle",
    remedy:
      "Is its QEMU stopped, or its storage hanging? `virsh domjobinfo` would hang as well then.",
  },
  noData: {
    means: "no data has been sent for half a second or longer",
    remedy: "Look at the migration network and at the destination's QEMU.",
  },
  throttled: {
    means:
      "passes do not shrink, the rate is at least 90 % of the cap, and the cap is below maxBandwidth",
    remedy:
      "Sharing or a silent destination holds it back: raise `maxBandwidth`, run fewer at once, or find out why the destination's daemon does not answer.",
  },
  notConverging: {
    means: "passes do not shrink: the guest dirties memory as fast as it is sent",
    remedy:
      "More `downtime`, more `maxBandwidth`, or `migrationTechnique` post-copy. Next time: start with `autoConverge`.",
  },
  postcopyStalled: {
    means: "in post-copy, and no data arrives",
    remedy:
      "Repair the network. Do not cancel and do not stop either QEMU: the guest's memory is on both hosts.",
  },
} as const satisfies Readonly<Record<StallReason, StallReasonRow>>;

/** `where` of an outcome. */
export const locations = {
  source: "it never left",
  destination: "it arrived",
  image: "saved; it runs nowhere",
  nowhere: "on neither host",
  unknown: "the destination does not say",
} as const satisfies Readonly<Record<Outcome["where"], string>>;

export interface CheckRow {
  /** When `ok` is true. */
  readonly good: string;
  /** When it is false or null. */
  readonly otherwise: string;
}

export const checks = {
  vm: { good: "the VM's state allows a migration", otherwise: "false: it does not" },
  job: {
    good: "libvirt has no job on it",
    otherwise: "false: it has, or the VM is migrating; null: libvirt does not answer for it",
  },
  outgoingSlot: { good: "this host has a free slot", otherwise: "false: it would wait" },
  resolve: {
    good: "the name in `dst` resolves; its addresses",
    otherwise: "false: it does not exist, or is this host; null: no resolver answers",
  },
  migrationAddress: {
    good: "`dstqemu`, or the host of `dst`, accepts a TCP connection",
    otherwise: "false: no answer within 2 s",
  },
  daemon: { good: "the destination's daemon answers", otherwise: "false: why not" },
  version: { good: "its version", otherwise: "null: it does not say, like a stock VDSM" },
  incomingSlot: {
    good: "it has a free slot",
    otherwise: "false: it would wait; null: it does not say",
  },
  absentThere: { good: "it has no VM with that id", otherwise: "false: it has one" },
  certificates: {
    good: "both hosts' certificates are valid, and until when; or TLS is off",
    otherwise:
      "false: what is wrong with this host's files, or which certificate is refused; null: the destination's was not seen",
  },
  libvirt: {
    good: "this host reaches the destination's libvirt at `libvirt.destination_uri`; its versions",
    otherwise: "false: libvirt's message",
  },
  cpu: {
    good: "the destination can provide the guest's CPU; how the hosts' CPUs compare",
    otherwise:
      "false: what is missing there; null: libvirt does not compare it, or the guest uses the host's own CPU and the two differ",
  },
  disks: {
    good: "no disk is on a file system of this host alone, by libvirt's safety rule",
    otherwise: "false: which one is, and libvirt would refuse to start; null: it cannot be told",
  },
  hostDevices: {
    good: "none",
    otherwise: "null: QEMU decides at the start whether it can move them",
  },
  postCopy: { good: "possible, if QEMU on both hosts can do it", otherwise: "false: why not" },
  bandwidth: { good: "the cap that it would get now, in MiB/s", otherwise: "" },
} as const satisfies Readonly<Record<CheckName, CheckRow>>;

/** What libvirt says of a VM that is not off. */
const runStates = {
  running: "running, or blocked on a resource",
  incomingPostCopy: "running here in post-copy, not all of its memory has arrived",
  incomingPostCopyFailed: "the same, and its post-copy is broken",
  suspended: "paused by somebody, or from a snapshot",
  watchdog: "paused by a watchdog",
  ioError: "paused on a storage error",
  dumping: "paused for a dump",
  snapshotting: "paused for a snapshot",
  saving: "being saved",
  switching: "paused for the switchover of a migration, or restored as it was saved: paused",
  asleep: "asleep (S3)",
  crashed: "crashed and preserved (`on_crash`)",
  postCopy: "paused, its guest runs on the destination (post-copy)",
  postCopyFailed: "the same, and its post-copy is broken",
  startingUp: "starting, or arriving",
  shuttingDown: "shutting down",
  noState: "no state that libvirt knows",
} as const satisfies Readonly<Record<Exclude<RunState, `off${string}`>, string>>;

export interface VmStateRow {
  readonly state: string;
  readonly status: string;
  readonly pauseCode: string | null;
  /** Why it may not migrate, in words that follow "the VM"; null: it may. */
  readonly mayNotMigrate: string | null;
  /** It executes nothing: post-copy is not possible. */
  readonly standsStill: boolean;
}

/** The states of a VM that is not off, and what callers are shown. */
export function vmStates(): readonly VmStateRow[] {
  return namesOf(runStates).map((name) => {
    const { status, pauseCode, mayNotMigrate, standsStill } = runStateRow(name);
    return { state: runStates[name], status, pauseCode, mayNotMigrate, standsStill };
  });
}
