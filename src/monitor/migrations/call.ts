/**
 * The parameters of libvirt's migrate call for a request: the three addresses (libvirt's, the migration
 * network's, the console's) and the options.
 */
import { certificateHost, uriHost } from "../../core/address.ts";
import type { MigrateCall, VmDetails } from "../../hypervisor/port.ts";
import type { MigrateRequest } from "../service.ts";
import type { Settings } from "../../config/settings.ts";

/** The part of the call that stays the same when it is repeated. */
export type CallTemplate = Omit<MigrateCall, "bandwidthMiBps" | "postcopy">;

const GRAPHICS_BY_PREFERENCE = ["spice", "vnc"] as const;

function placementOf({ cpusets, numaNodesets }: MigrateRequest): Pick<CallTemplate, "placement"> {
  if (cpusets === undefined && numaNodesets === undefined) return {};
  const placement = {
    ...(cpusets === undefined ? {} : { cpusets }),
    ...(numaNodesets === undefined ? {} : { numaNodesets }),
  };
  return { placement };
}

/** The destination's libvirt URI. `host` as returned by `parseDestination`: without brackets. */
export function destinationUriOf(host: string, { destinationUri }: Settings): string {
  return destinationUri.replace("{host}", () => uriHost(host));
}

/** `host` as returned by `parseDestination`: without brackets. */
export function callTemplate(
  request: MigrateRequest,
  host: string,
  vm: VmDetails,
  settings: Settings,
): CallTemplate {
  const console = request.consoleAddress;
  // SPICE is preferred if the guest has both.
  const graphics = GRAPHICS_BY_PREFERENCE.find((type) => vm.graphics.includes(type));
  return {
    destinationUri: destinationUriOf(host, settings),
    ...(request.tunneled ? {} : { migrateUri: `tcp://${uriHost(request.dstqemu ?? host)}` }),
    ...(console !== undefined && graphics !== undefined
      ? { graphicsUri: `${graphics}://${uriHost(console)}` }
      : {}),
    ...(request.encrypted ? { tlsDestination: certificateHost(host) } : {}),
    ...(request.parallel === undefined ? {} : { parallelConnections: request.parallel }),
    postcopyBandwidthMiBps: settings.postcopyBandwidthMiBps,
    compressed: request.compressed,
    autoConverge: request.autoConverge,
    abortOnError: request.abortOnError,
    encrypted: request.encrypted,
    tunneled: request.tunneled,
    persistent: vm.persistent,
    ...placementOf(request),
    destinationHosts: [host, ...(request.dstqemu === undefined ? [] : [request.dstqemu])],
  };
}
