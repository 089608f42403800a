/**
 * Turns a request into what libvirt's migrate call takes: the three addresses (libvirt's, the
 * migration network's, the console's), and the options as they are.
 */
import { certificateHost, uriHost } from "../../core/address.ts";
import type { MigrateCall, VmDetails } from "../../hypervisor/port.ts";
import type { MigrateRequest } from "../service.ts";
import type { Settings } from "../../config/settings.ts";

/** The part of a call that does not change between its first and its second try. */
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

/** libvirt's URI of a destination. `host` as `parseDestination` gives it: without brackets. */
export function destinationUriOf(host: string, { destinationUri }: Settings): string {
  return destinationUri.replace("{host}", () => uriHost(host));
}

/** `host` as `parseDestination` gives it: without brackets. */
export function callTemplate(
  request: MigrateRequest,
  host: string,
  vm: VmDetails,
  settings: Settings,
): CallTemplate {
  const console = request.consoleAddress;
  // A guest that has both is looked at by spice.
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
