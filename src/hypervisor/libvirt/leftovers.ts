/**
 * The only calls of this daemon that take a domain away: what a migration left on its source although
 * the guest runs on the destination. Each looks for itself, right before: a copy whose data still flow
 * has a job, and to end that would lose the guest.
 */
import { ErrorCode, ErrorLevel, JobType, LibvirtError, UndefineFlag, type Domain } from "libvirt";
import { isPausedCopy } from "../../core/run-state.ts";
import { runStateFromLibvirt } from "./translate/run-state.ts";

/** The guest has taken its state along: of what libvirt keeps beside the definition nothing is lost. */
const WITH_METADATA =
  UndefineFlag.KEEP_NVRAM | UndefineFlag.SNAPSHOTS_METADATA | UndefineFlag.CHECKPOINTS_METADATA;

/**
 * The paused copy that a post-copy left, and its definition if `undefine`. Rejects with LibvirtError:
 * libvirt's, or OPERATION_INVALID if this is no such copy.
 */
export async function destroyPausedCopy(domain: Domain, undefine: boolean): Promise<void> {
  if (!isPausedCopy(runStateFromLibvirt(await domain.getState()))) {
    throw invalid("the domain is not paused for post-copy");
  }
  const { type } = await domain.getJobStats();
  if (type !== JobType.NONE) throw invalid("the domain has a job");
  // First the definition: killed in between, what is left can no longer be started.
  if (undefine && (await domain.isPersistent())) await domain.undefine(WITH_METADATA);
  await domain.destroy();
}

/**
 * The definition of a guest that has left: one that UNDEFINE_SOURCE was to take along, where libvirtd
 * was restarted meanwhile and has forgotten, or one that somebody made of a transient guest on its way.
 * Started, the guest would run on both hosts. Nothing is done to any other domain. False while libvirt
 * has the domain still paused: for 30 s after its own restart. `wasPersistent`: at the call.
 */
export async function undefineMigrated(domain: Domain, wasPersistent: boolean): Promise<boolean> {
  const state = runStateFromLibvirt(await domain.getState());
  if (isPausedCopy(state)) return false;
  // Killed before it wrote the reason down, libvirtd knows none after its restart.
  const left = state === "offMigrated" || (state === "off" && wasPersistent);
  if (left) await domain.undefine(WITH_METADATA);
  return true;
}

function invalid(message: string): LibvirtError {
  return new LibvirtError("look before virDomainDestroy", {
    code: ErrorCode.OPERATION_INVALID,
    message,
    domain: 0,
    level: ErrorLevel.ERROR,
  });
}
