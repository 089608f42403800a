/**
 * Migrations that another party began (virsh, virt-manager, a daemon whose journal is lost): shown and
 * counted, but left alone until the engine adopts one with migrateChangeParams. From then on it is a
 * migration like any other, except that nobody knows its destination: libvirt does not report it.
 */
import { UNKNOWN_DESTINATION, foreignMigration } from "../../core/adopt.ts";
import { type JobStats, isOutgoing } from "../../core/job-stats.ts";
import { progressPercent } from "../../core/progress.ts";
import { isPausedCopy } from "../../core/run-state.ts";
import type { Context } from "../context.ts";
import { limitsOf } from "./accept.ts";
import { inPostCopy } from "../host-view.ts";
import { MigrationRun, type RunHooks } from "./run.ts";
import type { Registry } from "./registry.ts";
import { type MigrateRequest, PLAIN_OPTIONS, type WireObject } from "../service.ts";

/** One entry of Host.getMigrations for each; `phase` is `foreign`. */
export function foreignToWire(registry: Registry, context: Context): readonly WireObject[] {
  const { hostView } = context;
  return hostView.views().flatMap((view) => {
    const { vmId, name } = view.vm;
    if (view.job.kind !== "stats" || !isOutgoing(view.job.stats)) return [];
    if (registry.liveOf(vmId) !== undefined) return [];
    const { stats } = view.job;
    return [
      {
        vmId,
        vmName: name,
        mode: "remote",
        phase: "foreign",
        dst: UNKNOWN_DESTINATION,
        progress: progressPercent(stats, 0),
        pass: stats.memoryIteration ?? 0,
        postcopy: inPostCopy(view),
        dataTotal: stats.dataTotalBytes,
        dataProcessed: stats.dataProcessedBytes,
        dataRemaining: stats.dataRemainingBytes,
        bandwidthBytesPerSecond: stats.memoryBytesPerSecond ?? 0,
      },
    ];
  });
}

/** The VM's outgoing job if libvirt shows one that is not ours, asked just now. */
export async function foreignJob(vmId: string, context: Context): Promise<JobStats | null> {
  const view = await context.hypervisor.jobView(vmId);
  if (view.kind !== "ok" || view.value.kind !== "stats") return null;
  return isOutgoing(view.value.stats) ? view.value.stats : null;
}

/**
 * The migration as a run of ours; null: there is none to adopt. `id`: the one under which the journal has
 * it, if it has; absent: a new one.
 */
export async function takeOver(
  vmId: string,
  context: Context,
  hooks: RunHooks,
  id?: string,
): Promise<MigrationRun | null> {
  const stats = await foreignJob(vmId, context);
  const details = await context.hypervisor.vmDetails(vmId);
  if (stats === null || details.kind !== "ok") return null;
  const request: MigrateRequest = {
    vmId,
    mode: "remote",
    dst: UNKNOWN_DESTINATION,
    ...PLAIN_OPTIONS,
  };
  const { name, memoryBytes, runState } = details.value;
  const limits = limitsOf(request, context.settings());
  const found = foreignMigration(
    { vmId, vmName: name, memoryBytes, limits },
    context.clock.monotonicMs(),
  );
  const adopt = { kind: "adopt", stats, inPostCopy: isPausedCopy(runState) } as const;
  const nowWallMs = context.clock.wallMs();
  const known = { acceptedAtWallMs: nowWallMs, lastWallMs: nowWallMs, lastAtMs: null };
  const restored = id === undefined ? undefined : { id, ...known };
  return new MigrationRun(found, request, { mode: "foreign" }, context, hooks, adopt, restored);
}
