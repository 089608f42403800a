/** Where a text stops being JSON: a table, and a comparison with JSON.parse for arbitrary texts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonMistake } from "../../src/config/json-position.ts";

describe("jsonMistake", () => {
  it.each([
    ["{ half", 1, 3, "a key in double quotes, or }"],
    ['{"vars": {"peer_timeout": 1,}}', 1, 29, "a key in double quotes"],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3, "a comma or }"],
    ['{\n  // why\n  "a": 1\n}', 2, 3, "a key in double quotes, or }"],
    ["{'a': 1}", 1, 2, "a key in double quotes, or }"],
    ['{"a" 1}', 1, 6, "a colon"],
    ['{"a": yes}', 1, 7, "a value"],
    ['{"a": [1 2]}', 1, 10, "a comma or ]"],
    ['{"a": [1, ', 1, 11, "a value"],
    ['{"a": "b\nc"}', 1, 7, "a closing double quote on the same line"],
    ['{"a": 1}}', 1, 9, "nothing more"],
    ['{"a": 01}', 1, 8, "a comma or }"],
    ["\uFEFF{}", 1, 1, "a value"],
    ["[".repeat(100_000), 1, 100_001, "a value or ]"],
  ])("%j", (text, line, column, expected) => {
    expect(jsonMistake(text)).toEqual({ line, column, expected });
  });

  it("finds a mistake exactly when JSON.parse does", () => {
    const parts = fc.constantFrom(...'{}[],:"\\ \n1-.e0tfu\u0001'.split(""), "true", "null", '"a"');
    const text = fc.oneof(
      fc.json(),
      fc.string(),
      fc.array(parts, { maxLength: 12 }).map((all) => all.join("")),
    );
    fc.assert(
      fc.property(text, (each) => {
        let isJson = true;
        try {
          JSON.parse(each);
        } catch {
          isJson = false;
        }
        expect(jsonMistake(each) === undefined).toBe(isJson);
      }),
      { numRuns: 20_000 },
    );
  });
});
