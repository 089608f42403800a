/** What fuzzing has found, each reduced to the smallest input that shows it. */

import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { ConfigError, parseConfig } from "../../src/config/config.ts";
import {
  JOURNAL_FORMAT,
  parseSegment,
  READABLE_SINCE,
  type Segment,
} from "../../src/journal/segments.ts";
import { explain } from "../../src/monitor/recovery/explain.ts";
import { replay } from "../../src/monitor/recovery/replay.ts";
import { PeerClient } from "../../src/peer/peer-client.ts";
import { FrameParser, serializeFrame } from "../../src/stomp/index.ts";
import type { Client } from "../../src/rpc/client.ts";
import { EventRing } from "../../src/rpc/event-ring.ts";
import { startDispatcher, startEdge } from "./edge.ts";
import { claimReplies } from "./targets/http.ts";
import { acceptedRecord, BOOT, HOST } from "./targets/journal-lines.ts";
import { VM_IDS } from "./requests.ts";
import { exchange } from "./wire.ts";

const DEPTH = 20_000;
const deep = `${'{"a":'.repeat(DEPTH)}0${"}".repeat(DEPTH)}`;

describe("JSON-RPC", () => {
  it.each([
    ["split by us", `"${"😀".repeat(60)}x"`, `"x${"😀".repeat(60)}"`],
    ["sent that way", '"\\ud800"', '"\\udc00"'],
  ])("a lone surrogate, %s, is in no reply", async (_what, ...methods) => {
    const { dispatcher } = startDispatcher();
    const client: Client = {
      address: "unix",
      name: "uid 0",
      source: "unix",
      role: () => "control",
    };
    for (const method of methods) {
      const message = `{"jsonrpc":"2.0","method":${method},"id":1}`;
      const { error } = JSON.parse((await dispatcher.receive(message, client)) ?? "");
      expect(error.code).toBe(-32601);
      expect(error.message).not.toMatch(/\p{Surrogate}/u);
    }
  });

  it("a request that may be resent but is nested too deeply to be remembered is answered", async () => {
    const { dispatcher, journal } = startDispatcher();
    const who = { address: "unix", name: "uid 0", source: "unix", resendsAs: "a" };
    const client: Client = { ...who, role: () => "control" };
    const message = `{"jsonrpc":"2.0","method":"Host.ping2","params":${deep},"id":"${VM_IDS[0]}"}`;
    const reply = JSON.parse((await dispatcher.receive(message, client)) ?? "");
    expect(reply).toEqual({ jsonrpc: "2.0", id: VM_IDS[0], result: true });
    journal.claimClean();
  });
});

describe("HTTP", () => {
  it("100 Continue does not come between head and body of a delayed reply", async () => {
    const edge = await startEdge();
    const body = '{"jsonrpc":"2.0","method":"Host.ping2","id":1}';
    const head = `POST /jsonrpc HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
    const text = `${head}\r\n${body}${head}Expect: 100-continue\r\n\r\n${body}`;
    const script = { pieces: [Buffer.from(text)], ending: "half" } as const;
    const reply = await exchange({ path: edge.path }, script);
    claimReplies(reply, true);
    expect(reply.toString().match(/HTTP\/1.1 200 OK/g)).toHaveLength(2);
    await edge.stop();
  });
});

describe("STOMP", () => {
  it.each([
    ["with a CR has the maximum length", "ABCD\r\n\n\0", undefined],
    ["without a CR is one byte too long", "ABCDE\n\n\0", "a line of more than 4 bytes"],
  ])("a line %s", (_what, text, malformed) => {
    const parser = new FrameParser({ lineBytes: 4, headerCount: 1, bodyBytes: 1 });
    expect(parser.parse(Buffer.from(text)).malformed).toBe(malformed);
  });
});

describe("WebSocket", () => {
  it("a handshake sent before the previous request was answered is not accepted", async () => {
    const edge = await startEdge();
    const body = `{"jsonrpc":"2.0","method":"VM.getStats","params":{"vmID":"${VM_IDS[3]}"},"id":1}`;
    const post = `POST /jsonrpc HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const upgrade =
      "GET /jsonrpc HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    const script = { pieces: [Buffer.from(post + upgrade)], ending: "half" } as const;
    const reply = await exchange({ path: edge.path }, script);
    expect(reply.toString()).not.toContain("101 Switching");
    await edge.check();
    await edge.stop();
  });
});

describe("the configuration is rejected in one line", () => {
  it.each([
    ["a section name with a line break", '{"a\\nb":1}'],
    ["a key with a cursor control sequence", '{"vars":{"\\u001b[2J":1}}'],
    ["a key of a megabyte", `{"vars":{"${"x".repeat(1_000_000)}":1}}`],
    ["a value nested deeper than the stack allows", `{"vars":{"x":${deep}}}`],
    ["a section nested deeper than the stack allows", `{"x":${deep}}`],
  ])("%s", (_what, text) => {
    const read = (): unknown => parseConfig(JSON.parse(text));
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(/^[^\p{Cc}]{1,1001}$/u);
  });
});

describe("a destination's answer", () => {
  it.each([
    ["a code that is not a number", '{"code":{"valueOf":1,"toString":1},"message":"m"}'],
    ["a message that is not a string", '{"code":82,"message":{"valueOf":1,"toString":1}}'],
  ])("%s: the call does not reject", async (_what, error) => {
    const server = createServer((socket) => {
      const parser = new FrameParser({ lineBytes: 9000, headerCount: 9, bodyBytes: 9000 });
      socket.on("error", () => undefined);
      socket.on("data", (chunk) => {
        for (const { command, body } of parser.parse(chunk).frames) {
          if (command !== "SEND") continue;
          const { id } = JSON.parse(Buffer.from(body).toString());
          const text = `{"jsonrpc":"2.0","id":"${id}","error":${error}}`;
          socket.end(serializeFrame({ command: "MESSAGE", headers: [], body: text }));
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const at = server.address();
    const port = typeof at === "object" && at !== null ? at.port : 0;
    const client = new PeerClient(
      null,
      () => 0,
      () => 1000,
    );
    const answer = await client.ask({ host: "127.0.0.1", port }, "Host.getStats", {}, 5000);
    expect(["error", "silent"]).toContain(answer.kind);
    client.close();
    server.close();
  });
});

describe("a journal", () => {
  const header = JSON.stringify({
    format: JOURNAL_FORMAT,
    readableSince: READABLE_SINCE,
    host: HOST,
    bootId: BOOT,
    epoch: "e",
    nextSeq: 1,
    atMs: 1,
    wallMs: 1,
  });
  const owner = { host: HOST, bootId: BOOT };
  const segments = (...lines: readonly string[]): readonly Segment[] => {
    const text = `${[header, ...lines].join("\n")}\n`;
    return [parseSegment({ number: 1, path: "j", bytes: text.length }, text, owner)];
  };
  const eventLine = (seq: number, value: string): string =>
    `{"k":"events","wallMs":1,"e":[{"seq":${seq},"method":"m","params":{"v":${value}}}]}`;

  it("an event number too large to count from is not continued", () => {
    const { nextSeq } = replay(segments(eventLine(Number.MAX_SAFE_INTEGER, "1")), BOOT);
    expect(nextSeq).toBe(1);
  });

  it("an event nested deeper than the stack allows does not prevent the start", () => {
    const { epoch, nextSeq, events } = replay(segments(eventLine(5, deep)), BOOT);
    const ring = new EventRing();
    ring.restore({ epoch, nextSeq, events });
    expect(ring.read(0)).toBeDefined();
  });

  it("a time that is not a date does not break the explanation", () => {
    const [vmId = ""] = VM_IDS;
    const accepted = acceptedRecord("m1", vmId, true);
    const decision = '{"rule":"stop","what":"x","numbers":{}}';
    const step = `{"k":"step","id":"m1","atMs":1,"wallMs":1e300,"d":{},"x":[${decision}]}`;
    const question = { vmId, migrationId: null };
    expect(explain(segments(accepted, step), question, "ok")).not.toBeNull();
    const odd = accepted.replace(/"acceptedAtWallMs":\d+/, '"acceptedAtWallMs":1e300');
    expect(explain(segments(odd), question, "ok")).toBeNull();
  });
});
