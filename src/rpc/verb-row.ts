/**
 * What a verb and a parameter are, and how the tables write their rows. Which verbs there are is
 * `verb-table.ts`.
 */

import type { VerbRole } from "./roles.ts";

export interface ParamRow {
  readonly name: string;
  readonly kind: "uuid" | "string" | "integer" | "boolean" | "enum" | "object" | "list";
  readonly required: boolean;
  /** "" where there is none. */
  readonly unit: string;
  /** In words, as for the README; "" for a required one. */
  readonly default: string;
  readonly range: string;
  readonly doc: string;
}

export interface VerbRow {
  readonly name: string;
  readonly aliases: readonly string[];
  /** Who may call it. */
  readonly roles: readonly VerbRole[];
  readonly params: readonly ParamRow[];
  /** Names of positional parameters where they are not the VM and an object with the rest. */
  readonly positions?: readonly string[];
  /** A key that the verb does not know: an error, dropped, or handed on to be logged. */
  readonly unknownKeys: "refuse" | "ignore" | "report";
  readonly result: string;
  readonly doc: string;
}

export const vmID: ParamRow = {
  name: "vmID",
  kind: "uuid",
  required: true,
  unit: "",
  default: "",
  range: "UUID",
  doc: "The VM; `vmId` is understood too.",
};

type Text = Pick<ParamRow, "default" | "doc"> & { readonly unit?: string };

export function integer(name: string, bounds: { min: number; max: number }, text: Text): ParamRow {
  const range = `${bounds.min} to ${bounds.max}`;
  return { name, kind: "integer", required: false, unit: "", range, ...text };
}

export function string(name: string, range: string, text: Text): ParamRow {
  return { name, kind: "string", required: false, unit: "", range, ...text };
}

/** Of strings. */
export function list(name: string, range: string, text: Text): ParamRow {
  return { name, kind: "list", required: false, unit: "", range: `list of ${range}`, ...text };
}

export function boolean(name: string, doc: string): ParamRow {
  return {
    name,
    kind: "boolean",
    required: false,
    unit: "",
    default: "false",
    range: 'true or false ("true" and "false" too)',
    doc,
  };
}

export function oneOf(name: string, values: readonly string[], text: Text): ParamRow {
  return { name, kind: "enum", required: false, unit: "", range: values.join(" | "), ...text };
}

/** A parameter's type, range and unit in one phrase: `integer or string of digits, 1 to 2000000, ms`. */
export function describeParam({ kind, range, unit }: ParamRow): string {
  const named = kind === "integer" ? "integer or string of digits" : kind;
  const type = ["enum", "boolean", "uuid", "object", "list"].includes(kind) ? [] : [named];
  return [...type, range, ...(unit === "" ? [] : [unit])].join(", ");
}
