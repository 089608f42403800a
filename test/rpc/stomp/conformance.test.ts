/**
 * The exchanges of src/docs/stomp.md over real sockets, as the Python and as the Java client write
 * and read them, plain and over TLS, in one piece and byte by byte.
 */

import { describe, expect, it } from "vitest";
import { makeBenches } from "./bench.ts";
import { java, type Stock, stockClients } from "../../stomp/stock-clients.ts";
import type { Way, Wire } from "./wire.ts";

const benches = makeBenches();

const ways: readonly Way[] = ["plain", "TLS"];
const combinations = stockClients.flatMap(([name, make]) =>
  ways.flatMap((way) =>
    (["whole", "byte by byte"] as const).map((cut) => [name, way, cut, make] as const),
  ),
);

const vm = "0b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";
const event = {
  method: `|virt|VM_migration_status|${vm}`,
  params: { [vm]: { progress: 1, postcopy: false }, notify_time: 2_147_483_648 },
};

async function say(wire: Wire, cut: "whole" | "byte by byte", text: string): Promise<void> {
  if (cut === "whole") wire.write(text);
  else await wire.drip(text);
}

/** The reply of a stock client's call, with everything in between checked as it would read it. */
async function ask(wire: Wire, stock: Stock, method: string, flowId?: string) {
  const { id, body } = stock.call(method);
  wire.write(stock.request(body, flowId));
  return { id, reply: JSON.parse(stock.read(await wire.next()).body) as unknown };
}

describe.each(combinations)("the %s client, %s, %s", (name, way, cut, make) => {
  it("connects, subscribes, asks, and is answered byte for byte", async () => {
    const { open, calls } = await benches.start(way);
    const stock = make();
    const wire = await open();
    await say(wire, cut, stock.hello());
    const beat = name === "Python" ? "24000,0" : "15000,0";
    const connected = `CONNECTED\nversion:1.2\nheart-beat:${beat}\ncontent-length:0\n\n\0`;
    expect(await wire.next()).toBe(connected);
    stock.read(connected);
    const { id, body } = stock.call("Host.ping2");
    await say(wire, cut, stock.request(body));
    const content = `{"jsonrpc":"2.0","id":"${id}","result":true}`;
    const reply =
      `MESSAGE\ndestination:${stock.replyQueue}\nsubscription:${stock.replyId}\n` +
      `message-id:reply-1\ncontent-type:application/json\ncontent-length:${content.length}\n` +
      `\n${content}\0`;
    expect(await wire.next()).toBe(reply);
    expect(stock.read(reply).body).toBe(content);
    expect(calls).toEqual(["Host.ping2"]);
  });

  it("hears events, and then closes in its own way", async () => {
    const { open, tell } = await benches.start(way);
    const stock = make();
    const wire = await open();
    await say(wire, cut, stock.hello());
    stock.read(await wire.next());
    // Its subscriptions follow CONNECT: an answered request shows that they have arrived.
    await ask(wire, stock, "Host.ping2");
    tell(event);
    const read = stock.read(await wire.next());
    expect(read.headers).toMatchObject({
      destination: "jms.queue.events",
      subscription: stock.eventId,
    });
    expect(JSON.parse(read.body)).toEqual({ jsonrpc: "2.0", ...event });
    await say(wire, cut, stock.goodbye());
    if (name === "Java") {
      expect(await wire.next()).toBe("RECEIPT\nreceipt-id:77\ncontent-length:0\n\n\0");
      expect(await wire.next()).toBe("");
    }
  });
});

describe.each(stockClients)("the %s client", (_name, make) => {
  async function start() {
    const bench = await benches.start("plain");
    const stock = make();
    const wire = await bench.open();
    wire.write(stock.hello());
    stock.read(await wire.next());
    return { ...bench, stock, wire };
  }

  it("gets an error as a number and a text, with its id", async () => {
    const { stock, wire } = await start();
    const { id, reply } = await ask(wire, stock, "VM.nope");
    expect(reply).toMatchObject({ id, error: { code: -32601, message: expect.any(String) } });
  });

  it("gets a batch of two answered with an array of two", async () => {
    const { stock, wire } = await start();
    const two = ["a", "b"].map((id) => ({ jsonrpc: "2.0", method: "Host.ping2", id }));
    wire.write(stock.request(JSON.stringify(two)));
    expect(JSON.parse(stock.read(await wire.next()).body)).toEqual([
      { jsonrpc: "2.0", id: "a", result: true },
      { jsonrpc: "2.0", id: "b", result: true },
    ]);
  });

  it("has its flow id in the log, whatever characters are in it", async () => {
    const { stock, wire, lines } = await start();
    await ask(wire, stock, "Host.ping2", "a:b\\x c");
    expect(lines).toContainEqual(
      expect.objectContaining({
        msg: "request received",
        method: "Host.ping2",
        flowId: "a:b\\x c",
      }),
    );
  });

  it("asks the same while it is still being answered: run once, answered twice", async () => {
    const { stock, wire, lines, release } = await start();
    const { id, body } = stock.call("Slow.wait");
    wire.write(stock.request(body) + stock.request(body));
    await ask(wire, stock, "Host.ping2");
    await release(7);
    for (let times = 0; times < 2; times += 1) {
      const reply: unknown = JSON.parse(stock.read(await wire.next()).body);
      expect(reply).toEqual({ jsonrpc: "2.0", id, result: 7 });
    }
    expect(lines.map((line) => line["msg"])).toContain(
      "request arrived again, answered without running again",
    );
  });

  it("asks the same after the answer: run once, answered twice", async () => {
    const { stock, wire, calls } = await start();
    const { body } = stock.call("Host.ping2");
    for (let times = 0; times < 3; times += 1) {
      wire.write(stock.request(body));
      stock.read(await wire.next());
    }
    expect(calls).toHaveLength(1);
  });

  it("closes while it is being answered, and harms nobody", async () => {
    const { stock, wire, release, open, lines } = await start();
    wire.write(stock.request(stock.call("Slow.wait").body));
    await ask(wire, stock, "Host.ping2");
    await wire.close();
    await release(1);
    const other = await open();
    const again = make();
    other.write(again.hello());
    again.read(await other.next());
    await ask(other, again, "Host.ping2");
    expect(lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("closes its half and is answered before the server closes", async () => {
    const { stock, wire, release } = await start();
    wire.socket.end(stock.request(stock.call("Slow.wait").body));
    await release(1);
    expect(JSON.parse(stock.read(await wire.next()).body)).toMatchObject({ result: 1 });
    expect(await wire.next()).toBe("");
  });
});

describe("a request that arrives on a new connection", () => {
  const twice = async (way: Way, second: "engine" | "host") => {
    const { open, calls } = await benches.start(way);
    const [[, make]] = stockClients;
    const stock = make();
    const { body } = stock.call("Host.ping2");
    for (const name of ["engine", second] as const) {
      const wire = await open(name);
      wire.write(stock.hello() + stock.request(body));
      stock.read(await wire.next());
      stock.read(await wire.next());
      await wire.close();
    }
    return calls.length;
  };
  it.each([
    ["with the same certificate is run once", "TLS", "engine", 1],
    ["with another certificate is another's", "TLS", "host", 2],
    ["without certificates is another's", "plain", "engine", 2],
  ] as const)("%s", async (_what, way, second, runs) => {
    expect(await twice(way, second)).toBe(runs);
  });
});

describe("heart-beats", () => {
  it("arrive as promised, without being asked for", async () => {
    const { open } = await benches.start("plain");
    const wire = await open();
    wire.write("CONNECT\naccept-version:1.2\nheart-beat:0,1000\n\n\0");
    expect(await wire.next()).toContain("heart-beat:1000,0\n");
    expect([await wire.next(), await wire.next()]).toEqual(["\n", "\n"]);
  });

  it("of a client that stops them end its connection", async () => {
    const { open, lines } = await benches.start("plain");
    const wire = await open();
    wire.write("CONNECT\naccept-version:1.2\nheart-beat:1000,0\n\n\0");
    await wire.next();
    expect(await wire.next()).toBe("");
    expect(lines).toContainEqual(
      expect.objectContaining({
        msg: "STOMP connection ended",
        reason: expect.stringMatching(/^no heart-beat for \d+ ms$/),
      }),
    );
  });
});

it("each frame has a TLS record of its own, however many go out at once", async () => {
  const { open, tell } = await benches.start("TLS");
  const wire = await open();
  const records: string[] = [];
  // Node hands on what one record held as one chunk.
  wire.socket.on("data", (chunk: Buffer) => records.push(chunk.toString()));
  const stock = java();
  wire.write(stock.hello() + stock.request(stock.call("Host.ping2").body));
  for (let frames = 0; frames < 2; frames += 1) stock.read(await wire.next());
  for (let n = 0; n < 50; n += 1) tell(event);
  for (let n = 0; n < 50; n += 1) stock.read(await wire.next());
  expect(records).toHaveLength(52);
  for (const record of records) stock.read(record);
});

describe("one port for all", () => {
  it.each(ways)("HTTP and STOMP are told apart at the first bytes, %s", async (way) => {
    const { open } = await benches.start(way);
    const ping = '{"jsonrpc":"2.0","method":"Host.ping2","id":1}';
    const http = await open();
    await http.drip(
      "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
        `Content-Length: ${ping.length}\r\nConnection: close\r\n\r\n${ping}`,
    );
    expect(await http.rest()).toContain('"result":true');
    const stomp = await open();
    await stomp.drip("\n\r\nSTOMP\r\naccept-version:1.0,1.1,1.2\r\nhost:x\r\n\r\n\0");
    expect(await stomp.next()).toMatch(/^CONNECTED\n/);
  });

  it("an ERROR reaches its client, and then the connection ends", async () => {
    const { open } = await benches.start("plain");
    const wire = await open();
    wire.write(`CONNECT\naccept-version:9\n\n\0${"x".repeat(100_000)}`);
    expect(await wire.next()).toMatch(/^ERROR\nversion:1\.2\nmessage:Version unsupported\n/);
    expect(await wire.next()).toBe("");
  });
});
