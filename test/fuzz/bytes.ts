/**
 * Bytes that are almost right: a valid message with a few edits, and how it is split on its way.
 * The targets choose the message.
 */

import fc from "fast-check";

type Edit =
  | { readonly kind: "set"; readonly at: number; readonly byte: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "remove"; readonly at: number; readonly length: number }
  | {
      readonly kind: "repeat";
      readonly at: number;
      readonly length: number;
      readonly times: number;
    }
  | { readonly kind: "end"; readonly at: number };

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

/** Tokens that mean something in one of the protocols. */
const TOKENS = [
  "\r\n",
  "\n",
  "\r",
  "\r\n\r\n",
  "\n\n",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "\\",
  "\\c",
  '"',
  "{",
  "}",
  "[",
  "]",
  "0",
  "-",
  "+",
  "1e999",
  "\x1b[2J",
  "\x7f",
  "\x80",
  "\xff",
  "\xfe\xff",
  "\xef\xbb\xbf",
  "\xc0\x80",
  "\xed\xa0\x80",
  "\xf4\x90\x80\x80",
  "\xf0\x9f\x98\x80",
  "\xe2\x80\xa8",
  "__proto__",
  "null",
].map(latin1);

const at = fc.nat({ max: 0xffff });

export const rawBytes: fc.Arbitrary<Uint8Array> = fc.uint8Array({ maxLength: 200, size: "max" });

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), at, byte: fc.nat({ max: 255 }) }),
  fc.record({
    kind: fc.constant("insert" as const),
    at,
    bytes: fc.oneof(fc.constantFrom<Uint8Array[]>(...TOKENS), fc.uint8Array({ maxLength: 8 })),
  }),
  fc.record({ kind: fc.constant("remove" as const), at, length: fc.nat({ max: 20 }) }),
  fc.record({
    kind: fc.constant("repeat" as const),
    at,
    length: fc.integer({ min: 1, max: 40 }),
    times: fc.integer({ min: 1, max: 60 }),
  }),
  fc.record({ kind: fc.constant("end" as const), at }),
);

function apply(bytes: Buffer, change: Edit): Buffer {
  const from = change.at % (bytes.length + 1);
  const [before, after] = [bytes.subarray(0, from), bytes.subarray(from)];
  switch (change.kind) {
    case "set":
      return Buffer.concat([before, Buffer.of(change.byte), after.subarray(1)]);
    case "insert":
      return Buffer.concat([before, change.bytes, after]);
    case "remove":
      return Buffer.concat([before, after.subarray(change.length)]);
    case "repeat": {
      const piece = after.subarray(0, change.length);
      return Buffer.concat([before, ...Array.from({ length: change.times }, () => piece), after]);
    }
    case "end":
      return before;
  }
}

/** Half of them unchanged. */
export function mutated(base: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> {
  const edits = fc.oneof(
    fc.constant<Edit[]>([]),
    fc.array(edit, { minLength: 1, maxLength: 4, size: "max" }),
  );
  return fc.tuple(base, edits).map(([bytes, changes]) => changes.reduce(apply, Buffer.from(bytes)));
}

/** Where to split, as fractions of the whole; some split everywhere. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.array(at, { maxLength: 4 });

export function cutInto(bytes: Uint8Array, places: readonly number[]): readonly Uint8Array[] {
  const ends = places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}
