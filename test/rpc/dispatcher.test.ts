/**
 * JSON-RPC 2.0 as the specification has it, and what json-rpc-2.0 by itself lets through, against a small real
 * verb table. What the dispatcher must never do, whatever comes in: reject, throw, or answer what is
 * no JSON-RPC reply.
 */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MonitorError } from "../../src/errors.ts";
import { createLog } from "../../src/logger.ts";
import { Dispatcher } from "../../src/rpc/dispatcher.ts";
import type { Handlers } from "../../src/rpc/handlers.ts";
import { defaultRpcLimits } from "../../src/rpc/limits.ts";
import { boolean, optional, text } from "../../src/wire/field.ts";
import { controlClient, verbsOf } from "./lines.ts";

const cycle: Record<string, unknown> = {};
cycle["self"] = cycle;

const outcomes: Handlers = {
  "Host.ping2": async () => await Promise.resolve(true),
  "VM.echo": async (params) => await Promise.resolve(params),
  "Bad.plain": async () => await Promise.reject(new Error("secret path /etc/shadow")),
  "Bad.thrown": () => {
    throw new TypeError("secret");
  },
  "Bad.text": async () => {
    await Promise.resolve();
    throw "secret";
  },
  "Bad.internal": async () =>
    await Promise.reject(new MonitorError("internal", "secret", { details: { secret: 1 } })),
  "Bad.bigint": async () => await Promise.resolve({ bytes: 5n }),
  "Bad.cycle": async () => await Promise.resolve(cycle),
  "Bad.nothing": async () => await Promise.resolve(undefined),
  "Bad.noVm": async () =>
    await Promise.reject(new MonitorError("noVm", "no VM v here", { details: { vmId: "v" } })),
  "Bad.details": async () =>
    await Promise.reject(new MonitorError("noVm", "no VM", { details: { bytes: 5n } })),
};

function start(limits: Partial<typeof defaultRpcLimits> = {}, more: Handlers = {}) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    level: "debug",
    stream: { write: (line) => lines.push(JSON.parse(line)) },
  });
  const handlers = { ...outcomes, ...more };
  const echo = { vmID: text(""), flag: optional("false", boolean("")) };
  const verbs = { ...verbsOf(Object.keys(handlers)), ...verbsOf(["VM.echo"], { params: echo }) };
  const all = { ...defaultRpcLimits, ...limits };
  const dispatcher = new Dispatcher(log, verbs, handlers, all);
  const client = controlClient();
  const ask = async (message: string | Uint8Array, from = client): Promise<unknown> => {
    const reply = await dispatcher.receive(message, from);
    return reply === undefined ? "no reply" : JSON.parse(reply);
  };
  return { ask, lines, client };
}

const ok = (id: unknown, result: unknown = true) => ({ jsonrpc: "2.0", id, result });
const failed = (id: unknown, code: number) => ({
  jsonrpc: "2.0",
  id,
  error: expect.objectContaining({ code, message: expect.any(String) }),
});
/** A message with these members, and one that asks for a ping. */
const said = (members: string): string => `{"jsonrpc":"2.0",${members}}`;
const pinged = (members: string): string => said(`"method":"Host.ping2",${members}`);
const ping = pinged('"id":1');
const note = said('"method":"Host.ping2"');

describe("one message", () => {
  it.each<[string, string, unknown]>([
    ["a request is answered", ping, ok(1)],
    ["an id may be text", pinged('"id":"a"'), ok("a")],
    ["an id may be empty text", pinged('"id":""'), ok("")],
    ["an id may be null: no notification", pinged('"id":null'), ok(null)],
    ["an id may be a fraction", pinged('"id":1.5'), ok(1.5)],
    ["unknown members do no harm", pinged('"id":1,"x":{}'), ok(1)],
    [
      "params by name reach the verb",
      said('"method":"VM.echo","params":{"vmId":"v","flag":"true"},"id":1'),
      ok(1, { vmID: "v", flag: true }),
    ],
    [
      "params by position do, too",
      said('"method":"VM.echo","params":["v",{"flag":false}],"id":1'),
      ok(1, { vmID: "v", flag: false }),
    ],
    ["a notification gets no reply", note, "no reply"],
    ["nor if its verb fails", said('"method":"Bad.plain"'), "no reply"],
    ["nor if there is no such verb", said('"method":"foobar"'), "no reply"],
    ["nor if its params are wrong", pinged('"params":"bar"'), "no reply"],
    [
      "a verb that is not there: -32601 with the id",
      said('"method":"foobar","id":"1"'),
      failed("1", -32601),
    ],
    ["an inherited name is no verb", said('"method":"constructor","id":1'), failed(1, -32601)],
    ["nor is __proto__", said('"method":"__proto__","id":1'), failed(1, -32601)],
    [
      "no JSON: -32700",
      '{"jsonrpc":"2.0","method":"foobar,"params":"bar","baz]',
      failed(null, -32700),
    ],
    ["nothing at all: -32700", "", failed(null, -32700)],
    ["null is JSON, but no request: -32600", "null", failed(null, -32600)],
    ["a number: -32600", "5", failed(null, -32600)],
    ["a method that is no text: -32600", said('"method":1,"params":"bar"'), failed(null, -32600)],
    ["and the id is kept", said('"method":1,"id":7'), failed(7, -32600)],
    ["no jsonrpc member: -32600 with the id", '{"method":"Host.ping2","id":7}', failed(7, -32600)],
    [
      "another version: -32600 with the id",
      '{"jsonrpc":"1.0","method":"Host.ping2","id":7}',
      failed(7, -32600),
    ],
    [
      "jsonrpc as a number: -32600",
      '{"jsonrpc":2.0,"method":"Host.ping2","id":7}',
      failed(7, -32600),
    ],
    ["an id that is an object: -32600", pinged('"id":{}'), failed(null, -32600)],
    ["an id that is a list: -32600", pinged('"id":[1]'), failed(null, -32600)],
    ["an id that is a boolean: -32600", pinged('"id":true'), failed(null, -32600)],
    [
      "an id that a number cannot hold: -32600",
      pinged('"id":9007199254740993'),
      failed(null, -32600),
    ],
    ["an id beyond all numbers: -32600", pinged('"id":1e999'), failed(null, -32600)],
    ["params as text: -32602 with the id", pinged('"params":"bar","id":1'), failed(1, -32602)],
    ["params as null: -32602 with the id", pinged('"params":null,"id":1'), failed(1, -32602)],
    ["params as a number: -32602 with the id", pinged('"params":5,"id":1'), failed(1, -32602)],
    [
      "a reply is no request: -32600 with the id",
      '{"jsonrpc":"2.0","result":true,"id":1}',
      failed(1, -32600),
    ],
  ])("%s", async (_what, message, expected) => {
    expect(await start().ask(message)).toEqual(expected);
  });

  it("may be bytes, and bytes that are no UTF-8 are no JSON", async () => {
    const { ask } = start();
    expect(await ask(Buffer.from(ping))).toEqual(ok(1));
    expect(await ask(Uint8Array.of(0x22, 0xff, 0x22))).toEqual(failed(null, -32700));
  });
});

describe("a batch", () => {
  it.each<[string, string, unknown]>([
    ["of two is answered by two", `[${ping},${ping}]`, [ok(1), ok(1)]],
    ["of one is answered by an array of one", `[${ping}]`, [ok(1)]],
    ["of none is one error", "[]", failed(null, -32600)],
    ["of null is an array of one error", "[null]", [failed(null, -32600)]],
    ["of numbers is an error for each", "[1,2,3]", [1, 2, 3].map(() => failed(null, -32600))],
    ["of an array is an error, not a batch in a batch", `[[${ping}]]`, [failed(null, -32600)]],
    ["of notifications only gets no reply", `[${note},${note}]`, "no reply"],
    ["leaves notifications out of its reply", `[${note},${ping}]`, [ok(1)]],
    ["that is broken is one error", `[${ping},{"jsonrpc"]`, failed(null, -32700)],
    [
      "one bad request leaves the others alone",
      `[${ping},{"foo":"boo"},${ping}]`,
      [ok(1), failed(null, -32600), ok(1)],
    ],
    [
      "one failing verb leaves the others alone",
      `[{"jsonrpc":"2.0","method":"Bad.bigint","id":2},${ping}]`,
      [failed(2, -32603), ok(1)],
    ],
  ])("%s", async (_what, message, expected) => {
    expect(await start().ask(message)).toEqual(expected);
  });

  it("as long as allowed is answered, longer ones are one error", async () => {
    const { ask } = start({ batchLength: 3 });
    const batch = (length: number) => `[${Array.from({ length }, () => ping).join()}]`;
    expect(await ask(batch(3))).toHaveLength(3);
    expect(await ask(batch(4))).toEqual(failed(null, -32600));
  });
});

describe("a verb that fails", () => {
  it.each([
    "Bad.plain",
    "Bad.thrown",
    "Bad.text",
    "Bad.internal",
    "Bad.bigint",
    "Bad.cycle",
    "Bad.nothing",
  ])("%s answers -32603 without a word of why, and the log has the cause", async (method) => {
    const { ask, lines } = start();
    const reply = await ask(`{"jsonrpc":"2.0","method":"${method}","id":1}`);
    const error = { code: -32603, message: "Internal error" };
    expect(reply).toEqual({ jsonrpc: "2.0", id: 1, error });
    expect(lines).toMatchObject([{ level: "error", method, client: "192.0.2.1:4242" }]);
    expect(lines[0]?.["err"]).toBeDefined();
  });

  it("in a notification is logged as well, once", async () => {
    const { ask, lines } = start();
    await ask(said('"method":"Bad.plain"'));
    expect(lines).toMatchObject([{ level: "error", method: "Bad.plain" }]);
  });

  it("with an operating error answers the table's number, the message and the details", async () => {
    const { ask, lines } = start();
    expect(await ask(said('"method":"Bad.noVm","id":"x"'))).toEqual({
      jsonrpc: "2.0",
      id: "x",
      error: { code: 1, message: "no VM v here", data: { vmId: "v" } },
    });
    expect(lines).toMatchObject([{ level: "info", code: 1, reason: "no VM v here" }]);
  });

  it("with details that JSON cannot hold answers without them", async () => {
    expect(await start().ask(said('"method":"Bad.details","id":1'))).toEqual({
      jsonrpc: "2.0",
      id: 1,
      error: { code: 1, message: "no VM" },
    });
  });
});

describe("whatever comes in", () => {
  function isReply(value: unknown): boolean {
    if (typeof value !== "object" || value === null) return false;
    const members = new Map<string, unknown>(Object.entries(value));
    const id = members.get("id");
    const isId = id === null || typeof id === "string" || typeof id === "number";
    const exactlyOne = members.has("result") !== members.has("error");
    return members.get("jsonrpc") === "2.0" && isId && exactlyOne && members.size === 3;
  }
  function expectReply(reply: unknown): void {
    if (reply === "no reply") return;
    const replies: readonly unknown[] = Array.isArray(reply) ? reply : [reply];
    expect(replies.length).toBeGreaterThan(0);
    expect(replies.filter((each) => !isReply(each))).toEqual([]);
  }
  const request = fc.record(
    {
      jsonrpc: fc.constantFrom("2.0", "1.0", 2),
      method: fc.oneof(fc.constantFrom(...Object.keys(outcomes)), fc.string(), fc.jsonValue()),
      params: fc.oneof(fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue())),
      id: fc.oneof(fc.integer(), fc.string(), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );

  it("any JSON gets a reply of the right shape, or none", async () => {
    const { ask } = start();
    const message = fc.oneof(fc.jsonValue(), request, fc.array(fc.oneof(request, fc.jsonValue())));
    await fc.assert(
      fc.asyncProperty(message, async (value) => expectReply(await ask(JSON.stringify(value)))),
      { numRuns: 500 },
    );
  });

  it("so do any bytes", async () => {
    const { ask } = start();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), async (bytes) => expectReply(await ask(bytes))),
    );
  });

  it("nesting without end is refused, not fatal", async () => {
    const { ask } = start();
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    expectReply(await ask(deep));
    expectReply(await ask(`{"jsonrpc":"2.0","method":"VM.echo","params":{"vmID":${deep}},"id":1}`));
  });
});
