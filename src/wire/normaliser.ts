/**
 * One normaliser in front of the dispatcher: whatever a caller writes becomes a verb's own name and
 * one flat record with the names of the verb table. Aliases, VDSM's nesting, `vmID` or `vmId`,
 * positions instead of names, booleans and numbers as strings, null for "not given": all of that
 * ends here. It checks shapes and names; values are the schemas' business.
 */

import { readDigits } from "./digits.ts";
import { MonitorError } from "./errors.ts";
import type { Field } from "./field.ts";
import { clip, invalidKey, invalidValue } from "./invalid-params.ts";
import { describeParam, type Verb, type Verbs } from "./verb.ts";

export type FlatParams = Readonly<Record<string, unknown>>;

export interface NormalCall {
  readonly method: string;
  readonly params: FlatParams;
}

export type NamedVerb = Verb & { readonly name: string };

export type Normalise = (method: string, params: unknown) => NormalCall;

/** **Fails**: MonitorError methodNotFound or invalidParams. */
export function createNormaliser(verbs: Verbs): Normalise {
  const byName = byEveryName(verbs);
  return (method, params) => {
    const verb = byName.get(method);
    if (verb === undefined) {
      throw new MonitorError("methodNotFound", `Method not found: ${clip(method)}`);
    }
    return { method: verb.name, params: normaliseParams(verb, params) };
  };
}

/** A verb by its name and by each alias. */
export function byEveryName(verbs: Verbs): ReadonlyMap<string, NamedVerb> {
  return new Map(
    Object.entries(verbs).flatMap(([name, verb]) =>
      [name, ...verb.aliases].map((each) => [each, { ...verb, name }] as const),
    ),
  );
}

function normaliseParams(verb: NamedVerb, params: unknown): FlatParams {
  const fields = new Map(Object.entries(verb.params));
  const flat = new Map<string, unknown>();
  for (const [key, written] of flatten(verb, params)) {
    const name = key === "vmId" ? "vmID" : key;
    const value = normaliseValue(verb, name, fields.get(name), written);
    if (flat.has(name) && !isSame(name, flat.get(name), value)) {
      throw invalidKey(name, "given twice with different values");
    }
    flat.set(name, value);
  }
  return Object.fromEntries(
    [...flat].filter(
      ([name, value]) => (fields.has(name) || isKept(verb, name)) && value !== undefined,
    ),
  );
}

function isKept(verb: NamedVerb, name: string): boolean {
  if (verb.unknownKeys === "refuse") {
    const known = Object.keys(verb.params).join(", ");
    throw invalidKey(name, `unknown to ${verb.name}, which takes ${known}`);
  }
  return verb.unknownKeys === "report";
}

/** The outer entries, then those of a nested `params` object. */
function flatten(verb: NamedVerb, params: unknown): readonly (readonly [string, unknown])[] {
  const outer = Array.isArray(params) ? fromPositions(verb, params) : entriesOf("params", params);
  if (Object.keys(verb.params).length === 0) return outer;
  return outer.flatMap(([name, value]) =>
    name === "params" ? entriesOf("params", value) : [[name, value] as const],
  );
}

/** VDSM's schema order: the VM, then an object with the rest; without a VM as in the table. */
function fromPositions(verb: NamedVerb, values: readonly unknown[]) {
  const all = Object.keys(verb.params);
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
function normaliseValue(
  verb: NamedVerb,
  name: string,
  field: Field | undefined,
  written: unknown,
): unknown {
  if (field === undefined) return written;
  const value = typeof written === "string" ? fromText(name, field, written) : written;
  if (verb.unknownKeys !== "report" || field.optional === undefined) return value;
  if (value === null) return undefined;
  if (field.kind === "string" && value === "") return undefined;
  if (value === 0 && ZERO_IS_DEFAULT.has(name)) return undefined;
  return value;
}

/** What is no number stays the text that it is, for the schema to refuse and show. */
function fromText(name: string, field: Field, text: string): unknown {
  if (field.kind === "boolean") return parseBoolean(name, field, text);
  return field.kind === "integer" ? (readDigits(text) ?? text) : text;
}

function parseBoolean(name: string, field: Field, text: string): boolean {
  const lower = text.toLowerCase();
  if (lower !== "true" && lower !== "false") throw invalidValue(name, text, describeParam(field));
  return lower === "true";
}
