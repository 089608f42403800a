/** The OpenRPC document: whole, consistent in itself, and what rpc.discover returns. */
import { describe, expect, it } from "vitest";
import { errorTable } from "../../src/wire/errors.ts";
import { boolean, integer, listOf, optional, orNull, text, uuid } from "../../src/wire/field.ts";
import { jsonSchema } from "../../src/wire/json-schema.ts";
import { openRpcDocument } from "../../src/wire/openrpc.ts";
import { verbRows } from "../../src/wire/verbs.ts";

const document = JSON.parse(JSON.stringify(openRpcDocument("1.2.3")));

it("has every verb once, and errors that it declares", () => {
  const methods: readonly { name: string; errors: readonly { $ref: string }[] }[] =
    document.methods;
  expect(methods.map(({ name }) => name)).toEqual(verbRows().map(({ name }) => name));
  for (const { name, errors } of methods) {
    const names = errors.map(({ $ref }) => $ref.replace("#/components/errors/", ""));
    expect(new Set(names).size, name).toBe(names.length);
    expect(
      names.filter((each) => !Object.hasOwn(document.components.errors, each)),
      name,
    ).toEqual([]);
  }
  expect(document.components.errors.noSlot).toEqual({
    code: errorTable.noSlot.number,
    message: errorTable.noSlot.when,
  });
});

describe("a field as JSON Schema", () => {
  const seconds = integer({ min: 0, max: 9 }, "Doc.", { unit: "s" });
  it.each([
    [
      "an integer parameter takes digits",
      jsonSchema(optional("5", seconds), "param"),
      {
        type: ["integer", "string"],
        minimum: 0,
        maximum: 9,
        pattern: "^[0-9]{1,16}$",
        description: "Doc.",
        "x-unit": "s",
        "x-default": "5",
      },
    ],
    [
      "a result does not",
      jsonSchema(optional("at the end", seconds), "result"),
      {
        type: "integer",
        minimum: 0,
        maximum: 9,
        description: "Doc.",
        "x-unit": "s",
        "x-present": "at the end",
      },
    ],
    [
      "null",
      jsonSchema(orNull(boolean("Doc.")), "result"),
      { anyOf: [{ type: "boolean" }, { type: "null" }], description: "Doc." },
    ],
    [
      "a list",
      jsonSchema(listOf(text("Item."), "Doc.", { maxItems: 3 }), "result"),
      {
        type: "array",
        items: { type: "string", description: "Item." },
        maxItems: 3,
        description: "Doc.",
      },
    ],
  ])("%s", (_what, schema, expected) => {
    expect(schema).toEqual(expected);
  });

  it("a UUID in either case", () => {
    const { pattern } = jsonSchema(uuid("Doc."), "param");
    if (typeof pattern !== "string") throw new Error("no pattern");
    expect("0B6F2F0E-5a0c-4f7e-9d0e-0123456789ab").toMatch(new RegExp(pattern));
  });
});
