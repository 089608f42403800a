/**
 * JSON and near-JSON as text, because numbers beyond a double, -0, duplicate keys and odd escapes
 * exist only there.
 */

import fc from "fast-check";

const NUMBERS = [
  "0",
  "-0",
  "-0.0",
  "1",
  "-1",
  "2",
  "1.5",
  "0.1",
  "1e0",
  "1E+2",
  "1e400",
  "-1e400",
  "1e-400",
  "255",
  "256",
  "2147483647",
  "2147483648",
  "4294967296",
  "9007199254740991",
  "9007199254740992",
  "9007199254740993",
  "18446744073709551615",
  "18446744073709551616",
  `1${"0".repeat(400)}`,
  `0.${"0".repeat(400)}1`,
  // Not JSON.
  "01",
  "+1",
  ".5",
  "1.",
  "0x10",
  "NaN",
  "Infinity",
  "-",
];

export const STRINGS = [
  "",
  " ",
  "NaN",
  "Infinity",
  "null",
  "true",
  "True",
  "FALSE",
  "0",
  "-1",
  "1e3",
  "500",
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "a\nb",
  "a\r\nB: c",
  "\u0000",
  "\u001b[31m",
  "\u007f",
  "\u2028",
  "\ufeff",
  "\ud800",
  "\udc00\ud800",
  "😀".repeat(40),
  `a${"😀".repeat(45)}`,
  "x".repeat(300),
  "%s%n{host}$&",
  "../../etc/passwd",
];

/** A JSON string, sometimes with an odd escape or a character that a string must not contain. */
export function stringText(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const odd = ["\\u0041", "\\/", "\\ud800", "\\udc00", "\\x41", "\\u12", "\t", "\0", "\\"];
  return fc.oneof(
    { weight: 12, arbitrary: text.map((each) => JSON.stringify(each)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(text, fc.constantFrom(...odd))
        .map(([each, escape]) => `${JSON.stringify(each).slice(0, -1)}${escape}"`),
    },
  );
}

export const anyString: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...STRINGS),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ maxLength: 12 }),
);

/** Members in order, duplicate keys included. */
export function objectText(
  members: fc.Arbitrary<readonly (readonly [key: string, value: string])[]>,
): fc.Arbitrary<string> {
  return members.map(
    (each) => `{${each.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`,
  );
}

const deep = fc
  .tuple(fc.constantFrom(10, 100, 1000, 5000, 20_000), fc.boolean(), fc.constantFrom("", "1", "{"))
  .map(([depth, isArray, core]) =>
    isArray
      ? `${"[".repeat(depth)}${core}${"]".repeat(depth)}`
      : `${'{"a":'.repeat(depth)}${core === "" ? "0" : core}${"}".repeat(depth)}`,
  );

const leaf = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("null", "true", "false") },
  { weight: 4, arbitrary: fc.constantFrom(...NUMBERS) },
  { weight: 3, arbitrary: fc.integer().map(String) },
  { weight: 5, arbitrary: stringText(anyString) },
  { weight: 2, arbitrary: fc.constantFrom("[]", "{}", "[null]", "[[]]") },
);

/** Any value. One in forty is nested deeper than the stack allows. */
export const valueText: fc.Arbitrary<string> = fc.oneof(
  { weight: 24, arbitrary: leaf },
  {
    weight: 4,
    arbitrary: fc.array(leaf, { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
  },
  {
    weight: 4,
    arbitrary: objectText(fc.array(fc.tuple(anyString, leaf), { maxLength: 4 })),
  },
  { weight: 1, arbitrary: deep },
);
