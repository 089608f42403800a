/**
 * Every reason for which a migration may end: which outcome it is, VDSM's number for it, and what
 * happened, in words for people. outcome.ts chooses among them, and takes outcome and code from here.
 */

export interface EndReasonRow {
  readonly outcome: "completed" | "failed" | "cancelled";
  /** VDSM's number. */
  readonly code: number;
  readonly doc: string;
}

/** VDSM's "could not connect to the peer VDSM". */
const CODE_NO_PEER = 10;
const CODE_FAILED = 12;
const CODE_CANCELLED = 47;
/** VDSM's migrateLimit: no slot. */
const CODE_NO_SLOT = 82;
/** VDSM's number for libvirt's VIR_ERR_OPERATION_FAILED; any other code of libvirt's is 12. */
export const CODE_LIBVIRT_FAILED = 102;

export const endReasons = {
  arrived: completed("the guest is active on the destination"),
  saved: completed("the guest is in its image (mode file)"),
  cancelTooLate: completed("a cancel was requested, but the guest had already arrived"),
  abortTooLate: completed("the hard limit was reached, but the guest had already arrived"),
  cancelled: cancelled("by `VM.migrateCancel`; the guest is active on the source"),
  byOther: cancelled("by somebody else (`virsh domjobabort`); active on the source"),
  progressTimeout: failed(
    "no advance for `migrationProgressTimeout`: the host aborted it; active on the source",
  ),
  scheduleAbort: failed("the engine's convergenceSchedule reached its abort; active on the source"),
  noSlot: failed(
    "for `vars.migration_admission_timeout` the destination had no slot for it or did not answer; active on the source",
    CODE_NO_SLOT,
  ),
  leftByOther: failed(
    "somebody else migrated the VM while it was waiting; `where` is `destination` if it went there, else `unknown`",
  ),
  noDestination: failed(
    "no daemon can be reached there and waiting would not help; the message says why; active on the source",
    CODE_NO_PEER,
  ),
  guestLost: failed(
    "the guest is on neither host and nothing says why. Look at QEMU's logs on both before you start it again",
  ),
  guestStopped: failed(
    "during the migration the guest shut down, or somebody destroyed it, saved it or reverted it to a snapshot: it runs nowhere",
  ),
  guestCrashed: failed(
    "during the migration the guest crashed, or its QEMU died or libvirtd lost track of it: it runs nowhere",
  ),
  runsTwice: failed(
    "libvirt was killed during the last step and started the guest on both hosts. Stop one of them at once; the daemon destroys neither",
  ),
  hostRestarted: failed(
    "this host was restarted during the migration and the guest had not arrived; the message says where it is",
  ),
  libvirt: failed(
    "libvirt gave up or refused to start; the message quotes it. 102 for libvirt's code 9 (operation failed), else 12",
  ),
  unknown: failed(
    "one of two things, and `where` says which. source: it ended while the daemon was down, and libvirt keeps no record of why. unknown: gone from the source, and nobody on the destination answered for 60 s (600 s for a post-copy that stands still), or it is on neither host and nobody was watching; it may be running, so look there before you start it again. The destination is still asked; a late answer corrects the record",
  ),
} as const satisfies Record<string, EndReasonRow>;

export type EndReason = keyof typeof endReasons;

function completed(doc: string): EndReasonRow {
  return { outcome: "completed", code: 0, doc };
}

function cancelled(doc: string): EndReasonRow {
  return { outcome: "cancelled", code: CODE_CANCELLED, doc };
}

function failed(doc: string, code = CODE_FAILED): EndReasonRow {
  return { outcome: "failed", code, doc };
}
