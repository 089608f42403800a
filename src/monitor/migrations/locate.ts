/**
 * Locates the guest: asks this host's libvirt, and the destination's daemon unless that settles it. What
 * the answers say is core/locate.ts's, what follows from them core/location.ts's.
 */
import type { Location } from "../../core/input.ts";
import type { JobStats } from "../../core/job-stats.ts";
import {
  type StateHere,
  isSurelyHere,
  locatedHere,
  NOT_LOCATED,
  mayHaveJob,
} from "../../core/locate.ts";
import type { RunState } from "../../core/run-state.ts";
import type { CallResult, JobView } from "../../hypervisor/port.ts";
import type { GuestRecord } from "../../peer/peer.ts";
import type { Context } from "../context.ts";
import { imageState } from "../hibernation/save-files.ts";
import type { Target } from "./effects.ts";

export interface LocationAnswer {
  readonly location: Location;
  readonly record: JobStats | null;
}

/** No query was answered. */
export const LOCATION_UNKNOWN: LocationAnswer = { location: NOT_LOCATED, record: null };

/**
 * `doubtful`: see isDoubtful in core/locate.ts. Never rejects for an operating error.
 */
export async function locateGuest(
  vmId: string,
  target: Target,
  context: Context,
  doubtful: boolean,
): Promise<LocationAnswer> {
  const { hypervisor, settings } = context;
  const state = stateHere(await hypervisor.runState(vmId));
  const job = mayHaveJob(state) ? answeredJob(await hypervisor.jobView(vmId)) : null;
  const location = locatedHere(state, job);
  if (isSurelyHere(location, doubtful)) return { location, record: null };
  if (target.mode === "file") {
    const image = await imageState(target.files.prepared.imagePath, hypervisor.completeImageMagic);
    return { location: { ...location, ...(image === null ? {} : { image }) }, record: null };
  }
  if (target.mode === "foreign" || settings().peerMode === "none")
    return { location, record: null };
  const there = await target.peer.guest(vmId);
  const record = there.kind === "active" ? recordStats(there.record) : null;
  return { location: { ...location, destination: there.kind }, record };
}

function stateHere(asked: CallResult<RunState>): StateHere {
  if (asked.kind === "ok") return asked.value;
  const gone = asked.kind === "refused" && asked.refusal.kind === "noVm";
  return gone ? "notHere" : "unknown";
}

function answeredJob(asked: CallResult<JobView>): JobView {
  return asked.kind === "ok" ? asked.value : { kind: "noAnswer" };
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
