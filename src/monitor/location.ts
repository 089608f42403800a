/**
 * Where the guest is: asked of this host's libvirt, and of the destination's daemon where this host
 * has it no more. Only facts; core/location.ts judges them.
 */
import type { Location } from "../core/input.ts";
import { type JobOperation, type JobStats, isOutgoing } from "../core/job-stats.ts";
import type { RefusalKind } from "../core/refusal.ts";
import { type RunState, runStateRow } from "../core/run-state.ts";
import type { CallResult, JobView } from "../hypervisor/port.ts";
import type { GuestRecord } from "../peer/peer.ts";
import type { Context } from "./context.ts";
import { imageState } from "./hibernation.ts";
import type { Target } from "./run-effects.ts";

/** Refusals that mean "no job"; any other says nothing about it. */
const NO_JOB: ReadonlySet<RefusalKind> = new Set(["invalidState", "noVm"] as const);

export interface LocationAnswer {
  readonly location: Location;
  readonly record: JobStats | null;
}

/** Nobody could be asked. */
export const LOCATION_UNKNOWN: LocationAnswer = {
  location: { source: "unknown", sourceJob: false, destination: "silent" },
  record: null,
};

/**
 * `doubtful`: libvirt did not say that its job was aborted, so a guest that is active here may run over
 * there as well. Never rejects for an operating error.
 */
export async function locateGuest(
  vmId: string,
  target: Target,
  context: Context,
  doubtful: boolean,
): Promise<LocationAnswer> {
  const { hypervisor, settings } = context;
  const runState = stateHere(await hypervisor.runState(vmId));
  const presence = presenceOf(runState);
  const here = presence !== "notActive" && presence !== "unknown";
  const view = here ? await hypervisor.jobView(vmId) : null;
  // On its way back to this host it is not here yet.
  const comesBack = view?.kind === "ok" && view.value.kind === "incoming";
  const source = comesBack ? "notActive" : presence;
  const sourceJob = view !== null && !comesBack && hasJob(view);
  const job = comesBack ? null : jobOf(view);
  const location: Location = {
    source,
    sourceJob,
    destination: "notAsked",
    ...(job === null ? {} : { job }),
    ...endHere(runState),
    ...(runState === "notHere" || runState === "unknown" ? {} : { runState }),
  };
  const surelyHere = source === "active" && (sourceJob || !doubtful);
  if (surelyHere || (source === "switching" && sourceJob)) return { location, record: null };
  if (target.mode === "file") {
    const image = await imageState(target.files.prepared.imagePath);
    return { location: { ...location, ...(image === null ? {} : { image }) }, record: null };
  }
  if (target.mode === "foreign" || settings().peerMode === "none")
    return { location, record: null };
  const there = await target.peer.guest(vmId);
  const record = there.kind === "active" ? recordStats(there.record) : null;
  return { location: { ...location, destination: there.kind }, record };
}

const ENDED_HERE: ReadonlyMap<string, NonNullable<Location["endedHere"]>> = new Map<
  RunState,
  NonNullable<Location["endedHere"]>
>([
  ["offShutDown", "shutDown"],
  ["offDestroyed", "destroyed"],
  ["offCrashed", "crashed"],
  ["offMigrated", "migrated"],
  ["offSaved", "saved"],
  ["offFromSnapshot", "reverted"],
  ["offFailed", "failed"],
  ["offUnseen", "unseen"],
]);

/** What the definition of a guest that is off says of its end; undefined: nothing. */
export function endedHow(state: RunState): Location["endedHere"] {
  return ENDED_HERE.get(state);
}

function endHere(state: ReturnType<typeof stateHere>): Pick<Location, "endedHere"> {
  const endedHere = ENDED_HERE.get(state);
  return endedHere === undefined ? {} : { endedHere };
}

function stateHere(asked: CallResult<RunState>): RunState | "notHere" | "unknown" {
  if (asked.kind === "ok") return asked.value;
  const gone = asked.kind === "refused" && asked.refusal.kind === "noVm";
  return gone ? "notHere" : "unknown";
}

function presenceOf(state: ReturnType<typeof stateHere>): Location["source"] {
  if (state === "notHere") return "notActive";
  return state === "unknown" ? "unknown" : runStateRow(state).presence;
}

/** What libvirt shows; null: none, or it does not say. */
function jobOf(view: CallResult<JobView> | null): JobOperation | null {
  if (view?.kind !== "ok" || view.value.kind !== "stats") return null;
  const { type, operation } = view.value.stats;
  return type === "none" ? null : operation;
}

function hasJob(view: CallResult<JobView>): boolean {
  if (view.kind !== "ok" || view.value.kind === "noAnswer") return true;
  if (view.value.kind === "refused") return !NO_JOB.has(view.value.refusal.kind);
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
