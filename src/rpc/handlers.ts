/**
 * Each verb of the table bound to the monitor's call that it stands for. A handler reads its request
 * (wire/requests.ts), makes the call, and gives the result VDSM's shape (true, an object, an array of
 * one). It does not know which transport the request came by, nor anything of libvirt.
 */

import { MonitorError } from "../errors.ts";
import type { MigrationService } from "../monitor/service.ts";
import type { FlatParams } from "../wire/normaliser.ts";
import { openRpcDocument } from "../wire/openrpc.ts";
import {
  parseChanges,
  parseExplain,
  parseGetEvents,
  parseHibernate,
  parseMigrate,
  parseMigrationCreate,
  parseMigrations,
  parseVmId,
} from "../wire/requests.ts";
import type { VerbName } from "../wire/verbs.ts";
import type { Client } from "./client.ts";
import type { EventRing } from "./event-ring.ts";

/** What a verb may know of its caller. */
export type Caller = Pick<Client, "source" | "role" | "name">;

export type Handler = (params: FlatParams, caller: Caller) => Promise<unknown>;

export type Handlers = Readonly<Record<string, Handler>>;

export function bindVerbs(
  service: MigrationService,
  events: EventRing,
  version: string,
): Readonly<Record<VerbName, Handler>> {
  const document = openRpcDocument(version);
  return {
    "VM.migrate": async (params, { name }) => await service.migrate(parseMigrate(params), name),
    "VM.migrateCheck": async (params) => await service.migrateCheck(parseMigrate(params)),
    "VM.migrateChangeParams": async (params, { name }) => {
      const { vmId, changes } = parseChanges(params);
      return await service.changeParams(vmId, changes, name);
    },
    "VM.migrateCancel": async (params, { name }) => await service.cancel(parseVmId(params), name),
    "VM.hibernate": async (params, { name }) =>
      await namingHandle(service.migrate(parseHibernate(params), name)),
    "VM.migrationCreate": async (params, caller) =>
      await service.migrationCreate(parseMigrationCreate(params), caller.source),
    "VM.destroy": async (params, caller) => {
      const vmId = parseVmId(params);
      return caller.role() === "control"
        ? await service.destroy(vmId)
        : await service.destroy(vmId, { onlyReservationOf: caller.source });
    },
    "VM.getMigrationStatus": async (params) => await service.migrationStatus(parseVmId(params)),
    "VM.explainMigration": async (params) => await service.explain(parseExplain(params)),
    "VM.getStats": async (params) => [await service.vmStats(parseVmId(params))],
    "Host.getAllVmStats": async () => await service.allVmStats(),
    "Host.getVMList": async () => await service.vmList(),
    "Host.getStats": async () => await service.hostStats(),
    "Host.getCapabilities": async () => await service.capabilities(),
    "Host.getMigrations": async (params) => await service.migrations(parseMigrations(params)),
    "Host.getEvents": async (params) => {
      const { since, epoch } = parseGetEvents(params);
      return await Promise.resolve(events.read(since, epoch));
    },
    "rpc.discover": async () => await Promise.resolve(document),
    "Host.ping": async () => await Promise.resolve(true),
    "Host.ping2": async () => await Promise.resolve(true),
  };
}

/** VM.hibernate has one parameter for both files, so its errors name that one. */
async function namingHandle<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof MonitorError) || error.code !== "invalidParams") throw error;
    const parameter = "hibernationVolHandle";
    const message = error.message.replace(/^dst(params)?: /, `${parameter}: `);
    throw new MonitorError(error.code, message, { details: { parameter }, cause: error });
  }
}
