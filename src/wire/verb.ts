/**
 * What a verb is: the shape of a row of the verb table, and how a parameter is described in one
 * phrase. Which verbs there are is verbs.ts's.
 */
import type { ErrorName } from "./errors.ts";
import type { Field, Fields } from "./field.ts";

/** What a verb may be open to. */
export const verbRoles = ["control", "peer", "read-only"] as const;

export type VerbRole = (typeof verbRoles)[number];

export interface Verb {
  readonly aliases: readonly string[];
  /** Who may call it. */
  readonly roles: readonly VerbRole[];
  readonly params: Fields;
  /** Names of positional parameters where they are not the VM and an object with the rest. */
  readonly positions?: readonly string[];
  /** A key that the verb does not know: an error, dropped, or passed on to be logged. */
  readonly unknownKeys: "refuse" | "ignore" | "report";
  readonly result: Field;
  /** Its own; those that any request may end with are not named here. */
  readonly errors: readonly ErrorName[];
  readonly doc: string;
}

/** By name. */
export type Verbs = Readonly<Record<string, Verb>>;

/**
 * A parameter's type, range and unit in one phrase: `integer or string of digits, 1 to 2000000, ms`.
 */
export function describeParam(field: Field): string {
  const unit = field.unit === undefined ? [] : [field.unit];
  return [...typeOf(field, "integer or string of digits"), ...unit].join(", ");
}

/** The same for a field of a result or an event: `integer, s`. */
export function describeField(field: Field): string {
  const unit = field.unit === undefined ? [] : [field.unit];
  const nullable = field.nullable === true ? " or null" : "";
  const words = plainType(field);
  return [`${words}${nullable}`, ...unit].join(", ");
}

function typeOf(field: Field, integer: string): readonly string[] {
  switch (field.kind) {
    case "integer":
      return [integer, field.range ?? `${field.min} to ${field.max}`];
    case "boolean":
      return ['true or false ("true" and "false" too)'];
    case "enum":
      return [field.values.join(" | ")];
    case "string":
      if (field.format === "uuid") return ["UUID"];
      return ["string", ...(field.range === undefined ? [] : [field.range])];
    case "true":
    case "list":
    case "object":
    case "map":
    case "raw":
      return [field.range ?? field.kind];
  }
}

function plainType(field: Field): string {
  switch (field.kind) {
    case "integer":
    case "boolean":
    case "true":
    case "object":
      return field.kind;
    case "enum":
      return field.values.join(" | ");
    case "string":
      return field.range ?? "string";
    case "list":
      return `list of ${plainType(field.of)}`;
    case "map":
      return "object of numbers, strings, booleans and nulls";
    case "raw":
      return plainType(field.as);
  }
}
