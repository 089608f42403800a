/**
 * One normaliser in front of the dispatcher: whatever a caller writes becomes a verb's own name and
 * one flat record with the names of the verb table. Aliases, VDSM's nesting, `vmID` or `vmId`,
 * positions instead of names, booleans and numbers as strings, null for "not given": all of that
 * ends here. It checks shapes and names; values are the schemas' business.
 */

import { MonitorError } from "../errors.ts";
import { readDigits } from "./digits.ts";
import { clip, invalidKey, invalidValue } from "./invalid-params.ts";
import { describeParam, type ParamRow, type VerbRow } from "./verb-row.ts";

export type FlatParams = Readonly<Record<string, unknown>>;

export interface NormalCall {
  readonly method: string;
  readonly params: FlatParams;
}

export type Normalise = (method: string, params: unknown) => NormalCall;

/** **Fails**: MonitorError methodNotFound or invalidParams. */
export function createNormaliser(verbs: readonly VerbRow[]): Normalise {
  const byName = new Map(
    verbs.flatMap((verb) => [verb.name, ...verb.aliases].map((name) => [name, verb] as const)),
  );
  return (method, params) => {
    const verb = byName.get(method);
    if (verb === undefined) {
      throw new MonitorError("methodNotFound", `Method not found: ${clip(method)}`);
    }
    return { method: verb.name, params: normaliseParams(verb, params) };
  };
}

function normaliseParams(verb: VerbRow, params: unknown): FlatParams {
  const rows = new Map(verb.params.map((row) => [row.name, row]));
  const flat = new Map<string, unknown>();
  for (const [key, written] of flatten(verb, params)) {
    const name = key === "vmId" ? "vmID" : key;
    const value = normaliseValue(verb, rows.get(name), written);
    if (flat.has(name) && !isSame(name, flat.get(name), value)) {
      throw invalidKey(name, "given twice with different values");
    }
    flat.set(name, value);
  }
  return Object.fromEntries(
    [...flat].filter(
      ([name, value]) => (rows.has(name) || isKept(verb, name)) && value !== undefined,
    ),
  );
}

function isKept(verb: VerbRow, name: string): boolean {
  if (verb.unknownKeys === "refuse") {
    const known = verb.params.map((row) => row.name).join(", ");
    throw invalidKey(name, `unknown to ${verb.name}, which takes ${known}`);
  }
  return verb.unknownKeys === "report";
}

/** The outer entries, then those of a nested `params` object. */
function flatten(verb: VerbRow, params: unknown): readonly (readonly [string, unknown])[] {
  const outer = Array.isArray(params) ? fromPositions(verb, params) : entriesOf("params", params);
  if (verb.params.length === 0) return outer;
  return outer.flatMap(([name, value]) =>
    name === "params" ? entriesOf("params", value) : [[name, value] as const],
  );
}

/** VDSM's schema order: the VM, then an object with the rest; without a VM as in the table. */
function fromPositions(verb: VerbRow, values: readonly unknown[]) {
  const all = verb.params.map((row) => row.name);
  const nested = all[0] === "vmID" && all.length > 1 ? ["vmID", "params"] : all;
  const names = verb.positions ?? nested;
  if (values.length > names.length) {
    throw invalidKey("params", `${values.length} positions, ${verb.name} takes ${names.length}`);
  }
  return names.slice(0, values.length).map((name, index) => [name, values[index]] as const);
}

function entriesOf(name: string, value: unknown): readonly (readonly [string, unknown])[] {
  if (value === undefined) return [];
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidValue(name, value, "an object");
  }
  return Object.entries(value);
}

function isSame(name: string, one: unknown, other: unknown): boolean {
  if (name === "vmID" && typeof one === "string" && typeof other === "string") {
    return one.toLowerCase() === other.toLowerCase();
  }
  return Object.is(one, other);
}

/** Parameters of `VM.migrate` whose 0 is the default. */
const ZERO_IS_DEFAULT: ReadonlySet<string> = new Set(["downtime", "maxBandwidth", "parallel"]);

/**
 * In `VM.migrate` null is "not given" for whatever is not required, 0 too for `maxBandwidth` (the
 * configured one), `downtime` (the automatic steps) and `parallel` (off), and so is an empty
 * address, as in VDSM. In `VM.migrateChangeParams` a key that is there asks for a change, and there
 * is no default to go back to, so null and 0 are left for the schema to refuse.
 */
function normaliseValue(verb: VerbRow, row: ParamRow | undefined, written: unknown): unknown {
  if (row === undefined) return written;
  const value = typeof written === "string" ? fromText(row, written) : written;
  if (verb.unknownKeys !== "report" || row.required) return value;
  if (value === null) return undefined;
  if (row.kind === "string" && value === "") return undefined;
  if (value === 0 && ZERO_IS_DEFAULT.has(row.name)) return undefined;
  return value;
}

/** What is no number stays the text that it is, for the schema to refuse and show. */
function fromText(row: ParamRow, text: string): unknown {
  if (row.kind === "boolean") return parseBoolean(row, text);
  return row.kind === "integer" ? (readDigits(text) ?? text) : text;
}

function parseBoolean(row: ParamRow, text: string): boolean {
  const lower = text.toLowerCase();
  if (lower !== "true" && lower !== "false") throw invalidValue(row.name, text, describeParam(row));
  return lower === "true";
}
