/**
 * Accepting VM.migrate: the checks that need this host, the configured defaults, and the run that is
 * created, still in the queue. libvirt has not been asked to migrate anything when this returns.
 */
import { parseDestination } from "../../core/address.ts";
import { placementFault } from "../../core/cpusets.ts";
import { firstDowntime } from "../../core/downtime.ts";
import type { Limits } from "../../core/migration.ts";
import { newMigration } from "../../core/new-migration.ts";
import { postCopyUnavailable } from "../../core/post-copy-availability.ts";
import { refusalText } from "../../core/refusal.ts";
import { isOff, runStateRow } from "../../core/run-state.ts";
import { passesLeftToSchedule } from "../../core/schedule.ts";
import { MonitorError } from "../../errors.ts";
import type { CallResult, JobView, VmDetails } from "../../hypervisor/port.ts";
import type { Context } from "../context.ts";
import { SaveFiles } from "../hibernation/save-files.ts";
import { callTemplate } from "./call.ts";
import { ownByResolving, refuseOwnHost } from "./own-host.ts";
import { MigrationRun, type RunHooks } from "./run.ts";
import type { Target } from "./effects.ts";
import type { MigrateRequest } from "../service.ts";
import type { Settings } from "../../config/settings.ts";

/**
 * The run, queued. **Fails**: noVm, migrationInProgress (names the libvirt job), libvirtUnavailable,
 * invalidParams (the destination is this host, paths of a hibernation), migrationFailed (the VM's state,
 * see core/run-state.ts).
 */
export async function accept(
  request: MigrateRequest,
  context: Context,
  hooks: RunHooks,
): Promise<MigrationRun> {
  const settings = context.settings();
  refuseOwnHost(request, context.thisHost.ownHost());
  const resolved = ownByResolving(request, () => context.thisHost.ownHost());
  const vm = await runningVm(request.vmId, context);
  checkPlacement(request, vm);
  checkNoJob(request.vmId, await context.hypervisor.jobView(request.vmId));
  checkState(vm);
  const itself = await resolved;
  if (itself !== null) throw itself;
  const target = await targetOf(request, vm, settings, context);
  const unavailable = postCopyUnavailable(request, vm.runState, settings.postcopyAllowed);
  const migration = newMigration(
    {
      vmId: request.vmId,
      vmName: vm.name,
      mode: request.mode,
      destination: target.mode === "remote" ? target.peer.address.host : request.dst,
      memoryBytes: vm.memoryBytes,
      limits: limitsOf(request, settings),
      runState: vm.runState,
      downtime: request.mode === "file" ? null : firstDowntime(request, settings, vm.memoryBytes),
      schedule: request.convergenceSchedule ?? null,
      postCopy: { possible: unavailable === null, unavailableReason: unavailable },
    },
    context.clock.monotonicMs(),
  );
  return new MigrationRun(migration, request, target, context, hooks);
}

async function runningVm(vmId: string, context: Context): Promise<VmDetails> {
  const details = await context.hypervisor.vmDetails(vmId);
  if (details.kind !== "ok") throw detailsError(vmId, details);
  const vm = details.value;
  if (isOff(vm.runState)) {
    throw new MonitorError("noVm", `VM ${vmId} is not running on this host`);
  }
  return vm;
}

/** Checked after the job, which is the better explanation if there is one. */
function checkState({ vmId, runState }: VmDetails): void {
  const { mayNotMigrate } = runStateRow(runState);
  if (mayNotMigrate === null) return;
  throw new MonitorError("migrationFailed", `VM ${vmId} ${mayNotMigrate}`);
}

/** The error for a caller, when a query about one VM failed. */
export function detailsError(
  vmId: string,
  details: Exclude<CallResult<unknown>, { kind: "ok" }>,
): MonitorError {
  if (details.kind === "refused" && details.refusal.kind === "noVm") {
    return new MonitorError("noVm", `VM ${vmId} does not exist on this host`);
  }
  const why =
    details.kind === "refused"
      ? refusalText(details.refusal)
      : details.kind === "disconnected"
        ? details.message
        : "no answer in time";
  return new MonitorError("libvirtUnavailable", `VM ${vmId}: libvirt does not answer: ${why}`);
}

function checkNoJob(vmId: string, view: CallResult<JobView>): void {
  if (view.kind !== "ok") throw detailsError(vmId, view);
  switch (view.value.kind) {
    case "incoming":
      throw new MonitorError("migrationInProgress", `VM ${vmId} is still arriving on this host`);
    case "noAnswer":
      throw detailsError(vmId, { kind: "noAnswer" });
    case "refused":
      throw detailsError(vmId, { kind: "refused", refusal: view.value.refusal });
    case "stats":
      if (view.value.stats.type !== "none") {
        throw new MonitorError(
          "migrationInProgress",
          `VM ${vmId} has a libvirt job: ${view.value.stats.operation}`,
        );
      }
  }
}

export function checkPlacement(request: MigrateRequest, vm: VmDetails): void {
  const reason = misplaced(request, vm);
  if (reason === null) return;
  const message = `Invalid parameter: VM ${request.vmId}: ${reason}`;
  throw new MonitorError("invalidParameter", message, { details: { reason } });
}

/** Why the request's cpusets or numaNodesets do not match the VM; null: they do. */
export function misplaced({ cpusets, numaNodesets }: MigrateRequest, vm: VmDetails): string | null {
  return (
    placementFault("cpusets", cpusets, vm.vcpus, "vCPUs") ??
    placementFault("numaNodesets", numaNodesets, vm.numaNodes, "NUMA nodes")
  );
}

async function targetOf(
  request: MigrateRequest,
  vm: VmDetails,
  settings: Settings,
  context: Context,
): Promise<Target> {
  if (request.mode === "file") {
    const files = { imagePath: request.dst, parametersPath: request.dstparams ?? "" };
    return { mode: "file", files: await SaveFiles.take(files, settings.hibernationFolder) };
  }
  const parsed = parseDestination(request.dst);
  if (parsed === undefined) {
    throw new MonitorError("invalidParams", `dst: ${JSON.stringify(request.dst)}: not a host`);
  }
  const peer = context.peers.get({
    host: parsed.host,
    port: parsed.port ?? settings.managementPort,
  });
  return { mode: "remote", peer, call: callTemplate(request, parsed.host, vm, settings) };
}

/** The request's limits, with the configured ones as defaults. */
export function limitsOf(request: MigrateRequest, settings: Settings): Limits {
  return {
    progressTimeoutMs: request.progressTimeoutMs ?? settings.progressTimeoutMs,
    timeoutJudgesPasses: !passesLeftToSchedule(
      request.convergenceSchedule,
      request.progressTimeoutMs,
    ),
    stallingLimitMs: request.stallingLimitMs ?? 0,
    maxBandwidthMiBps: request.maxBandwidthMiBps ?? settings.maxBandwidthMiBps,
    minBandwidthMiBps: settings.minBandwidthMiBps,
    postcopyStallTimeoutMs: settings.postcopyStallTimeoutMs,
  };
}
