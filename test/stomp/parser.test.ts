/**
 * The codec: any bytes, however cut, are the same frames; what is too much or wrong is found out,
 * and what is written is read back.
 */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Frame, FrameParser, serializeFrame } from "../../src/stomp/index.ts";

const limits = { lineBytes: 40, headerCount: 4, bodyBytes: 30 };
const roomy = { lineBytes: 2048, headerCount: 32, bodyBytes: 100_000 };

type Shown = readonly [command: string, headers: Record<string, string>, body: string];

const show = ({ command, headers, body }: Frame): Shown => [
  command,
  Object.fromEntries(headers),
  Buffer.from(body).toString("latin1"),
];

/** All that a parser makes of the pieces. */
function parse(pieces: readonly Uint8Array[], bounds = roomy) {
  const parser = new FrameParser(bounds);
  const frames: Shown[] = [];
  let malformed: string | undefined;
  for (const piece of pieces) {
    const parsed = parser.parse(piece);
    frames.push(...parsed.frames.map(show));
    malformed = parsed.malformed;
  }
  return { frames, malformed, isInFrame: parser.isInFrame };
}

const bytesOf = (text: string): Buffer => Buffer.from(text, "latin1");

describe("a frame", () => {
  it.each<[string, string, readonly Shown[]]>([
    ["without headers and body", "SEND\n\n\0", [["SEND", {}, ""]]],
    ["with CRLF", "SEND\r\na:b\r\n\r\nx\0", [["SEND", { a: "b" }, "x"]]],
    ["with LF and CRLF mixed", "SEND\na:b\r\nc:d\n\r\nx\0", [["SEND", { a: "b", c: "d" }, "x"]]],
    [
      "with NUL inside its body, and content-length",
      "SEND\ncontent-length:3\n\na\0b\0",
      [["SEND", { "content-length": "3" }, "a\0b"]],
    ],
    ["without content-length ends at the first NUL", "SEND\n\na\0", [["SEND", {}, "a"]]],
    [
      "with an empty body, and content-length",
      "SEND\ncontent-length:0\n\n\0",
      [["SEND", { "content-length": "0" }, ""]],
    ],
    ["with a header twice keeps the first", "SEND\na:1\na:2\n\n\0", [["SEND", { a: "1" }, ""]]],
    ["with an empty header value", "SEND\na:\n\n\0", [["SEND", { a: "" }, ""]]],
    ["with blanks in a header keeps them", "SEND\na: b \n\n\0", [["SEND", { a: " b " }, ""]]],
    [
      "with escapes in name and value",
      "SEND\na\\cb:\\n\\r\\\\\\c\n\n\0",
      [["SEND", { "a:b": "\n\r\\:" }, ""]],
    ],
    ["with an escaped backslash before an n", "SEND\na:\\\\n\n\n\0", [["SEND", { a: "\\n" }, ""]]],
    ["with Java's unescaped colon", "SEND\na:b:c\n\n\0", [["SEND", { a: "b:c" }, ""]]],
    ["with Java's unescaped backslash", "SEND\na:b\\x\\\n\n\0", [["SEND", { a: "b\\x\\" }, ""]]],
    ["CONNECT has no escapes", "CONNECT\na:\\n\n\n\0", [["CONNECT", { a: "\\n" }, ""]]],
    ["after heart-beats", "\n\n\r\nSEND\n\n\0", [["SEND", {}, ""]]],
    [
      "and another with heart-beats between",
      "SEND\n\n\0\n\r\n\nACK\n\n\0\n",
      [
        ["SEND", {}, ""],
        ["ACK", {}, ""],
      ],
    ],
    ["of any command", "NONSENSE\n\n\0", [["NONSENSE", {}, ""]]],
    ["with UTF-8", "SEND\na:\xc3\xa4\n\n\0", [["SEND", { a: "ä" }, ""]]],
  ])("%s, at any split", (_what, text, frames) => {
    const bytes = bytesOf(text);
    const whole = { frames, malformed: undefined, isInFrame: false };
    expect(parse([bytes])).toEqual(whole);
    expect(parse([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
    for (let cut = 1; cut < bytes.length; cut += 1) {
      expect(parse([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(whole);
    }
  });

  it.each<[string, string, RegExp]>([
    ["a line too long", `SEND\na:${"x".repeat(40)}\n\n\0`, /line of more than 40 bytes/],
    ["a command without end", "S".repeat(100), /line of more than 40 bytes/],
    ["too many headers", "SEND\na:1\nb:1\nc:1\nd:1\ne:1\n\n\0", /more than 4 headers/],
    ["too many of one header", "SEND\na:1\na:1\na:1\na:1\na:1\n\n\0", /more than 4 headers/],
    ["a body announced too long", "SEND\ncontent-length:31\n\n", /body of more than 30 bytes/],
    ["a body too long", `SEND\n\n${"x".repeat(31)}`, /body of more than 30 bytes/],
    ["a body longer than announced", "SEND\ncontent-length:1\n\nab\0", /no NUL/],
    ["a content-length that is none", "SEND\ncontent-length:-1\n\n\0", /no number/],
    ["a hexadecimal content-length", "SEND\ncontent-length:0x1\n\na\0", /no number/],
    ["a header without colon", "SEND\nabc\n\n\0", /without name or colon/],
    ["a header without name", "SEND\n:abc\n\n\0", /without name or colon/],
    ["a header that is no UTF-8", "SEND\na:\xff\n\n\0", /no UTF-8/],
  ])("with %s is malformed at any split, and nothing after it is read", (_what, text, why) => {
    const bytes = bytesOf(`ACK\n\n\0${text}`);
    const whole = parse([bytes, bytesOf("\0\n\0ACK\n\n\0")], limits);
    expect(whole.frames).toEqual([["ACK", {}, ""]]);
    expect(whole.malformed).toMatch(why);
    expect(
      parse(
        [...bytes].map((byte) => Uint8Array.of(byte)),
        limits,
      ),
    ).toEqual(whole);
    for (let cut = 1; cut < bytes.length; cut += 1) {
      expect(parse([bytes.subarray(0, cut), bytes.subarray(cut)], limits)).toEqual(whole);
    }
  });

  it("just within its bounds is read", () => {
    const text = `SEND\na:${"x".repeat(38)}\r\nb:1\nc:1\ncontent-length:30\n\n${"y".repeat(30)}\0`;
    expect(parse([bytesOf(text)], limits).frames).toHaveLength(1);
  });

  it("that has begun is known to have begun", () => {
    expect(parse([bytesOf("SEND\n\n\0\n")]).isInFrame).toBe(false);
    expect(parse([bytesOf("SEND\n\n\0\nS")]).isInFrame).toBe(true);
    expect(parse([bytesOf("SEND\ncontent-length:2\n\nab")]).isInFrame).toBe(true);
  });
});

const header = fc.tuple(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const anyFrame = fc.record({
  command: fc.constantFrom("SEND", "MESSAGE", "SUBSCRIBE", "X"),
  headers: fc
    .uniqueArray(header, { maxLength: 8, selector: ([name]) => name })
    .filter((all) => all.every(([name]) => name !== "content-length")),
  body: fc.uint8Array({ maxLength: 600 }),
});

/** The bytes cut at these places. */
function cutAt(bytes: Uint8Array, places: readonly number[]): readonly Uint8Array[] {
  const sorted = places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b);
  return [...sorted, bytes.length].map((end, index) =>
    bytes.subarray(index === 0 ? 0 : sorted[index - 1], end),
  );
}

describe("any frames", () => {
  it("are read back as they were written, at any split, with heart-beats between", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyFrame, fc.nat(3)), { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (frames, places) => {
          const bytes = Buffer.concat(
            frames.flatMap(([frame, beats]) => [
              Buffer.from("\n".repeat(beats)),
              serializeFrame(frame),
            ]),
          );
          const expected = frames.map(([{ command, headers, body }]) =>
            show({
              command,
              headers: new Map([...headers, ["content-length", String(body.length)]]),
              body,
            }),
          );
          expect(parse(cutAt(bytes, places)).frames).toEqual(expected);
        },
      ),
    );
  });

  it("or any bytes at all are the same at any split, and never throw", () => {
    const noise = fc.array(
      fc.constantFrom("SEND", "\n", "\r", "\0", ":", "\\", "content-length", "1", "x", "\xc3", "ä"),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(noise, fc.array(fc.nat(), { maxLength: 12 }), (parts, places) => {
        const bytes = Buffer.from(parts.join(""), "latin1");
        expect(parse(cutAt(bytes, places), limits)).toEqual(parse([bytes], limits));
      }),
    );
  });

  it("of a megabyte that arrive byte by byte cost no more than linear time", () => {
    const body = Buffer.alloc(1_000_000, 0x61);
    const parser = new FrameParser({ ...roomy, bodyBytes: body.length });
    const bytes = serializeFrame({ command: "SEND", headers: [], body });
    let length = 0;
    for (const byte of bytes) {
      for (const frame of parser.parse(Uint8Array.of(byte)).frames) length += frame.body.length;
    }
    expect(length).toBe(body.length);
  });
});

describe("a frame that is written", () => {
  it("always has content-length, and escapes what is the client's", () => {
    const headers = [["subscription", "a:b\\c\n\r"]] as const;
    expect(serializeFrame({ command: "MESSAGE", headers, body: "ä" }).toString()).toBe(
      "MESSAGE\nsubscription:a\\cb\\\\c\\n\\r\ncontent-length:2\n\nä\0",
    );
    expect(serializeFrame({ command: "RECEIPT", headers: [] }).toString()).toBe(
      "RECEIPT\ncontent-length:0\n\n\0",
    );
  });

  it("as CONNECTED has nothing to escape", () => {
    const headers = [["version", "1:2"]] as const;
    expect(() => serializeFrame({ command: "CONNECTED", headers })).toThrow(/cannot be escaped/);
  });
});
