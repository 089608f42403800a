/**
 * The two stock clients, byte by byte: what they send, in their order of headers, and how they read
 * what comes back, with all that kills them (src/docs/stomp.md). Written from the facts, none of
 * their code; the order of Java's headers is that of its HashMap, as Java 17 prints it.
 */

import { randomUUID } from "node:crypto";

export interface Read {
  readonly command: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One stock client: what it writes, and how it takes a frame of the server (it throws where that
 * client would break or wait in vain). */
export interface Stock {
  readonly name: "Python" | "Java";
  /** Everything before the first request. */
  readonly hello: () => string;
  readonly request: (body: string, flowId?: string) => string;
  /** A call with a new id, as the client wraps it. */
  readonly call: (
    method: string,
    params?: object,
  ) => { readonly id: string; readonly body: string };
  readonly replyQueue: string;
  readonly replyId: string;
  readonly eventId: string;
  readonly read: (raw: string) => Read;
  /** What it sends when it is closed. */
  readonly goodbye: () => string;
}

const frame = (command: string, headers: readonly string[], body = ""): string =>
  `${command}\n${headers.map((each) => `${each}\n`).join("")}\n${body}\0`;

const bytes = (text: string): number => Buffer.byteLength(text);

export function python(): Stock {
  const [replyQueue, replyId, eventId] = [randomUUID(), randomUUID(), randomUUID()];
  return {
    name: "Python",
    replyQueue,
    replyId,
    eventId,
    hello: () =>
      frame("CONNECT", ["accept-version:1.2", "heart-beat:0,24000"]) +
      frame("SUBSCRIBE", [`destination:${replyQueue}`, "ack:auto", `id:${replyId}`]) +
      frame("SUBSCRIBE", ["destination:jms.queue.events", "ack:auto", `id:${eventId}`]),
    request: (body, flowId) =>
      frame(
        "SEND",
        [
          "destination:jms.topic.vdsm_requests",
          "content-type:application/json",
          `reply-to:${replyQueue}`,
          ...(flowId === undefined ? [] : [`ovirtCorrelationId:${escaped(flowId)}`]),
          `content-length:${bytes(body)}`,
        ],
        body,
      ),
    call: (method, params = {}) => {
      const id = randomUUID();
      return { id, body: JSON.stringify([{ method, params, jsonrpc: "2.0", id }]) };
    },
    read: (raw) => {
      const read = readStrictly(raw, unescaped);
      if (read.command === "ERROR") throw new Error("raises inside vdsm-client's reactor");
      if (read.command !== "MESSAGE") return read;
      if (![replyId, eventId].some((each) => each === read.headers["subscription"])) {
        throw new Error("ignored by vdsm-client, which then times out");
      }
      return read;
    },
    goodbye: () => "",
  };
}

export function java(): Stock {
  const [replyId, eventId] = [randomUUID(), randomUUID()];
  const replyQueue = "jms.topic.vdsm_responses";
  const subscribe = (destination: string, id: string): string =>
    frame("SUBSCRIBE", [`destination:${destination}`, "ack:auto", `id:${id}`]);
  return {
    name: "Java",
    replyQueue,
    replyId,
    eventId,
    hello: () =>
      frame("CONNECT", ["accept-version:1.2", "heart-beat:0,15000", "host:null"]) +
      subscribe("jms.queue.events", eventId) +
      subscribe(replyQueue, replyId),
    request: (body, flowId) =>
      frame(
        "SEND",
        [
          ...(flowId === undefined ? [] : [`ovirtCorrelationId:${flowId}`]),
          "destination:jms.topic.vdsm_requests",
          `reply-to:${replyQueue}`,
          `content-length:${bytes(body)}`,
        ],
        body,
      ),
    call: (method, params = {}) => {
      const id = randomUUID();
      return { id, body: JSON.stringify({ jsonrpc: "2.0", method, params, id }) };
    },
    read: (raw) => {
      const read = readStrictly(raw, (text) => text);
      const head = raw.slice(0, raw.indexOf("\n\n") + 2);
      if (bytes(head) > 1024) throw new Error("headers beyond Java's first read");
      if (head.split("\n").length - 1 < 3) throw new Error("taken for a heart-beat");
      if (/[\\:]/.test(Object.values(read.headers).join(""))) throw new Error("not unescaped");
      if (read.headers["content-length"] === undefined) throw new Error("no content-length");
      if (!["CONNECTED", "MESSAGE", "RECEIPT", "ERROR"].includes(read.command)) {
        throw new Error("disconnects");
      }
      return read;
    },
    goodbye: () =>
      frame("UNSUBSCRIBE", [`id:${randomUUID()}`]) +
      frame("UNSUBSCRIBE", [`id:${eventId}`]) +
      frame("UNSUBSCRIBE", [`id:${replyId}`]) +
      frame("DISCONNECT", ["receipt:77"]),
  };
}

export const stockClients = [
  ["Python", python],
  ["Java", java],
] as const;

function readStrictly(raw: string, decode: (text: string) => string): Read {
  const end = raw.indexOf("\n\n");
  const [command = "", ...lines] = raw.slice(0, end).split("\n");
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [decode(line.slice(0, colon)), decode(line.slice(colon + 1))];
    }),
  );
  const body = raw.slice(end + 2, -1);
  if (raw.at(-1) !== "\0" || bytes(body) !== Number(headers["content-length"])) {
    throw new Error(`no frame: ${JSON.stringify(raw)}`);
  }
  return { command, headers, body };
}

const escapes = [
  ["\\", "\\\\"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  [":", "\\c"],
] as const;

function escaped(text: string): string {
  return escapes.reduce((all, [plain, code]) => all.replaceAll(plain, code), text);
}

function unescaped(text: string): string {
  return text.replace(/\\./g, (code) => {
    const known = escapes.find(([, each]) => each === code);
    if (known === undefined) throw new Error(`vdsm-client knows no ${code}`);
    return known[0];
  });
}
