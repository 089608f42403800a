/**
 * WebSocket through the real listener: a valid handshake, then frames that are valid, lie about
 * their length, are unmasked, use reserved bits, are fragments, close, or are not UTF-8. What comes
 * back must be whole server frames, and the connection must end when the client's half does.
 */

import fc from "fast-check";
import { cutInto, cuts, mutated } from "../bytes.ts";
import { startEdge } from "../edge.ts";
import { claimResponse } from "../replies.ts";
import { messageBytes } from "../requests.ts";
import { claim, show, type Target } from "../target.ts";
import { type Ending, exchange } from "../wire.ts";

interface Talk {
  readonly bytes: Uint8Array;
  readonly places: readonly number[];
  readonly ending: Ending;
}

const HANDSHAKE = Buffer.from(
  "GET /jsonrpc HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
);

interface Sketch {
  readonly first: number;
  readonly payload: Uint8Array;
  readonly isMasked: boolean;
  readonly form: "shortest" | "16 bits" | "64 bits" | "too long" | "too short" | "huge";
  readonly mask: Uint8Array;
}

const FIN = 0x80;
const TEXT = 1;
const CLOSE = 8;

const closePayload = fc
  .tuple(
    fc.constantFrom(0, 999, 1000, 1001, 1004, 1005, 1006, 1007, 1015, 2999, 3000, 4999, 65_535),
    fc.oneof(fc.constant(Buffer.from("bye")), fc.uint8Array({ maxLength: 124 })),
  )
  .map(([code, reason]) => Buffer.concat([Buffer.of(code >> 8, code & 0xff), reason]));

const payload = fc.oneof(
  { weight: 6, arbitrary: messageBytes },
  {
    weight: 2,
    arbitrary: fc.constant(Buffer.from('{"jsonrpc":"2.0","method":"Host.ping2","id":1}')),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 130, size: "max" }) },
  { weight: 1, arbitrary: closePayload },
);

const sketch: fc.Arbitrary<Sketch> = fc.record({
  first: fc.oneof(
    { weight: 8, arbitrary: fc.constant(FIN | TEXT) },
    {
      weight: 3,
      arbitrary: fc.constantFrom(TEXT, 0, FIN, FIN | 2, FIN | CLOSE, FIN | 9, FIN | 10),
    },
    { weight: 1, arbitrary: fc.nat({ max: 255 }) },
  ),
  payload,
  isMasked: fc.nat({ max: 15 }).map((n) => n > 0),
  form: fc.oneof(
    { weight: 12, arbitrary: fc.constant("shortest" as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom("16 bits", "64 bits", "too long", "too short", "huge" as const),
    },
  ),
  mask: fc.uint8Array({ minLength: 4, maxLength: 4 }),
});

function lengthBytes(length: number, form: Sketch["form"]): Buffer {
  switch (form) {
    case "shortest":
      if (length < 126) return Buffer.of(length);
      return lengthBytes(length, length < 65_536 ? "16 bits" : "64 bits");
    case "16 bits":
      return Buffer.of(126, (length >> 8) & 0xff, length & 0xff);
    case "64 bits": {
      const bytes = Buffer.alloc(9, 0);
      bytes[0] = 127;
      bytes.writeBigUInt64BE(BigInt(length), 1);
      return bytes;
    }
    case "too long":
      return lengthBytes(length + 5, "shortest");
    case "too short":
      return lengthBytes(Math.max(0, length - 5), "shortest");
    case "huge":
      return Buffer.of(127, length & 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
  }
}

function bytesOf({ first, payload: content, isMasked, form, mask }: Sketch): Buffer {
  const length = lengthBytes(content.length, form);
  length[0] = (length[0] ?? 0) | (isMasked ? 0x80 : 0);
  if (!isMasked) return Buffer.concat([Buffer.of(first), length, content]);
  const masked = Uint8Array.from(content, (byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([Buffer.of(first), length, mask, masked]);
}

const frames = fc
  .array(sketch, { minLength: 1, maxLength: 8 })
  .map((all) => Buffer.concat(all.map(bytesOf)));

const input: fc.Arbitrary<Talk> = fc.record({
  bytes: mutated(frames),
  places: cuts,
  ending: fc.constantFrom("half", "half", "half", "drop", "vanish"),
});

const OWN_CODES = new Set([1000, 1001, 1002, 1003, 1007, 1009, 2999, 3000, 4999]);

/** **Fails**: Error. */
function claimFrames(all: Buffer, isWhole: boolean): void {
  let rest = all;
  while (rest.length > 0) {
    const [first = 0, second = 0] = rest;
    claim((second & 0x80) === 0, "a masked frame");
    const extra = { 126: 2, 127: 8 }[second] ?? 0;
    if (rest.length < 2 + extra) {
      claim(!isWhole, `an incomplete frame: ${show(rest)}`);
      return;
    }
    const length =
      extra === 0 ? second : extra === 2 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    const content = rest.subarray(2 + extra, 2 + extra + length);
    if (content.length < length) {
      claim(!isWhole, `an incomplete frame: ${show(rest)}`);
      return;
    }
    rest = rest.subarray(2 + extra + length);
    claimFrame(first, content);
    claim(first !== (FIN | CLOSE) || rest.length === 0, `after the close: ${show(rest)}`);
  }
}

function claimFrame(first: number, content: Buffer): void {
  claim([0x81, 0x88, 0x89, 0x8a].includes(first), `a frame with first byte ${first}`);
  if (first === (FIN | TEXT)) {
    const value: unknown = JSON.parse(content.toString());
    const replies: readonly unknown[] = Array.isArray(value) ? value : [value];
    for (const each of replies) claimResponse(each);
  }
  if (first === (FIN | CLOSE) && content.length > 0) {
    const code = content.readUInt16BE(0);
    claim(OWN_CODES.has(code) || code < 5000, `close code ${code}`);
  }
}

export const websocket: Target<Talk> = {
  name: "websocket",
  input,
  batch: 32,
  share: 5,
  start: async () => {
    const edge = await startEdge();
    return {
      run: async ({ bytes, places, ending }) => {
        const pieces = cutInto(bytes, places);
        const script = { opening: HANDSHAKE, pieces, ending };
        const reply = await exchange({ path: edge.path }, script);
        const head = reply.indexOf("\r\n\r\n");
        claim(head < 0 || reply.toString("latin1").startsWith("HTTP/1.1 101 "), show(reply));
        if (head >= 0) claimFrames(reply.subarray(head + 4), ending === "half");
      },
      check: edge.check,
      stop: edge.stop,
    };
  },
};
