/**
 * Stands in for the monitor and checks what reaches it: whatever the edge lets through must be what
 * `MigrationService` promises its implementer. A broken promise throws and becomes an internal
 * error, which is then found in the log (see edge.ts).
 */

import { parseDestination, parseHost } from "../../src/core/address.ts";
import { MonitorError } from "../../src/errors.ts";
import { callTemplate } from "../../src/monitor/migrations/call.ts";
import type {
  IncomingRequest,
  MigrateRequest,
  MigrationService,
  ParamChanges,
} from "../../src/monitor/service.ts";
import { settingsFrom } from "../../src/config/settings.ts";
import { parseConfig } from "../../src/config/config.ts";
import { migrationFields, migrationStatusFields } from "../../src/wire/migration-fields.ts";
import { ranges, verbRanges } from "../../src/wire/ranges.ts";
import {
  capabilitiesFields,
  explainFields,
  hostStatsFields,
  migrationCreateFields,
  vmListFields,
  vmStatsFields,
} from "../../src/wire/results.ts";
import { sampleOf } from "../wire/samples.ts";
import { claim, show } from "./target.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** What may follow a URI's scheme: a host, in brackets if it is IPv6, with its zone escaped. */
const AUTHORITY = /^([a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+(%25[a-zA-Z0-9_.-]+)?\])$/;

const settings = settingsFrom(parseConfig({}));
const vm = {
  vmId: "12345678-90ab-4cde-8f01-23456789abcd",
  name: "vm",
  runState: "running",

  persistent: false,
  memoryBytes: 1,
  graphics: ["spice"],
  vcpus: 1,
  numaNodes: 0,
} as const;

/** The three URIs passed to libvirt contain a host and nothing else. **Fails**: Error. */
export function claimUris(request: MigrateRequest): void {
  const destination = parseDestination(request.dst);
  claim(destination !== undefined, `no destination: ${show(request.dst)}`);
  const call = callTemplate(request, destination.host, vm, settings);
  for (const [uri, scheme, path] of [
    [call.destinationUri, "qemu+tls://", "/system"],
    [call.migrateUri, "tcp://", ""],
    [call.graphicsUri, "spice://", ""],
  ] as const) {
    if (uri === undefined) continue;
    const isFramed = uri.startsWith(scheme) && uri.endsWith(path);
    const host = uri.slice(scheme.length, uri.length - path.length);
    claim(isFramed && AUTHORITY.test(host), `URI ${show(uri)}`);
  }
}

function claimWithin(
  value: number | undefined,
  { min, max }: { readonly min: number; readonly max: number },
  unit = 1,
): void {
  if (value === undefined) return;
  const holds = Number.isInteger(value) && value >= min * unit && value <= max * unit;
  claim(holds, `a number out of range: ${value}`);
}

function claimMigrate(request: MigrateRequest): void {
  if (request.mode === "remote") claimUris(request);
  else claim(isPath(request.dst) && isPath(request.dstparams), `not paths: ${show(request)}`);
  for (const host of [request.dstqemu, request.consoleAddress]) {
    claim(host === undefined || parseHost(host) === host, `not a host: ${show(host)}`);
  }
  claimWithin(request.downtimeMs, ranges.downtimeMs);
  claimWithin(request.progressTimeoutMs, ranges.progressTimeoutSeconds, 1000);
  claimWithin(request.stallingLimitMs, verbRanges.stallingLimit, 1000);
  claimWithin(request.maxBandwidthMiBps, ranges.bandwidthMiBps);
  claimWithin(request.parallel, { min: 1, max: verbRanges.parallel.max });
  claimWithin(request.outgoingLimit, verbRanges.slots);
  claimWithin(request.incomingLimit, verbRanges.slots);
  for (const action of request.convergenceSchedule?.init ?? []) {
    if (action.kind === "setDowntime") claimWithin(action.downtimeMs, ranges.downtimeMs);
  }
}

function isPath(text: string | undefined): boolean {
  return text?.startsWith("/") === true && !text.includes("\0") && text.length <= 4095;
}

function claimChanges(changes: ParamChanges): void {
  claim(Object.keys(changes).length > 0, "nothing to change");
  claimWithin(changes.downtimeMs, ranges.downtimeMs);
  claimWithin(changes.maxBandwidthMiBps, ranges.bandwidthMiBps);
  claimWithin(changes.progressTimeoutMs, ranges.progressTimeoutSeconds, 1000);
  claimWithin(changes.stallingLimitMs, verbRanges.stallingLimit, 1000);
}

/** By the last digit of the ID some VMs are unknown, some busy, some answer later. */
async function outcomeOf<T>(vmId: string, value: T): Promise<T> {
  claim(UUID.test(vmId), `not a vmId: ${show(vmId)}`);
  const digit = Number.parseInt(vmId.slice(-1), 16);
  if (digit === 1) throw new MonitorError("noVm", `no VM ${vmId}`, { details: { vmId } });
  if (digit === 2) throw new MonitorError("migrationInProgress", "busy");
  if (digit === 3) await new Promise((resolve) => setImmediate(resolve));
  return value;
}

export function watchingService(): MigrationService {
  return {
    migrate: async (request) => {
      claimMigrate(request);
      return await outcomeOf(request.vmId, true);
    },
    changeParams: async (vmId, changes) => {
      claimChanges(changes);
      return await outcomeOf(vmId, true);
    },
    cancel: async (vmId) => await outcomeOf(vmId, true),
    migrationCreate: async ({ vmId, incomingLimit }: IncomingRequest) => {
      claimWithin(incomingLimit, verbRanges.slots);
      return await outcomeOf(vmId, sampleOf(migrationCreateFields));
    },
    destroy: async (vmId) => await outcomeOf(vmId, true),
    migrateCheck: async (request) => {
      claimMigrate(request);
      return await outcomeOf(request.vmId, [{ check: "vm", ok: true, detail: "Up" }]);
    },
    migrationStatus: async (vmId) => await outcomeOf(vmId, sampleOf(migrationStatusFields)),
    explain: async ({ vmId, migrationId }) => {
      claim(migrationId === null || UUID.test(migrationId), `not an ID: ${show(migrationId)}`);
      return await outcomeOf(vmId, sampleOf(explainFields));
    },
    migrations: async () => await Promise.resolve([sampleOf(migrationFields)]),
    vmStats: async (vmId) => await outcomeOf(vmId, sampleOf(vmStatsFields)),
    allVmStats: async () => await Promise.resolve([sampleOf(vmStatsFields)]),
    vmList: async () => await Promise.resolve([sampleOf(vmListFields)]),
    hostStats: async () => await Promise.resolve(sampleOf(hostStatsFields)),
    capabilities: async () => await Promise.resolve(sampleOf(capabilitiesFields)),
  };
}
