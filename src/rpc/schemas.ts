/**
 * From a flat record of the wire to the request that the monitor takes: types and ranges checked
 * with valibot, seconds turned into milliseconds, addresses and UUIDs into their one spelling. After
 * this nobody looks at the wire's units again. Ranges are those of the verb table, so that an error,
 * the README and the check cannot differ. What the request means is not known here.
 */

import * as v from "valibot";
import { ranges } from "../config/config.ts";
import { lowerCaseHost, parseHost, readDestination } from "../core/address.ts";
import {
  type ExplainQuestion,
  type MigrateRequest,
  type ParamChanges,
  PLAIN_OPTIONS,
} from "../monitor/service.ts";
import { convergenceSchedule } from "./schedule-schema.ts";
import { clip, invalidKey, invalidValue } from "./invalid-params.ts";
import type { FlatParams } from "./normaliser.ts";
import { migrateRanges } from "./migrate-params.ts";
import { describeParam, type VerbRow } from "./verb-row.ts";
import { eventNumbers, type VerbName, verbRows } from "./verb-table.ts";

const MS_PER_SECOND = 1000;
/** PATH_MAX without its NUL. */
const MAX_PATH_BYTES = 4095;

/** As many as a log line can bear. */
const MAX_UNKNOWN_KEYS = 32;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const uuid = v.pipe(v.string(), v.regex(uuidPattern), v.toLowerCase());

function integer({ min, max }: { readonly min: number; readonly max: number }) {
  return v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));
}

const host = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const parsed = parseHost(dataset.value);
    if (parsed !== undefined) return parsed;
    addIssue({ message: "no host" });
    return NEVER;
  }),
);

const path = v.pipe(
  v.string(),
  v.startsWith("/"),
  v.check((text) => Buffer.byteLength(text) <= MAX_PATH_BYTES),
  v.check((text) => !text.includes("\0")),
  // A lone surrogate would become another character on its way, and the path another path.
  v.check((text) => Buffer.from(text).toString() === text),
);

const seconds = (bounds: { readonly min: number; readonly max: number }) =>
  v.pipe(
    integer(bounds),
    v.transform((value) => value * MS_PER_SECOND),
  );

/** Whether they fit the VM is for the monitor to say. */
const placement = v.pipe(v.array(v.string()), v.maxLength(migrateRanges.placementItems.max));

const vmSchema = v.object({ vmID: uuid });

const explainSchema = v.object({ vmID: uuid, migrationId: v.exactOptional(uuid) });

const migrateSchema = v.object({
  vmID: uuid,
  dst: v.pipe(v.string(), v.minLength(1)),
  dstparams: v.exactOptional(v.string()),
  mode: v.exactOptional(v.picklist(["remote", "file"]), "remote"),
  method: v.exactOptional(v.literal("online"), "online"),
  downtime: v.exactOptional(integer(migrateRanges.downtimeMs)),
  consoleAddress: v.exactOptional(host),
  dstqemu: v.exactOptional(host),
  compressed: v.exactOptional(v.boolean(), false),
  autoConverge: v.exactOptional(v.boolean(), false),
  abortOnError: v.exactOptional(v.boolean(), false),
  encrypted: v.exactOptional(v.boolean(), false),
  tunneled: v.exactOptional(v.boolean(), false),
  parallel: v.exactOptional(integer(migrateRanges.parallel)),
  migrationProgressTimeout: v.exactOptional(seconds(ranges.progressTimeoutSeconds)),
  stallingLimit: v.exactOptional(seconds(migrateRanges.stallingLimit)),
  maxBandwidth: v.exactOptional(integer(migrateRanges.maxBandwidth)),
  convergenceSchedule: v.exactOptional(convergenceSchedule),
  outgoingLimit: v.exactOptional(integer(migrateRanges.slots)),
  incomingLimit: v.exactOptional(integer(migrateRanges.slots)),
  cpusets: v.exactOptional(placement),
  numaNodesets: v.exactOptional(placement),
});

const hibernateSchema = v.object({ vmID: uuid, hibernationVolHandle: path });

const migrationCreateSchema = v.object({
  vmID: uuid,
  incomingLimit: v.exactOptional(v.nullable(integer(migrateRanges.slots))),
  xml: v.exactOptional(v.string()),
});

const changeSchema = v.object({
  vmID: uuid,
  downtime: v.exactOptional(integer(ranges.downtimeMs)),
  migrationTechnique: v.exactOptional(v.picklist(["pre-copy", "post-copy"])),
  stallingLimit: v.exactOptional(seconds(migrateRanges.stallingLimit)),
  maxBandwidth: v.exactOptional(integer(ranges.bandwidthMiBps)),
  migrationProgressTimeout: v.exactOptional(seconds(ranges.progressTimeoutSeconds)),
});

const eventsSchema = v.object({
  since: v.exactOptional(integer(eventNumbers), 0),
  epoch: v.exactOptional(uuid),
});

/** The VM's id in lower case. **Fails**: invalidParams. */
export function parseVmId(verb: VerbName, params: FlatParams): string {
  return check(vmSchema, rowOf(verb), params).vmID;
}

/** **Fails**: invalidParams. */
export function parseMigrate(params: FlatParams): MigrateRequest {
  const verb = rowOf("VM.migrate");
  const wire = check(migrateSchema, verb, params);
  const known = new Set(verb.params.map((row) => row.name));
  return {
    vmId: wire.vmID,
    mode: wire.mode,
    dst: wire.mode === "file" ? checkPath(verb, "dst", wire.dst) : checkDestination(verb, wire.dst),
    compressed: wire.compressed,
    autoConverge: wire.autoConverge,
    abortOnError: wire.abortOnError,
    encrypted: wire.encrypted,
    tunneled: wire.tunneled,
    ...(wire.mode === "file" && { dstparams: checkPath(verb, "dstparams", wire.dstparams) }),
    ...(wire.dstqemu !== undefined && { dstqemu: wire.dstqemu }),
    ...(wire.consoleAddress !== undefined && { consoleAddress: wire.consoleAddress }),
    ...(wire.parallel !== undefined && wire.parallel > 0 && { parallel: wire.parallel }),
    ...(wire.downtime !== undefined && wire.downtime > 0 && { downtimeMs: wire.downtime }),
    ...(wire.migrationProgressTimeout !== undefined && {
      progressTimeoutMs: wire.migrationProgressTimeout,
    }),
    ...(wire.stallingLimit !== undefined && { stallingLimitMs: wire.stallingLimit }),
    ...(wire.maxBandwidth !== undefined &&
      wire.maxBandwidth > 0 && { maxBandwidthMiBps: wire.maxBandwidth }),
    ...(wire.convergenceSchedule !== undefined && {
      convergenceSchedule: wire.convergenceSchedule,
    }),
    ...(wire.outgoingLimit !== undefined && { outgoingLimit: wire.outgoingLimit }),
    ...(wire.incomingLimit !== undefined && { incomingLimit: wire.incomingLimit }),
    ...(wire.cpusets !== undefined && { cpusets: wire.cpusets }),
    ...(wire.numaNodesets !== undefined && { numaNodesets: wire.numaNodesets }),
    unknownKeys: Object.keys(params)
      .filter((name) => !known.has(name))
      .slice(0, MAX_UNKNOWN_KEYS)
      .map((name) => clip(name)),
  };
}

/** Of the parameters file: the image's path with this behind it. */
const PARAMETERS_SUFFIX = ".json";

/** A hibernation by the one path that VDSM's callers give. **Fails**: invalidParams. */
export function parseHibernate(params: FlatParams): MigrateRequest {
  const verb = rowOf("VM.hibernate");
  const { vmID, hibernationVolHandle: dst } = check(hibernateSchema, verb, params);
  const dstparams = `${dst}${PARAMETERS_SUFFIX}`;
  if (!v.is(path, dstparams)) throw invalid(verb, "hibernationVolHandle", dst);
  return {
    vmId: vmID,
    mode: "file",
    dst,
    dstparams,
    ...PLAIN_OPTIONS,
  };
}

export interface MigrationCreate {
  readonly vmId: string;
  readonly incomingLimit?: number;
  readonly xml?: string;
}

/** **Fails**: invalidParams. */
export function parseMigrationCreate(params: FlatParams): MigrationCreate {
  const wire = check(migrationCreateSchema, rowOf("VM.migrationCreate"), params);
  return {
    vmId: wire.vmID,
    ...(typeof wire.incomingLimit === "number" && { incomingLimit: wire.incomingLimit }),
    ...(wire.xml !== undefined && { xml: wire.xml }),
  };
}

/** **Fails**: invalidParams, also if there is nothing to change. */
export function parseChanges(params: FlatParams): { vmId: string; changes: ParamChanges } {
  const verb = rowOf("VM.migrateChangeParams");
  const wire = check(changeSchema, verb, params);
  const changes: ParamChanges = {
    ...(wire.downtime !== undefined && { downtimeMs: wire.downtime }),
    ...(wire.migrationTechnique !== undefined && { migrationTechnique: wire.migrationTechnique }),
    ...(wire.stallingLimit !== undefined && { stallingLimitMs: wire.stallingLimit }),
    ...(wire.maxBandwidth !== undefined && { maxBandwidthMiBps: wire.maxBandwidth }),
    ...(wire.migrationProgressTimeout !== undefined && {
      progressTimeoutMs: wire.migrationProgressTimeout,
    }),
  };
  if (Object.keys(changes).length === 0) {
    const names = verb.params.map((row) => row.name).filter((name) => name !== "vmID");
    throw invalidKey("params", `nothing to change; one or more of ${names.join(", ")} is needed`);
  }
  return { vmId: wire.vmID, changes };
}

/** **Fails**: invalidParams. */
export function parseExplain(params: FlatParams): ExplainQuestion {
  const { vmID, migrationId } = check(explainSchema, rowOf("VM.explainMigration"), params);
  return { vmId: vmID, migrationId: migrationId ?? null };
}

export function parseGetEvents(params: FlatParams): { since: number; epoch?: string } {
  return check(eventsSchema, rowOf("Host.getEvents"), params);
}

function rowOf(name: VerbName): VerbRow {
  const row = verbRows().find((verb) => verb.name === name);
  if (row === undefined) throw new Error(`no verb ${name}`);
  return row;
}

function check<S extends v.GenericSchema>(schema: S, verb: VerbRow, params: FlatParams) {
  const result = v.safeParse(schema, params, { abortEarly: true });
  if (result.success) return result.output;
  const [name] = result.issues[0].path ?? [];
  const key = typeof name?.key === "string" ? name.key : "params";
  throw invalid(verb, key, params[key]);
}

function invalid(verb: VerbRow, name: string, value: unknown): Error {
  const row = verb.params.find((each) => each.name === name);
  return invalidValue(name, value, row === undefined ? "known" : describeParam(row));
}

function checkPath(verb: VerbRow, name: string, value: string | undefined): string {
  const result = v.safeParse(path, value);
  if (!result.success) throw invalid(verb, name, value);
  return result.output;
}

/** Kept as written, but for the case: who uses it reads it again in the same way. */
function checkDestination(verb: VerbRow, dst: string): string {
  const read = readDestination(dst);
  switch (read.kind) {
    case "destination":
      return lowerCaseHost(dst);
    case "ambiguous":
      throw invalidValue(
        "dst",
        dst,
        `with a port it needs brackets: ${read.spellings.join(" or ")}`,
      );
    case "invalid":
      throw invalid(verb, "dst", dst);
  }
}
