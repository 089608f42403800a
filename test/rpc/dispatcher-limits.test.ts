/**
 * What requests may cost: how many at once, how long their replies together, and what those who may
 * only read get of it. Handlers that wait are let go by the test.
 */

import { describe, expect, it } from "vitest";
import { createLog } from "../../src/logger.ts";
import { Dispatcher } from "../../src/rpc/dispatcher.ts";
import type { Handlers } from "../../src/rpc/handlers.ts";
import { defaultRpcLimits } from "../../src/rpc/limits.ts";
import { controlClient, ping, verbsOf } from "./lines.ts";

const note = '{"jsonrpc":"2.0","method":"Host.ping2"}';
const ok = (id: unknown, result: unknown = true) => ({ jsonrpc: "2.0", id, result });
const failed = (id: unknown, code: number) => ({
  jsonrpc: "2.0",
  id,
  error: expect.objectContaining({ code, message: expect.any(String) }),
});

function start(limits: Partial<typeof defaultRpcLimits> = {}, more: Handlers = {}) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    level: "debug",
    stream: { write: (line) => lines.push(JSON.parse(line)) },
  });
  const handlers: Handlers = {
    "Host.ping2": async () => await Promise.resolve(true),
    "Bad.plain": async () => await Promise.reject(new Error("broken")),
    ...more,
  };
  const verbs = verbsOf(Object.keys(handlers));
  const dispatcher = new Dispatcher(log, verbs, handlers, { ...defaultRpcLimits, ...limits });
  const client = controlClient();
  const ask = async (message: string, from = client): Promise<unknown> => {
    const reply = await dispatcher.receive(message, from);
    return reply === undefined ? "no reply" : JSON.parse(reply);
  };
  return { ask, lines };
}

describe("requests in flight", () => {
  function gate() {
    let open: (value: true) => void = () => undefined;
    const opened = new Promise<true>((resolve) => {
      open = resolve;
    });
    return { open: () => open(true), handlers: { "Slow.wait": async () => await opened } };
  }
  const slow = (id: number) => `{"jsonrpc":"2.0","method":"Slow.wait","id":${id}}`;

  it("beyond a client's limit are refused with 1100, another client's are not", async () => {
    const { open, handlers } = gate();
    const { ask } = start({ inFlightPerClient: 2 }, handlers);
    const waiting = [ask(slow(1)), ask(slow(2))];
    expect(await ask(slow(3))).toEqual(failed(3, 1100));
    expect(await ask(ping, controlClient({ address: "unix", source: "unix" }))).toEqual(ok(1));
    open();
    expect(await Promise.all(waiting)).toEqual([ok(1), ok(2)]);
    expect(await ask(ping)).toEqual(ok(1));
  });

  it("beyond the limit for all are refused with 1100", async () => {
    const { open, handlers } = gate();
    const { ask } = start({ inFlightTotal: 2 }, handlers);
    const waiting = [
      ask(slow(1)),
      ask(slow(2), controlClient({ address: "unix", source: "unix" })),
    ];
    expect(await ask(ping, controlClient({ address: "192.0.2.9:1" }))).toEqual(failed(1, 1100));
    open();
    await Promise.all(waiting);
    expect(await ask(ping)).toEqual(ok(1));
  });

  it("a batch counts by its requests, a refused notification gets no reply, and the log one line", async () => {
    const { open, handlers } = gate();
    const { ask, lines } = start({ inFlightPerClient: 1 }, handlers);
    const batch = ask(`[${slow(1)},${note},${slow(2)}]`);
    open();
    expect(await batch).toEqual([ok(1), failed(2, 1100)]);
    expect(lines.filter(({ code, level }) => code === 1100 && level === "warn")).toHaveLength(1);
  });

  it("those that failed are no longer in flight", async () => {
    const { ask } = start({ inFlightPerClient: 1 });
    for (const method of ["Bad.plain", "Bad.absent"]) {
      await ask(`{"jsonrpc":"2.0","method":"${method}","id":1}`);
    }
    expect(await ask(ping)).toEqual(ok(1));
  });
});

describe("a long reply", () => {
  const long = "x".repeat(1000);
  const handlers: Handlers = { "Long.get": async () => await Promise.resolve(long) };
  const get = (id: number) => `{"jsonrpc":"2.0","method":"Long.get","id":${id}}`;

  it("alone is answered, however long it is", async () => {
    const { ask } = start({ batchReplyBytes: 100 }, handlers);
    expect(await ask(get(1))).toEqual(ok(1, long));
  });

  it("in a batch is answered while there is room for it, others are after it", async () => {
    const { ask } = start({ batchReplyBytes: 2500 }, handlers);
    expect(await ask(`[${get(1)},${get(2)},${get(3)},${ping},${note},5]`)).toEqual([
      ok(1, long),
      ok(2, long),
      failed(3, 1100),
      ok(1),
      failed(null, -32600),
    ]);
  });
});

describe("a client that may only read", () => {
  const reader = () => controlClient({ address: "unix", source: "unix", role: () => "read-only" });
  const readable = (name: string) => verbsOf([name], { roles: ["read-only"] });

  it("has one request begun in each turn of the event loop, and timers come in between", async () => {
    const order: string[] = [];
    const handlers: Handlers = {
      "Read.one": async () => {
        if (order.length === 0) setImmediate(() => order.push("other"));
        order.push("read");
        return await Promise.resolve(true);
      },
    };
    const log = createLog({ level: "error", stream: { write: () => undefined } });
    const dispatcher = new Dispatcher(log, readable("Read.one"), handlers);
    const one = '{"jsonrpc":"2.0","method":"Read.one","id":1}';
    await dispatcher.receive(`[${Array.from({ length: 50 }, () => one).join()}]`, reader());
    expect(order.filter((each) => each === "read")).toHaveLength(50);
    expect(order.indexOf("other")).toBeLessThan(5);
  });

  it("has its requests run again if they are sent again, and nothing is kept of them", async () => {
    let runs = 0;
    const handlers: Handlers = {
      "Read.one": async () => {
        runs += 1;
        return await Promise.resolve(runs);
      },
    };
    const log = createLog({ level: "error", stream: { write: () => undefined } });
    const dispatcher = new Dispatcher(log, readable("Read.one"), handlers);
    const id = "0b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";
    const client = { ...reader(), resendsAs: "a" };
    const message = JSON.stringify({ jsonrpc: "2.0", method: "Read.one", id });
    await dispatcher.receive(message, client);
    expect(await dispatcher.receive(message, client)).toContain('"result":2');
  });
});
