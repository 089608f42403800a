/**
 * VM.migrateCheck: asks both hosts about everything that could prevent a migration, in parallel and with
 * deadlines, and changes nothing. What the answers mean is core/migrate-check.ts's; checks of the
 * destination's address and daemon are destination-checks.ts's.
 */
import { parseDestination } from "../../core/address.ts";
import { outgoingSlots } from "../../core/admission.ts";
import {
  type Check,
  type Finding,
  bad,
  bandwidthFinding,
  checksOf,
  disksFinding,
  good,
  hostDevicesFinding,
  slotFinding,
  unknown,
} from "../../core/migrate-check.ts";
import { postCopyUnavailable } from "../../core/post-copy-availability.ts";
import { refusalText } from "../../core/refusal.ts";
import { isOff, runStateRow } from "../../core/run-state.ts";
import { MonitorError, messageOf } from "../../errors.ts";
import type { CallResult, DestinationHost, JobView, VmDetails } from "../../hypervisor/port.ts";
import { checkPlacement, detailsError, limitsOf } from "../migrations/accept.ts";
import type { Context } from "../context.ts";
import { daemonChecks, migrationAddress, resolved } from "./destination-checks.ts";
import { destinationUriOf } from "../migrations/call.ts";
import { refuseOwnHost } from "../migrations/own-host.ts";
import type { Registry } from "../migrations/registry.ts";
import type { MigrateRequest } from "../service.ts";

/**
 * Every check, in the order of the table. **Fails**, if the request itself is impossible: noVm,
 * libvirtUnavailable, invalidParams (mode file, this host itself), invalidParameter.
 */
export async function migrateCheck(
  request: MigrateRequest,
  registry: Registry,
  context: Context,
): Promise<readonly Check[]> {
  const destination = destinationOf(request, context);
  const vm = await detailsOf(request.vmId, context);
  checkPlacement(request, vm);
  const { hypervisor, hostView } = context;
  const { host } = destination;
  const uri = destinationUriOf(host, context.settings());
  const [job, devices, there, daemon, resolve, address] = await Promise.all([
    told(() => hypervisor.jobView(request.vmId)),
    told(() => hypervisor.guestDevices(request.vmId)),
    told(() => hypervisor.destinationHost(request.vmId, uri)),
    daemonChecks(request.vmId, destination, context),
    resolved(request, host, context.thisHost),
    migrationAddress(request.dstqemu ?? host, destination.port),
    told(() => hostView.refresh()),
  ]);
  const silent = (result: Exclude<CallResult<unknown>, { kind: "ok" }>): Finding =>
    unknown(detailsError(request.vmId, result).message);
  return checksOf({
    ...daemon.findings,
    resolve,
    migrationAddress: address,
    vm: vmFinding(vm),
    job: jobFinding(request.vmId, job, registry),
    outgoingSlot: outgoingFinding(request, registry, context),
    libvirt: libvirtFinding(uri, there),
    cpu: there.kind === "ok" ? there.value.cpu : unknown("its libvirt could not be asked"),
    disks: devices.kind === "ok" ? disksFinding(devices.value.disks) : silent(devices),
    hostDevices:
      devices.kind === "ok" ? hostDevicesFinding(devices.value.hostDevices) : silent(devices),
    postCopy: postCopyFinding(request, vm, context),
    bandwidth: bandwidthFinding(
      limitsOf(request, context.settings()),
      hostView.migrationsWith(request.vmId),
      daemon.migrations,
    ),
  });
}

function destinationOf(
  request: MigrateRequest,
  context: Context,
): { readonly host: string; readonly port: number } {
  if (request.mode === "file") {
    throw new MonitorError("invalidParams", "mode: VM.migrateCheck is for mode remote");
  }
  refuseOwnHost(request, context.thisHost.ownHost());
  const parsed = parseDestination(request.dst);
  if (parsed === undefined) {
    throw new MonitorError("invalidParams", `dst: ${JSON.stringify(request.dst)}: not a host`);
  }
  return { host: parsed.host, port: parsed.port ?? context.settings().managementPort };
}

async function detailsOf(vmId: string, context: Context): Promise<VmDetails> {
  const details = await context.hypervisor.vmDetails(vmId);
  if (details.kind !== "ok") throw detailsError(vmId, details);
  return details.value;
}

/** A defect costs this check only. */
async function told<T>(call: () => Promise<CallResult<T>>): Promise<CallResult<T>> {
  try {
    return await call();
  } catch (error) {
    const message = messageOf(error);
    return { kind: "disconnected", message };
  }
}

function reasonOf(result: Exclude<CallResult<unknown>, { kind: "ok" }>): string {
  switch (result.kind) {
    case "refused":
      return refusalText(result.refusal);
    case "disconnected":
      return result.message;
    case "noAnswer":
      return "no connection in time";
    case "busy":
      return "too many checks of destinations are running";
  }
}

function vmFinding({ runState }: VmDetails): Finding {
  const { mayNotMigrate, status } = runStateRow(runState);
  if (isOff(runState)) return bad("the VM is not running");
  return mayNotMigrate === null ? good(status) : bad(`the VM ${mayNotMigrate}`);
}

function jobFinding(vmId: string, job: CallResult<JobView>, registry: Registry): Finding {
  const live = registry.liveOf(vmId);
  if (live !== undefined) return bad(`the VM is already migrating, ${live.migration.phase}`);
  if (job.kind !== "ok") return unknown(`libvirt does not say: ${reasonOf(job)}`);
  switch (job.value.kind) {
    case "incoming":
      return bad("the VM is still arriving on this host");
    case "noAnswer":
      return unknown("libvirt does not answer for this VM");
    case "refused":
      return unknown(`libvirt does not say: ${job.value.refusal.message}`);
    case "stats":
      return job.value.stats.type === "none"
        ? good("none")
        : bad(`libvirt has a job on it: ${job.value.stats.operation}`);
  }
}

function libvirtFinding(uri: string, there: CallResult<DestinationHost>): Finding {
  switch (there.kind) {
    case "ok": {
      const { hostName, libvirtVersion, hypervisorVersion } = there.value;
      return good(`${hostName}: libvirt ${libvirtVersion}, QEMU ${hypervisorVersion}`);
    }
    case "busy":
      return unknown("this daemon is already checking as many destinations as it may; try again");
    case "refused":
    case "noAnswer":
    case "disconnected":
      return bad(`${uri}: ${reasonOf(there)}`);
  }
}

function outgoingFinding(request: MigrateRequest, registry: Registry, context: Context): Finding {
  const { inUse, waiting } = outgoingSlots(registry.live(), context.clock.monotonicMs());
  const limit = request.outgoingLimit ?? context.settings().maxOutgoing;
  return slotFinding(inUse, limit, waiting);
}

function postCopyFinding(request: MigrateRequest, vm: VmDetails, context: Context): Finding {
  if (isOff(vm.runState)) return unknown("the VM is off");
  const why = postCopyUnavailable(request, vm.runState, context.settings().postcopyAllowed);
  return why === null ? good("possible, if QEMU on both hosts can") : bad(why);
}
