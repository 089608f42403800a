/**
 * A declared field as JSON Schema, draft-07. Parameters accept what the normaliser accepts: digits as
 * a string for an integer, "true" and "false" for a boolean. What a schema is used for is not known
 * here.
 */
import { uuidPattern } from "../core/uuid.ts";
import type { Field, Fields } from "./field.ts";

/** A JSON object. */
export type Json = { readonly [key: string]: JsonValue };
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | Json;

export type Use = "param" | "result";

export function jsonSchema(field: Field, use: Use): Json {
  const { unit, optional } = field;
  const absent = use === "param" ? "default" : "present";
  return {
    ...orNull(field, typeSchema(field, use)),
    description: field.doc,
    ...(unit === undefined ? {} : { "x-unit": unit }),
    ...(optional === undefined ? {} : { [`x-${absent}`]: optional }),
  };
}

function orNull(field: Field, schema: Json): Json {
  return field.nullable === true ? { anyOf: [schema, { type: "null" }] } : schema;
}

function typeSchema(field: Field, use: Use): Json {
  switch (field.kind) {
    case "string":
      return stringSchema(field);
    case "integer": {
      const bounds = { minimum: field.min, maximum: field.max };
      const digits = field.min < 0 ? "^(-1|[0-9]{1,16})$" : "^[0-9]{1,16}$";
      return use === "param"
        ? { type: ["integer", "string"], ...bounds, pattern: digits }
        : { type: "integer", ...bounds };
    }
    case "boolean":
      return use === "param"
        ? { type: ["boolean", "string"], pattern: "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$" }
        : { type: "boolean" };
    case "true":
      return { const: true };
    case "enum":
      return { type: "string", enum: field.values };
    case "list":
      return {
        type: "array",
        items: jsonSchema(field.of, use),
        ...(field.maxItems === undefined ? {} : { maxItems: field.maxItems }),
      };
    case "object":
      return objectSchema(field.fields, use);
    case "map":
      return {
        type: "object",
        additionalProperties: { type: ["number", "string", "boolean", "null"] },
      };
    case "raw":
      return typeSchema(field.as, use);
  }
}

function stringSchema({ format, range }: Extract<Field, { readonly kind: "string" }>): Json {
  if (format === "uuid") {
    return { type: "string", pattern: uuidPattern.source.replaceAll("a-f", "a-fA-F") };
  }
  if (format === "time") return { type: "string", format: "date-time" };
  return { type: "string", ...(range === undefined ? {} : { "x-range": range }) };
}

export function objectSchema(fields: Fields, use: Use): Json {
  const all = Object.entries(fields);
  const required = all.filter(([, { optional }]) => optional === undefined).map(([name]) => name);
  return {
    type: "object",
    properties: Object.fromEntries(all.map(([name, field]) => [name, jsonSchema(field, use)])),
    ...(required.length === 0 ? {} : { required }),
  };
}
