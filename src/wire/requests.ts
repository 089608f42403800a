/**
 * From a flat record of the wire to what the daemon is asked: every parameter checked against its
 * declaration, seconds turned into milliseconds, addresses and UUIDs into one spelling. Nobody looks
 * at the wire's units after this. What a request means is not known here.
 *
 * Every function **fails** with invalidParams.
 */
import { lowerCaseHost, parseHost, readDestination } from "../core/address.ts";
import type { Changes } from "../core/input.ts";
import { secondsToMs } from "../core/units.ts";
import { conforms, firstWrong, isPath } from "./check.ts";
import type { Fields, ObjectOf } from "./field.ts";
import { clip, invalidKey, invalidValue } from "./invalid-params.ts";
import type { FlatParams } from "./normaliser.ts";
import {
  changeParams,
  eventsParams,
  explainParams,
  hibernateParams,
  migrateParams,
  migrationCreateParams,
  migrationsParams,
  vmParams,
} from "./params.ts";
import {
  PLAIN_OPTIONS,
  type ExplainQuestion,
  type IncomingRequest,
  type MigrateRequest,
} from "./request.ts";
import { readSchedule } from "./schedule.ts";
import { describeParam } from "./verb.ts";

/** As many as a log line can take. */
const MAX_UNKNOWN_KEYS = 32;

/** The VM's id in lower case. */
export function parseVmId(params: FlatParams): string {
  return check(vmParams, params).vmID.toLowerCase();
}

export function parseMigrate(params: FlatParams): MigrateRequest {
  const wire = check(migrateParams, params);
  const { mode = "remote" } = wire;
  return {
    vmId: wire.vmID.toLowerCase(),
    mode,
    dst: mode === "file" ? checkPath("dst", wire.dst) : checkDestination(wire.dst),
    compressed: wire.compressed ?? false,
    autoConverge: wire.autoConverge ?? false,
    abortOnError: wire.abortOnError ?? false,
    encrypted: wire.encrypted ?? false,
    tunneled: wire.tunneled ?? false,
    ...(mode === "file" && { dstparams: checkPath("dstparams", wire.dstparams) }),
    ...hostAs("dstqemu", wire.dstqemu),
    ...hostAs("consoleAddress", wire.consoleAddress),
    ...(isGiven(wire.parallel) && { parallel: wire.parallel }),
    ...(isGiven(wire.downtime) && { downtimeMs: wire.downtime }),
    ...(wire.migrationProgressTimeout !== undefined && {
      progressTimeoutMs: secondsToMs(wire.migrationProgressTimeout),
    }),
    ...(wire.stallingLimit !== undefined && { stallingLimitMs: secondsToMs(wire.stallingLimit) }),
    ...(isGiven(wire.maxBandwidth) && { maxBandwidthMiBps: wire.maxBandwidth }),
    ...(wire.convergenceSchedule !== undefined && {
      convergenceSchedule: checkSchedule(wire.convergenceSchedule),
    }),
    ...(wire.outgoingLimit !== undefined && { outgoingLimit: wire.outgoingLimit }),
    ...(wire.incomingLimit !== undefined && { incomingLimit: wire.incomingLimit }),
    ...(wire.cpusets !== undefined && { cpusets: wire.cpusets }),
    ...(wire.numaNodesets !== undefined && { numaNodesets: wire.numaNodesets }),
    unknownKeys: Object.keys(params)
      .filter((name) => !Object.hasOwn(migrateParams, name))
      .slice(0, MAX_UNKNOWN_KEYS)
      .map((name) => clip(name)),
  };
}

/** 0 stands for the default. */
function isGiven(value: number | undefined): value is number {
  return value !== undefined && value > 0;
}

function hostAs<K extends "dstqemu" | "consoleAddress">(
  name: K,
  value: string | undefined,
): { readonly [P in K]?: string };
function hostAs(name: string, value: string | undefined): Readonly<Record<string, string>> {
  const host = value === undefined ? undefined : parseHost(value);
  return host === undefined ? {} : { [name]: host };
}

/** Appended to the image's path for the parameters file. */
const PARAMETERS_SUFFIX = ".json";

/** A hibernation by the one path that VDSM's callers give. */
export function parseHibernate(params: FlatParams): MigrateRequest {
  const { vmID, hibernationVolHandle: dst } = check(hibernateParams, params);
  const dstparams = `${dst}${PARAMETERS_SUFFIX}`;
  if (!isPath(dstparams)) throw invalid(hibernateParams, "hibernationVolHandle", dst);
  return { vmId: vmID.toLowerCase(), mode: "file", dst, dstparams, ...PLAIN_OPTIONS };
}

export function parseMigrationCreate(params: FlatParams): IncomingRequest {
  const { vmID, incomingLimit, xml } = check(migrationCreateParams, params);
  return {
    vmId: vmID.toLowerCase(),
    ...(typeof incomingLimit === "number" && { incomingLimit }),
    ...(xml !== undefined && { xml }),
  };
}

/** **Fails** also if there is nothing to change. */
export function parseChanges(params: FlatParams): { vmId: string; changes: Changes } {
  const wire = check(changeParams, params);
  const changes: Changes = {
    ...(wire.downtime !== undefined && { downtimeMs: wire.downtime }),
    ...(wire.migrationTechnique !== undefined && { migrationTechnique: wire.migrationTechnique }),
    ...(wire.stallingLimit !== undefined && { stallingLimitMs: secondsToMs(wire.stallingLimit) }),
    ...(wire.maxBandwidth !== undefined && { maxBandwidthMiBps: wire.maxBandwidth }),
    ...(wire.migrationProgressTimeout !== undefined && {
      progressTimeoutMs: secondsToMs(wire.migrationProgressTimeout),
    }),
  };
  if (Object.keys(changes).length === 0) {
    const names = Object.keys(changeParams).filter((name) => name !== "vmID");
    throw invalidKey("params", `nothing to change; one or more of ${names.join(", ")} is needed`);
  }
  return { vmId: wire.vmID.toLowerCase(), changes };
}

export function parseExplain(params: FlatParams): ExplainQuestion {
  const { vmID, migrationId } = check(explainParams, params);
  return { vmId: vmID.toLowerCase(), migrationId: migrationId?.toLowerCase() ?? null };
}

/** Host.getMigrations; undefined: of every VM. */
export function parseMigrations(params: FlatParams): string | undefined {
  return check(migrationsParams, params).vmID?.toLowerCase();
}

export function parseGetEvents(params: FlatParams): { since: number; epoch?: string } {
  const { since = 0, epoch } = check(eventsParams, params);
  return { since, ...(epoch !== undefined && { epoch: epoch.toLowerCase() }) };
}

function check<S extends Fields>(fields: S, params: FlatParams): ObjectOf<S> {
  if (conforms(fields, params)) return params;
  const wrong = firstWrong(fields, new Map(Object.entries(params))) ?? "params";
  const [name = wrong] = wrong.split(/[.[]/);
  throw invalid(fields, name, params[name]);
}

function invalid(fields: Fields, name: string, value: unknown): Error {
  const field = fields[name];
  return invalidValue(name, value, field === undefined ? "known" : describeParam(field));
}

function checkPath(name: "dst" | "dstparams", value: string | undefined): string {
  if (value === undefined || !isPath(value)) throw invalid(migrateParams, name, value);
  return value;
}

function checkSchedule(value: unknown) {
  const schedule = readSchedule(value);
  if (schedule === null) throw invalid(migrateParams, "convergenceSchedule", value);
  return schedule;
}

/** Kept as written, except for the case: whoever uses it parses it again in the same way. */
function checkDestination(dst: string): string {
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
      throw invalid(migrateParams, "dst", dst);
  }
}
