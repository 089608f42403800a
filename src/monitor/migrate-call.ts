/**
 * Turns a request into what libvirt's migrate call takes: the three addresses (libvirt's, the
 * migration network's, the console's) and whether post-copy is possible at all.
 */
import { runStateRow } from "../core/run-state.ts";
import { PAUSED_GUEST } from "../core/waiting.ts";
import { certificateHost, uriHost } from "../core/address.ts";
import type { MigrateCall, VmDetails } from "../hypervisor/port.ts";
import type { MigrateRequest } from "./service.ts";
import type { Settings } from "../config/settings.ts";

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

/** Why this migration can never switch to post-copy; null if it can. */
export function postCopyUnavailable(
  request: MigrateRequest,
  vm: VmDetails,
  settings: Settings,
): string | null {
  if (request.mode === "file") return "the VM is saved to a file";
  if (!settings.postcopyAllowed) return "vars.migration_allow_postcopy is false";
  if (request.parallel !== undefined) return "parallel connections lose the guest in post-copy";
  if (request.tunneled) return "libvirt does not tunnel post-copy";
  if (runStateRow(vm.runState).standsStill) return PAUSED_GUEST;
  return null;
}
