/**
 * Each defect of VDSM's server (src/docs/stomp.md) as a client meets it: this daemon has none of them.
 */

import { beforeEach, describe, expect, it } from "vitest";
import { defaultRpcLimits } from "../../../src/rpc/limits.ts";
import type { BenchOptions } from "../lines.ts";
import { makeBenches, type StompBench } from "./bench.ts";
import { java, python, type Stock, stockClients } from "../../stomp/stock-clients.ts";
import type { Way, Wire } from "./wire.ts";

const benches = makeBenches();

const vm = "0b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";
const event = {
  method: `|virt|VM_status|${vm}`,
  params: { [vm]: { status: "Up" }, notify_time: 2_147_483_648 },
};

interface Client {
  readonly wire: Wire;
  readonly stock: Stock;
  readonly send: (body: unknown) => void;
  /** The next message's body, as this client reads it. */
  readonly next: () => Promise<unknown>;
  /** Asks, and is the next to be answered. */
  readonly ping: () => Promise<void>;
}

let bench: StompBench;
async function start(options: Partial<BenchOptions> = {}, way: Way = "plain"): Promise<void> {
  bench = await benches.start(way, options);
}

async function join(make: () => Stock): Promise<Client> {
  const stock = make();
  const wire = await bench.open();
  wire.write(stock.hello());
  stock.read(await wire.next());
  const next = async (): Promise<unknown> => JSON.parse(stock.read(await wire.next()).body);
  const send = (body: unknown): void =>
    wire.write(stock.request(typeof body === "string" ? body : JSON.stringify(body)));
  return {
    wire,
    stock,
    send,
    next,
    ping: async () => {
      const { id, body } = stock.call("Host.ping2");
      send(body);
      expect(await next()).toEqual({ jsonrpc: "2.0", id, result: true });
    },
  };
}

const note = { jsonrpc: "2.0", method: "Host.ping2" };
const call = (id: unknown, method = "Host.ping2") => ({ jsonrpc: "2.0", method, id });

describe.each(stockClients)("for the %s client", (_name, make) => {
  beforeEach(async () => await start());

  it("a batch of several is answered", async () => {
    const { send, next } = await join(make);
    send([call("1"), call("2", "VM.nope"), call("3")]);
    expect(await next()).toMatchObject([{ id: "1" }, { id: "2", error: {} }, { id: "3" }]);
  });

  it("a lone notification runs, is not answered, and kills nothing", async () => {
    const { send, ping } = await join(make);
    send(note);
    send([note]);
    await ping();
    expect(bench.calls).toHaveLength(3);
    await (await join(make)).ping();
  });

  it("a notification in a batch is not answered, and the next event goes where events go", async () => {
    const { send, next, wire, stock } = await join(make);
    send([note, call("1"), call("2")]);
    expect(await next()).toMatchObject([{ id: "1" }, { id: "2" }]);
    bench.tell(event);
    const read = stock.read(await wire.next());
    expect(read.headers).toMatchObject({
      destination: "jms.queue.events",
      subscription: stock.eventId,
    });
  });

  it.each<[string, unknown, number, unknown]>([
    ["is no JSON", "{", -32700, null],
    ["is of another version", { ...call("7"), jsonrpc: "1.0" }, -32600, "7"],
    ["has no method", { jsonrpc: "2.0", id: "7" }, -32600, "7"],
    ["has text for params", { ...call("7"), params: "x" }, -32602, "7"],
    ["is an empty batch", [], -32600, null],
    ["is a number", "7", -32600, null],
  ])(
    "what %s is refused to its sender, with the id if there is one",
    async (_what, body, code, id) => {
      const { send, next, ping } = await join(make);
      send(body);
      expect(await next()).toMatchObject({ id, error: { code } });
      await ping();
    },
  );

  it("equal ids on two connections are answered to whom they belong", async () => {
    const [one, two] = [await join(make), await join(make)];
    one.send(call("same", "Slow.wait"));
    await one.ping();
    two.send(call("same", "Slow.wait"));
    await two.ping();
    await bench.release("one");
    await bench.release("two");
    expect(await two.next()).toEqual({ jsonrpc: "2.0", id: "same", result: "two" });
    expect(await one.next()).toEqual({ jsonrpc: "2.0", id: "same", result: "one" });
  });

  it("a reply goes only to who asked, whoever else subscribes to its queue", async () => {
    const [asker, listener] = [await join(make), await join(make)];
    const queue = asker.stock.replyQueue;
    listener.wire.write(`SUBSCRIBE\nid:spy\ndestination:${queue}\nreceipt:spying\n\n\0`);
    expect(await listener.wire.next()).toMatch(/^RECEIPT\nreceipt-id:spying\n/);
    await asker.ping();
    await listener.ping();
  });

  it.each(["jms.queue.events", "jms.queue.events.x", "jms.queue"])(
    "an event forged to %s reaches nobody, and is in the log",
    async (destination) => {
      const [forger, victim] = [await join(make), await join(make)];
      const forged = JSON.stringify({ jsonrpc: "2.0", ...event });
      forger.wire.write(`SEND\ndestination:${destination}\n\n${forged}\0`);
      await forger.ping();
      bench.tell({ ...event, method: "|virt|own|x" });
      expect(await victim.next()).toMatchObject({ method: "|virt|own|x" });
      expect(bench.lines).toContainEqual(
        expect.objectContaining({ level: "warn", msg: "forged event refused", destination }),
      );
    },
  );

  it("a message to another's reply queue reaches nobody", async () => {
    const [forger, victim] = [await join(make), await join(make)];
    forger.wire.write(`SEND\ndestination:${victim.stock.replyQueue}\n\n{"id":"x"}\0`);
    await forger.ping();
    await victim.ping();
  });
});

it("a client of JSON-RPC's plainest kind may use ids of any sort, and use them again", async () => {
  await start();
  const { send, next } = await join(java);
  for (const id of [1, 1, "a", "a", 1.5]) {
    send(call(id));
    expect(await next()).toMatchObject({ id, result: true });
  }
  expect(bench.calls).toHaveLength(5);
});

it("a batch of one is answered with an object, as VDSM does", async () => {
  await start();
  const { send, next } = await join(python);
  send([call("1")]);
  expect(await next()).toEqual({ jsonrpc: "2.0", id: "1", result: true });
});

describe("what VDSM's server does not bound", () => {
  const stomp = { ...defaultRpcLimits.stomp, subscriptions: 2, definitionBytes: 1000 };
  beforeEach(async () => await start({ limits: { messageBytes: 1000, stomp } }));

  it.each<[string, string, RegExp]>([
    ["a body announced", "SEND\ncontent-length:1001\n\n", /body of more than 1000 bytes/],
    ["a body", `SEND\n\n${"x".repeat(1001)}`, /body of more than 1000 bytes/],
    ["a header", `SEND\na:${"x".repeat(3000)}`, /line of more than 2048 bytes/],
    ["headers", `SEND\n${"a:b\n".repeat(33)}`, /more than 32 headers/],
    ["a command", "SEND\n\n\0".padEnd(3000, "X"), /Missing destination|line of more/],
  ])("%s beyond its limit ends the connection, and only that", async (_what, text, why) => {
    const other = await join(python);
    const wire = await bench.open();
    wire.write(`CONNECT\naccept-version:1.2\n\n\0${text}`);
    expect(await wire.next()).toMatch(/^CONNECTED\n/);
    expect(await wire.next()).toMatch(why);
    expect(await wire.next()).toBe("");
    await other.ping();
  });

  it("subscriptions beyond their number do so too", async () => {
    const { wire } = await join(python);
    wire.write("SUBSCRIBE\nid:3\ndestination:a\n\n\0");
    expect(await wire.next()).toMatch(/^ERROR\nversion:1.2\nmessage:too many subscriptions\n/);
    expect(await wire.next()).toBe("");
  });
});

it("requests beyond those in flight are refused with 1100, each with its id", async () => {
  await start({ limits: { inFlightPerClient: 2 } });
  const { send, next } = await join(java);
  for (const id of ["1", "2", "3"]) send(call(id, "Slow.wait"));
  expect(await next()).toMatchObject({ id: "3", error: { code: 1100 } });
});

const ways: readonly Way[] = ["plain", "TLS"];
it.each(ways)(
  "a client that does not read, %s, is dropped with a warning, the others hear on",
  async (way) => {
    await start({ limits: { unreadBytes: 100_000 } }, way);
    const [sleeper, reader] = [await join(python), await join(java)];
    sleeper.wire.socket.pause();
    const padding = "x".repeat(200_000);
    let heard = 0;
    while (bench.listener.clients === 2 && heard < 1000) {
      bench.tell({ ...event, params: { [vm]: { padding } } });
      await reader.next();
      heard += 1;
    }
    expect(bench.listener.clients).toBe(1);
    expect(bench.lines).toContainEqual(
      expect.objectContaining({ level: "warn", msg: "slow STOMP client dropped" }),
    );
    bench.tell(event);
    expect(await reader.next()).toMatchObject({ method: event.method });
  },
);

it("the server's end ends every connection within a second, an answer in the making gets out", async () => {
  await start();
  const [idle, waiting] = [await join(python), await join(java)];
  waiting.send(call("1", "Slow.wait"));
  await waiting.ping();
  const ended = bench.listener.close();
  expect(await idle.wire.next()).toBe("");
  await bench.release(true);
  expect(await waiting.next()).toMatchObject({ id: "1", result: true });
  expect(await waiting.wire.next()).toBe("");
  await ended;
});
