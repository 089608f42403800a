/**
 * The STOMP parser alone: however the bytes are split, the frames and the verdict are the same;
 * bounds hold; and what the serializer writes is read back unchanged.
 */

import fc from "fast-check";
import { type Frame, FrameParser, serializeFrame } from "../../../src/stomp/index.ts";
import { cutInto, cuts, mutated, rawBytes } from "../bytes.ts";
import { anyString } from "../json-text.ts";
import { claim, pure, show } from "../target.ts";
import { bytesOf, sketch } from "./stomp-frames.ts";

const limits = { lineBytes: 300, headerCount: 6, bodyBytes: 4000 };
const roomy = { lineBytes: 10_000, headerCount: 32, bodyBytes: 100_000 };

interface Read {
  readonly frames: readonly Frame[];
  readonly malformed: string | undefined;
  readonly isInFrame: boolean;
}

function read(pieces: readonly Uint8Array[], bounds = limits): Read {
  const parser = new FrameParser(bounds);
  const frames: Frame[] = [];
  let malformed: string | undefined;
  for (const piece of pieces) {
    // When Node reuses a buffer, that must not change what was parsed from it.
    const lent = Uint8Array.from(piece);
    const parsed = parser.parse(lent);
    lent.fill(0x58);
    frames.push(...parsed.frames);
    claim(malformed === undefined || parsed.frames.length === 0, "frames after the end");
    malformed = parsed.malformed;
  }
  return { frames, malformed, isInFrame: parser.isInFrame };
}

interface Stream {
  readonly bytes: Uint8Array;
  readonly places: readonly number[];
}

const stream = fc.array(sketch, { maxLength: 3 }).map((all) => Buffer.concat(all.map(bytesOf)));

export const stompParser = pure<Stream>(
  {
    name: "stomp-parser",
    input: fc.record({
      bytes: fc.oneof(
        { weight: 8, arbitrary: mutated(stream) },
        { weight: 1, arbitrary: rawBytes },
      ),
      places: cuts,
    }),
    share: 22,
  },
  ({ bytes, places }) => {
    const whole = read([bytes]);
    const cut = read(cutInto(bytes, places));
    claim(show(cut, 1e6) === show(whole, 1e6), `cut ${show(cut)}, whole ${show(whole)}`);
    const single =
      bytes.length <= 300 ? read([...bytes].map((byte) => Uint8Array.of(byte))) : whole;
    claim(show(single, 1e6) === show(whole, 1e6), `bytes ${show(single)}, whole ${show(whole)}`);
    claim(!whole.isInFrame || whole.malformed === undefined, "in a frame after the end");
    for (const { command, headers, body } of whole.frames) {
      claim(Buffer.byteLength(command) <= limits.lineBytes, "a long command");
      claim(headers.size <= limits.headerCount, "many headers");
      claim(body.length <= limits.bodyBytes, "a long body");
    }
    const why = whole.malformed;
    claim(why === undefined || /^[\w -]+$/.test(why), `a reason with a colon: ${show(why)}`);
  },
);

interface Written {
  readonly command: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  readonly places: readonly number[];
}

/** A lone surrogate cannot be encoded in UTF-8. */
const name = anyString.filter((text) => text !== "" && !/\p{Surrogate}/u.test(text));
const word = anyString.filter((text) => !/[\p{Surrogate}\r\n]/u.test(text) && text !== "");

export const stompSerializer = pure<Written>(
  {
    name: "stomp-serializer",
    input: fc.record({
      command: fc.oneof(fc.constantFrom("MESSAGE", "SEND", "ERROR"), word),
      headers: fc.array(
        fc.tuple(
          name.filter((text) => text !== "content-length"),
          fc.oneof(fc.constant(""), name),
        ),
        { maxLength: 6 },
      ),
      body: rawBytes,
      places: cuts,
    }),
    share: 8,
  },
  ({ command, headers, body, places }) => {
    const bytes = serializeFrame({ command, headers, body });
    const { frames, malformed } = read(cutInto(bytes, places), roomy);
    claim(malformed === undefined && frames.length === 1, `not read back: ${malformed}`);
    const first = new Map([...headers].toReversed());
    first.set("content-length", String(body.length));
    const [frame] = frames;
    claim(frame?.command === command, `command ${show(frame?.command)}`);
    claim(Buffer.compare(frame.body, body) === 0, "the body differs");
    claim(frame.headers.size === first.size, "more or fewer headers");
    for (const [key, expected] of first) {
      claim(frame.headers.get(key) === expected, `header ${show(key)}: ${show(expected)}`);
    }
  },
);
