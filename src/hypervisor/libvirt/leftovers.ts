/**
 * The only calls of the daemon that remove a domain: what a migration left on its source although the
 * guest runs on the destination. Each of them checks right before it acts: a copy that is still sending
 * data has a job, and ending it would lose the guest.
 */
import { ErrorCode, ErrorLevel, JobType, LibvirtError, UndefineFlag, type Domain } from "libvirt";
import { isPausedCopy } from "../../core/run-state.ts";
import { runStateFromLibvirt } from "./translate/run-state.ts";

/** The guest took its state along, so nothing that libvirt keeps beside the definition is lost. */
const WITH_METADATA =
  UndefineFlag.KEEP_NVRAM | UndefineFlag.SNAPSHOTS_METADATA | UndefineFlag.CHECKPOINTS_METADATA;

/**
 * The paused copy that post-copy left, and its definition if `undefine`. Rejects with a LibvirtError:
 * libvirt's own, or OPERATION_INVALID if this is no such copy.
 */
export async function destroyPausedCopy(domain: Domain, undefine: boolean): Promise<void> {
  if (!isPausedCopy(runStateFromLibvirt(await domain.getState()))) {
    throw invalid("the domain is not paused for post-copy");
  }
  const { type } = await domain.getJobStats();
  if (type !== JobType.NONE) throw invalid("the domain has a job");
  // The definition first: if the daemon is killed in between, what is left cannot be started.
  if (undefine && (await domain.isPersistent())) await domain.undefine(WITH_METADATA);
  await domain.destroy();
}

/**
 * The definition of a guest that has left: one that UNDEFINE_SOURCE should have removed, if libvirtd
 * was restarted in the meantime and has forgotten, or one that somebody made of a transient guest
 * during its migration. If it were started, the guest would run on both hosts. No other domain is
 * touched. False while libvirt still has the domain paused, up to 30 s after its own restart.
 * `wasPersistent`: when the migrate call was made.
 */
export async function undefineMigrated(domain: Domain, wasPersistent: boolean): Promise<boolean> {
  const state = runStateFromLibvirt(await domain.getState());
  if (isPausedCopy(state)) return false;
  // A libvirtd that was killed before it stored the reason has none after its restart.
  const left = state === "offMigrated" || (state === "off" && wasPersistent);
  if (left) await domain.undefine(WITH_METADATA);
  return true;
}

function invalid(message: string): LibvirtError {
  return new LibvirtError("check before virDomainDestroy", {
    code: ErrorCode.OPERATION_INVALID,
    message,
    domain: 0,
    level: ErrorLevel.ERROR,
  });
}
