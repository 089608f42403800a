/**
 * The only calls of this daemon that take a domain away: what a migration left on its source although
 * the guest runs on the destination. Each looks for itself, right before: a copy whose data still flow
 * has a job, and to end that would lose the guest.
 */
import { DomainState, ErrorLevel, JobType, LibvirtError, UndefineFlag, type Domain } from "libvirt";
import { LIBVIRT_ERROR, PAUSED_REASON, SHUTOFF_REASON } from "../core/libvirt-codes.ts";

/** The guest has taken its state along: of what libvirt keeps beside the definition nothing is lost. */
const WITH_METADATA =
  UndefineFlag.KEEP_NVRAM | UndefineFlag.SNAPSHOTS_METADATA | UndefineFlag.CHECKPOINTS_METADATA;

/**
 * The paused copy that a post-copy left, and its definition if `undefine`. Rejects with LibvirtError:
 * libvirt's, or OPERATION_INVALID if this is no such copy.
 */
export async function destroyShell(domain: Domain, undefine: boolean): Promise<void> {
  const { state, reason } = await domain.getState();
  if (!isPausedForPostCopy(state, reason)) {
    throw invalid("the domain is not paused for post-copy");
  }
  const { type } = await domain.getJobStats();
  if (type !== JobType.NONE) throw invalid("the domain has a job");
  // First the definition: killed in between, what is left can no longer be started.
  if (undefine && (await domain.isPersistent())) await domain.undefine(WITH_METADATA);
  await domain.destroy();
}

/**
 * The definition that UNDEFINE_SOURCE was to take along, where libvirtd was restarted meanwhile and has
 * forgotten: started, the guest would run on both hosts. Nothing is done to any other domain. False
 * while libvirt has the domain still paused: for 30 s after its own restart.
 */
export async function undefineMigrated(domain: Domain): Promise<boolean> {
  const { state, reason } = await domain.getState();
  if (isPausedForPostCopy(state, reason)) return false;
  // Killed before it wrote the reason down, libvirtd knows none after its restart.
  const left = reason === SHUTOFF_REASON.MIGRATED || reason === SHUTOFF_REASON.UNKNOWN;
  if (state === DomainState.SHUTOFF && left) await domain.undefine(WITH_METADATA);
  return true;
}

function isPausedForPostCopy(state: number, reason: number): boolean {
  return (
    state === DomainState.PAUSED &&
    (reason === PAUSED_REASON.POSTCOPY || reason === PAUSED_REASON.POSTCOPY_FAILED)
  );
}

function invalid(message: string): LibvirtError {
  return new LibvirtError("look before virDomainDestroy", {
    code: LIBVIRT_ERROR.OPERATION_INVALID,
    message,
    domain: 0,
    level: ErrorLevel.ERROR,
  });
}
