/**
 * Whether a value is what its field declares: the check of every parameter that comes in, and in tests
 * of everything that goes out. It knows types, bounds and formats; what a value means is not known
 * here.
 */
import { parseHost } from "../core/address.ts";
import { isRecord } from "../core/json.ts";
import { uuidPattern } from "../core/uuid.ts";
import type { Field, Fields, Format, ObjectOf } from "./field.ts";

/** PATH_MAX without its NUL. */
const MAX_PATH_BYTES = 4095;

/** What is not as declared: `status.code`, `decisions[3].rule`, `extra (not declared)`. */
export function* faultsIn(field: Field, value: unknown, at = "it"): Generator<string> {
  if (value === null && field.nullable === true) return;
  switch (field.kind) {
    case "raw":
      return;
    case "list":
      if (!Array.isArray(value) || value.length > (field.maxItems ?? Number.POSITIVE_INFINITY)) {
        yield at;
      } else {
        for (const [index, each] of value.entries()) {
          yield* faultsIn(field.of, each, `${at}[${index}]`);
        }
      }
      return;
    case "object":
      if (!isRecord(value)) yield at;
      else yield* faultsInMembers(field.fields, value, at);
      return;
    case "map":
      if (!isRecord(value)) yield at;
      return;
    case "integer":
    case "boolean":
    case "true":
    case "enum":
    case "string":
      if (!isAllowed(field, value)) yield at;
  }
}

function* faultsInMembers(
  fields: Fields,
  value: Readonly<Record<string, unknown>>,
  at: string,
): Generator<string> {
  const members = new Map(Object.entries(value));
  const wrong = firstWrong(fields, members);
  if (wrong !== null) yield `${at}.${wrong}`;
  for (const name of members.keys()) {
    if (!Object.hasOwn(fields, name)) yield `${at}.${name} (not declared)`;
  }
}

/** Whether every declared member is there and as declared; others are not looked at. */
export function conforms<S extends Fields>(
  fields: S,
  value: Readonly<Record<string, unknown>>,
): value is ObjectOf<S> {
  return firstWrong(fields, new Map(Object.entries(value))) === null;
}

/** The path of the first declared member that is missing or wrong; null: none is. */
export function firstWrong(fields: Fields, members: ReadonlyMap<string, unknown>): string | null {
  for (const [name, field] of Object.entries(fields)) {
    const value = members.get(name);
    if (value === undefined && field.optional !== undefined) continue;
    const { value: fault } = faultsIn(field, value, name).next();
    if (typeof fault === "string") return fault;
  }
  return null;
}

function isAllowed(
  field: Extract<Field, { readonly kind: "integer" | "boolean" | "true" | "enum" | "string" }>,
  value: unknown,
): boolean {
  switch (field.kind) {
    case "integer":
      return Number.isInteger(value) && Number(value) >= field.min && Number(value) <= field.max;
    case "boolean":
      return typeof value === "boolean";
    case "true":
      return value === true;
    case "enum":
      return typeof value === "string" && field.values.includes(value);
    case "string":
      return (
        typeof value === "string" && (field.format === undefined || hasFormat(value, field.format))
      );
  }
}

function hasFormat(text: string, format: Format): boolean {
  switch (format) {
    case "uuid":
      return uuidPattern.test(text);
    case "host":
      return parseHost(text) !== undefined;
    case "path":
      return isPath(text);
    case "time":
      return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text);
  }
}

/**
 * An absolute path that means the same to everybody: a lone surrogate would become another character
 * on its way, and the path another path.
 */
export function isPath(text: string): boolean {
  return (
    text.startsWith("/") &&
    !text.includes("\0") &&
    !/\p{Cs}/u.test(text) &&
    utf8Length(text) <= MAX_PATH_BYTES
  );
}

/** Bytes in UTF-8. Example: 3 for "€". */
function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x1_0000 ? 3 : 4;
  }
  return bytes;
}
