/**
 * Where the guest is: asked of this host's libvirt, and of the destination's daemon where this host
 * has it no more. Only facts; core/place.ts judges them.
 */
import { isOutgoing, type JobStats } from "../core/job-stats.ts";
import { LIBVIRT_ERROR, PAUSED_REASON, SHUTOFF_REASON } from "../core/libvirt-codes.ts";
import type { Place } from "../core/place.ts";
import type { CallResult, JobView, VmDetails } from "../hypervisor/hypervisor.ts";
import type { GuestRecord } from "../peer/peer.ts";
import type { Context } from "./context.ts";
import { imageState } from "./hibernation.ts";
import type { Target } from "./run-effects.ts";

/** Refusals that mean "no job"; any other says nothing about it. */
const NO_JOB: ReadonlySet<number> = new Set([
  LIBVIRT_ERROR.OPERATION_INVALID,
  LIBVIRT_ERROR.NO_DOMAIN,
]);

export interface PlaceAnswer {
  readonly place: Place;
  readonly record: JobStats | null;
}

/**
 * `doubtful`: libvirt did not say that its job was aborted, so a guest that is active here may run over
 * there as well. Never rejects for an operating error.
 */
export async function askPlace(
  vmId: string,
  target: Target,
  context: Context,
  doubtful: boolean,
): Promise<PlaceAnswer> {
  const { hypervisor, settings } = context;
  const details = await hypervisor.vmDetails(vmId);
  const state = sourceState(details);
  const here = state !== "notActive" && state !== "unknown";
  const view = here ? await hypervisor.jobView(vmId) : null;
  // On its way back to this host it is not here yet.
  const comesBack = view?.kind === "ok" && view.value.kind === "incoming";
  const source = comesBack ? "notActive" : state;
  const sourceJob = view !== null && !comesBack && hasJob(view);
  const place: Place = { source, sourceJob, destination: "notAsked", ...endHere(details) };
  const surelyHere = source === "active" && (sourceJob || !doubtful);
  if (surelyHere || (source === "switching" && sourceJob)) return { place, record: null };
  if (target.mode === "file") {
    const image = await imageState(target.files.imagePath);
    return { place: { ...place, image }, record: null };
  }
  if (target.mode === "foreign" || settings().peerMode === "none") return { place, record: null };
  const there = await target.peer.guest(vmId);
  const record = there.kind === "active" ? recordStats(there.record) : null;
  return { place: { ...place, destination: there.kind }, record };
}

const ENDED_HERE: ReadonlyMap<number, NonNullable<Place["endedHere"]>> = new Map([
  [SHUTOFF_REASON.SHUTDOWN, "shutDown"],
  [SHUTOFF_REASON.DESTROYED, "destroyed"],
  [SHUTOFF_REASON.CRASHED, "crashed"],
  [SHUTOFF_REASON.MIGRATED, "migrated"],
  [SHUTOFF_REASON.SAVED, "saved"],
]);

/** What the definition of a guest that is off says of its end. */
function endHere(details: CallResult<VmDetails>): Pick<Place, "endedHere"> {
  if (details.kind !== "ok" || details.value.runState !== "shutoff") return {};
  const endedHere = ENDED_HERE.get(details.value.stateReason);
  return endedHere === undefined ? {} : { endedHere };
}

function sourceState(details: CallResult<VmDetails>): Place["source"] {
  if (details.kind === "refused") {
    return details.refusal.code === LIBVIRT_ERROR.NO_DOMAIN ? "notActive" : "unknown";
  }
  if (details.kind !== "ok") return "unknown";
  const { runState, stateReason } = details.value;
  if (runState === "shutoff") return "notActive";
  // Just ending, for one: the next look shows how.
  if (runState === "other") return "unknown";
  if (runState !== "paused") return "active";
  switch (stateReason) {
    case PAUSED_REASON.POSTCOPY:
    case PAUSED_REASON.POSTCOPY_FAILED:
      // What post-copy leaves behind here is the shell of a guest that runs elsewhere.
      return "shell";
    case PAUSED_REASON.MIGRATION:
      return "switching";
    default:
      return "active";
  }
}

function hasJob(view: CallResult<JobView>): boolean {
  if (view.kind !== "ok" || view.value.kind === "noAnswer") return true;
  if (view.value.kind === "refused") return !NO_JOB.has(view.value.refusal.code);
  if (view.value.kind !== "stats") return false;
  // A backup or a dump that somebody began meanwhile is no reason to wait.
  const { stats } = view.value;
  return isOutgoing(stats) || (stats.operation === "save" && stats.type !== "none");
}

function recordStats(record: GuestRecord | null): JobStats | null {
  if (record === null) return null;
  return {
    type: "completed",
    operation: "migrationIn",
    timeElapsedMs: 0,
    dataTotalBytes: record.dataProcessedBytes,
    dataProcessedBytes: record.dataProcessedBytes,
    dataRemainingBytes: 0,
    ...(record.downtimeMs === null ? {} : { downtimeMs: record.downtimeMs }),
    ...(record.downtimeNetMs === null ? {} : { downtimeNetMs: record.downtimeNetMs }),
  };
}
