/**
 * Each verb of the table bound to the one call of the monitor that it stands for. A handler checks
 * through its schema, calls, and gives the result VDSM's shape (true, an object, an array of one);
 * which transport the request came by is not known here, and libvirt even less.
 */

import type { MigrationService } from "../monitor/service.ts";
import type { FlatParams } from "./normaliser.ts";
import { parseChanges, parseMigrate, parseVmId } from "./schemas.ts";
import type { VerbName } from "./verb-table.ts";

export type Handler = (params: FlatParams) => Promise<unknown>;

export type Handlers = Readonly<Record<string, Handler>>;

export function bindVerbs(service: MigrationService): Readonly<Record<VerbName, Handler>> {
  return {
    "VM.migrate": async (params) => await service.migrate(parseMigrate(params)),
    "VM.migrateChangeParams": async (params) => {
      const { vmId, changes } = parseChanges(params);
      return await service.changeParams(vmId, changes);
    },
    "VM.migrateCancel": async (params) =>
      await service.cancel(parseVmId("VM.migrateCancel", params)),
    "VM.getMigrationStatus": async (params) =>
      await service.migrationStatus(parseVmId("VM.getMigrationStatus", params)),
    "VM.getStats": async (params) => [await service.vmStats(parseVmId("VM.getStats", params))],
    "Host.getAllVmStats": async () => await service.allVmStats(),
    "Host.getVMList": async () => await service.vmList(),
    "Host.getStats": async () => await service.hostStats(),
    "Host.getMigrations": async () => await service.migrations(),
    "Host.ping2": async () => await Promise.resolve(true),
  };
}
