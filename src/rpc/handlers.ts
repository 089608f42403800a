/**
 * Each verb of the table bound to the one call of the monitor that it stands for. A handler checks
 * through its schema, calls, and gives the result VDSM's shape (true, an object, an array of one);
 * which transport the request came by is not known here, and libvirt even less.
 */

import type { MigrationService } from "../monitor/service.ts";
import type { EventRing } from "./event-ring.ts";
import type { FlatParams } from "./normaliser.ts";
import {
  parseChanges,
  parseGetEvents,
  parseMigrate,
  parseMigrationCreate,
  parseVmId,
} from "./schemas.ts";
import type { VerbName } from "./verb-table.ts";

/** `caller`: the other end without its port, or `unix`. */
export type Handler = (params: FlatParams, caller: string) => Promise<unknown>;

export type Handlers = Readonly<Record<string, Handler>>;

export function bindVerbs(
  service: MigrationService,
  events: EventRing,
): Readonly<Record<VerbName, Handler>> {
  return {
    "VM.migrate": async (params) => await service.migrate(parseMigrate(params)),
    "VM.migrateChangeParams": async (params) => {
      const { vmId, changes } = parseChanges(params);
      return await service.changeParams(vmId, changes);
    },
    "VM.migrateCancel": async (params) =>
      await service.cancel(parseVmId("VM.migrateCancel", params)),
    "VM.migrationCreate": async (params, caller) =>
      await service.migrationCreate(parseMigrationCreate(params), caller),
    "VM.destroy": async (params) => await service.destroy(parseVmId("VM.destroy", params)),
    "VM.getMigrationStatus": async (params) =>
      await service.migrationStatus(parseVmId("VM.getMigrationStatus", params)),
    "VM.getStats": async (params) => [await service.vmStats(parseVmId("VM.getStats", params))],
    "Host.getAllVmStats": async () => await service.allVmStats(),
    "Host.getVMList": async () => await service.vmList(),
    "Host.getStats": async () => await service.hostStats(),
    "Host.getCapabilities": async () => await service.capabilities(),
    "Host.getMigrations": async () => await service.migrations(),
    "Host.getEvents": async (params) => {
      const { since, epoch } = parseGetEvents(params);
      return await Promise.resolve(events.read(since, epoch));
    },
    "Host.ping2": async () => await Promise.resolve(true),
  };
}
