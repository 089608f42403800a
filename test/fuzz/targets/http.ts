/**
 * HTTP through the real listener: successive requests on a connection, with heads and bodies that
 * lie, are cut off, duplicated or mutated. What comes back must be whole HTTP replies with statuses
 * that this server uses, and the connection must end when the client's half does.
 */

import fc from "fast-check";
import { cutInto, cuts, mutated, rawBytes } from "../bytes.ts";
import { startEdge } from "../edge.ts";
import { claimResponse } from "../replies.ts";
import { messageBytes } from "../requests.ts";
import { claim, show, type Target } from "../target.ts";
import { type Ending, exchange } from "../wire.ts";
import { claimFrames } from "./stomp-session.ts";

interface Talk {
  readonly bytes: Uint8Array;
  readonly places: readonly number[];
  readonly ending: Ending;
  readonly door: "unix" | "tcp";
}

const PING = Buffer.from('{"jsonrpc":"2.0","method":"Host.ping2","id":1}');

const START_LINES = [
  "GET / HTTP/1.1",
  "OPTIONS * HTTP/1.1",
  "HEAD /jsonrpc HTTP/1.1",
  "CONNECT host:1 HTTP/1.1",
  "CONNECT /jsonrpc HTTP/1.1",
  "SUBSCRIBE /jsonrpc HTTP/1.1",
  "POST /jsonrpc HTTP/1.0",
  "POST /jsonrpc HTTP/2.0",
  "POST /jsonrpc",
  "POST http://h/jsonrpc HTTP/1.1",
  "POST //jsonrpc HTTP/1.1",
  "POST /jsonrpc?a=b HTTP/1.1",
  `POST /${"a".repeat(20_000)} HTTP/1.1`,
  "POST /jsonrpc\0 HTTP/1.1",
  "PRI * HTTP/2.0",
];

const HEADERS = [
  "Host: other",
  "Host:",
  "Content-Length: 0",
  "Content-Length: 5",
  "Content-Length: 5, 5",
  "Content-Length: -1",
  "Content-Length: +5",
  "Content-Length: 0x5",
  "Content-Length: 1048577",
  "Content-Length: 99999999999999999999",
  "Content-Length : 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding:\tchunked",
  "Content-Encoding: gzip",
  "Content-Type: text/plain",
  "Content-Type: application/json; charset=utf-16",
  'Content-Type: application/json;charset="UTF-8"',
  "Origin: http://evil.example",
  "Origin: null",
  "Origin: http://127.0.0.1",
  "Connection: close",
  "Connection: keep-alive, Upgrade",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Upgrade: h2c",
  "Upgrade:",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  "Sec-WebSocket-Key: short",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Version: 99",
  "Sec-WebSocket-Protocol: a, , b",
  'Sec-WebSocket-Extensions: permessage-deflate; a="',
  "Expect: 100-continue",
  "Expect: 200-maybe",
  "Trailer: x",
  "TE: trailers",
  " folded",
  "No-Colon",
  "X: a\rb",
  "X: a\nY: b",
  "X\0: a",
  `X: ${"a".repeat(17_000)}`,
  "__proto__: a",
];

type Body = { readonly bytes: Uint8Array; readonly framing: "length" | "chunked" | "none" };

const chunkLine = fc.constantFrom("", ";ext=1", ';x="', ";".repeat(300), " ", "g");

function chunked(bytes: Uint8Array, extension: string, last: string): Buffer {
  const half = Math.ceil(bytes.length / 2);
  const chunks = [bytes.subarray(0, half), bytes.subarray(half)].filter(({ length }) => length > 0);
  return Buffer.concat([
    ...chunks.flatMap((each) => [
      Buffer.from(`${each.length.toString(16)}${extension}\r\n`, "latin1"),
      each,
      Buffer.from("\r\n"),
    ]),
    Buffer.from(last, "latin1"),
  ]);
}

const content = fc.oneof(
  { weight: 4, arbitrary: messageBytes },
  { weight: 4, arbitrary: fc.constant(PING) },
  { weight: 1, arbitrary: rawBytes },
);
const body: fc.Arbitrary<Body> = fc.oneof(
  {
    weight: 6,
    arbitrary: content.map((bytes) => ({ bytes, framing: "length" as const })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        content,
        chunkLine,
        fc.constantFrom("0\r\n\r\n", "0\r\nX: y\r\n\r\n", "", "00000000000000000\r\n", "-1\r\n"),
      )
      .map(([bytes, extension, last]) => ({
        bytes: chunked(bytes, extension, last),
        framing: "chunked" as const,
      })),
  },
  { weight: 1, arbitrary: content.map((bytes) => ({ bytes, framing: "none" as const })) },
);

function requestBytes(start: string, headers: readonly string[], { bytes, framing }: Body): Buffer {
  const framingHeader = {
    length: [`Content-Length: ${bytes.length}`],
    chunked: ["Transfer-Encoding: chunked"],
    none: [],
  };
  const lines = [start, "Host: h", "Content-Type: application/json", ...framingHeader[framing]];
  const head = [...lines, ...headers, "", ""].join("\r\n");
  return Buffer.concat([Buffer.from(head, "latin1"), bytes]);
}

const request = fc
  .tuple(
    fc.oneof(
      { weight: 8, arbitrary: fc.constant("POST /jsonrpc HTTP/1.1") },
      { weight: 2, arbitrary: fc.constantFrom(...START_LINES) },
    ),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 5, arbitrary: fc.array(fc.constantFrom(...HEADERS), { maxLength: 3 }) },
    ),
    body,
  )
  .map((parts) => requestBytes(...parts));

const upgrade = fc
  .array(fc.constantFrom(...HEADERS), { maxLength: 2 })
  .map((headers) =>
    requestBytes(
      "GET /jsonrpc HTTP/1.1",
      [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        ...headers,
      ],
      { bytes: Buffer.alloc(0), framing: "none" },
    ),
  );

const requests = fc
  .array(
    fc.oneof(
      { weight: 12, arbitrary: request },
      { weight: 1, arbitrary: upgrade },
      { weight: 1, arbitrary: rawBytes },
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((all) => Buffer.concat(all));

const input: fc.Arbitrary<Talk> = fc.record({
  bytes: mutated(requests),
  places: cuts,
  ending: fc.constantFrom("half", "half", "half", "half", "drop", "vanish"),
  // One in fifty, because used ports stay occupied for a minute.
  door: fc.nat({ max: 49 }).map((n) => (n === 0 ? "tcp" : "unix")),
});

const STATUSES = new Set([100, 101, 200, 204, 400, 403, 404, 405, 408, 413, 415, 417, 426, 431]);

/** Checks a sequence of replies. **Fails**: Error. `isWhole`: the client has read everything. */
export function claimReplies(all: Buffer, isWhole: boolean): void {
  let rest = all;
  while (rest.length > 0) {
    const text = rest.toString("latin1");
    const match = /^HTTP\/1\.1 (\d{3}) [\w -]*\r\n((?:[\w-]+: [^\r\n\0]*\r\n)*)\r\n/.exec(text);
    if (match === null) {
      claim(!isWhole && !text.includes("\r\n\r\n"), `not HTTP: ${show(rest)}`);
      return;
    }
    const [head = "", status = "", headers = ""] = match;
    claim(STATUSES.has(Number(status)), `status ${status}: ${show(rest)}`);
    rest = rest.subarray(head.length);
    if (status === "101") return;
    const length = Number(/^content-length: (\d+)\r$/im.exec(headers)?.[1] ?? 0);
    // A reply to HEAD has the length of a body that does not follow.
    const isLast = /^connection: close\r$/im.test(headers);
    if (isLast && rest.length === 0) return;
    if (/^transfer-encoding: chunked\r$/im.test(headers)) {
      rest = rest.subarray(rest.indexOf("0\r\n\r\n") + 5);
      continue;
    }
    if (rest.length < length) {
      claim(!isWhole, `cut: ${show(head + rest.toString("latin1"))}`);
      return;
    }
    const content = rest.subarray(0, length).toString();
    if (status === "200") claimContent(content);
    rest = rest.subarray(length);
    // Requests and garbage received by then may be answered after it; the client has stopped
    // reading.
    if (isLast) return;
  }
}

function claimContent(text: string): void {
  const value: unknown = JSON.parse(text);
  const replies: readonly unknown[] = Array.isArray(value) ? value : [value];
  for (const each of replies) claimResponse(each);
}

export const http: Target<Talk> = {
  name: "http",
  input,
  batch: 32,
  share: 7,
  start: async () => {
    const edge = await startEdge();
    return {
      run: async ({ bytes, places, ending, door }) => {
        const to = door === "unix" ? { path: edge.path } : { host: "127.0.0.1", port: edge.port };
        const reply = await exchange(to, { pieces: cutInto(bytes, places), ending });
        const isHttp = reply.subarray(0, 4).equals(Buffer.from("HTTP"));
        if (isHttp) claimReplies(reply, ending === "half");
        // A mutation may have turned it into STOMP.
        else claimFrames(reply, ending === "half");
      },
      check: edge.check,
      stop: edge.stop,
    };
  },
};
