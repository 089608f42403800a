/** JSON-RPC and events over WebSocket, and clients that do not read, answer or behave. */

import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import {
  type BenchOptions,
  exchange,
  ping,
  pong,
  startListener,
  statusOf,
  tcp,
  useFolder,
} from "./lines.ts";

const { path: inFolder } = useFolder();

async function start(options: BenchOptions = {}) {
  const bench = await startListener({ tcp, ...options });
  const { port } = bench.at;
  return { ...bench, port, url: `ws://127.0.0.1:${port}/jsonrpc` };
}

/** A client that keeps what it gets, in order, for whoever asks next. */
async function client(url: string, options: ClientOptions = {}) {
  const socket = new WebSocket(url, options);
  const got: string[] = [];
  let wake: () => void = () => undefined;
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  socket.on("message", (data: Buffer) => {
    got.push(data.toString());
    wake();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  socket.on("error", () => undefined);
  const next = async (): Promise<string> => {
    while (got.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return got.shift() ?? "";
  };
  return { socket, next, closed };
}

const id = "0b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";
const event = {
  method: `|virt|VM_migration_status|${id}`,
  params: { [id]: { progress: 1, postcopy: false }, notify_time: 2_147_483_648 },
};
const handshake = (headers: Record<string, string>, path = "/jsonrpc") => {
  const all = {
    Host: "x",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
};

describe("a WebSocket client", () => {
  it("is answered, in one message for each of its own", async () => {
    const { url } = await start();
    const { socket, next } = await client(url);
    socket.send(ping);
    socket.send(`[${ping}]`);
    expect([await next(), await next()]).toEqual([pong, `[${pong}]`]);
  });

  it("gets no message for a notification, and an error for what is no JSON", async () => {
    const { url } = await start();
    const { socket, next } = await client(url);
    socket.send('{"jsonrpc":"2.0","method":"Host.ping2"}');
    socket.send("{");
    expect(JSON.parse(await next())).toMatchObject({ id: null, error: { code: -32700 } });
  });

  it("is served on the Unix socket too", async () => {
    const path = inFolder("rpc.sock");
    await start({ unixSocket: path });
    const { socket, next } = await client(`ws+unix://${path}:/jsonrpc`);
    socket.send(ping);
    expect(await next()).toBe(pong);
  });

  it("is refused with 1100 beyond its requests in flight, whatever connection it is not", async () => {
    const never = new Promise<never>(() => undefined);
    const handlers = { "Slow.wait": async () => await never };
    const { url } = await start({ handlers, limits: { inFlightPerClient: 1 } });
    const one = await client(url);
    const two = await client(url);
    one.socket.send('{"jsonrpc":"2.0","method":"Slow.wait","id":1}');
    one.socket.send(ping);
    expect(JSON.parse(await one.next())).toMatchObject({ id: 1, error: { code: 1100 } });
    two.socket.send(ping);
    expect(await two.next()).toBe(pong);
  });
});

describe("a handshake", () => {
  it.each<[string, number, Record<string, string>, string?]>([
    ["from a page of another site", 403, { Origin: "https://evil.example" }],
    ["from a page of no site", 403, { Origin: "null" }],
    [
      "from a page whose name was rebound to us",
      403,
      { Host: "evil.example", Origin: "http://evil.example" },
    ],
    [
      "from such a page, before its path is looked at",
      403,
      { Origin: "http://evil.example" },
      "/x",
    ],
    ["for another path", 404, {}, "/"],
    ["for another protocol", 400, { Upgrade: "h2c" }],
    ["of another version", 400, { "Sec-WebSocket-Version": "7" }],
    ["without a key", 400, { "Sec-WebSocket-Key": "" }],
  ])("%s is answered with %i", async (_what, status, headers, path) => {
    const { port, listener } = await start();
    const reply = await exchange({ host: "127.0.0.1", port }, handshake(headers, path));
    expect(statusOf(reply)).toBe(status);
    expect(listener.clients).toBe(0);
  });

  it("from the own address's page is taken", async () => {
    const { url, port } = await start();
    const { socket, next } = await client(url, { origin: `http://127.0.0.1:${port}` });
    socket.send(ping);
    expect(await next()).toBe(pong);
  });
});

describe("an event", () => {
  it("goes to every client as one notification, and to nobody when there is none", async () => {
    const { url, tell } = await start();
    tell(event);
    const clients = [await client(url), await client(url)];
    tell(event);
    for (const { next } of clients) {
      expect(JSON.parse(await next())).toEqual({ jsonrpc: "2.0", ...event });
    }
  });

  it("goes to those that are left when a client is gone", async () => {
    const { url, tell } = await start();
    const [gone, left] = [await client(url), await client(url)];
    gone.socket.terminate();
    await gone.closed;
    tell(event);
    expect(JSON.parse(await left.next())).toMatchObject({ method: event.method });
  });
});

describe("a client that misbehaves", () => {
  it("by not reading is dropped with a warning, and the others hear on", async () => {
    const limits = { unreadBytes: 100_000 };
    const { port, url, tell, listener, lines } = await start({ limits });
    const sleeper = connect({ host: "127.0.0.1", port });
    sleeper.write(handshake({}));
    await new Promise<void>((resolve) => {
      sleeper.once("data", () => {
        sleeper.pause();
        resolve();
      });
    });
    const reader = await client(url);
    const large = { ...event, params: { [id]: { padding: "x".repeat(200_000) } } };
    let sent = 0;
    while (listener.clients === 2 && sent < 1000) {
      tell(large);
      sent += 1;
      await reader.next();
    }
    expect(listener.clients).toBe(1);
    expect(lines).toContainEqual(
      expect.objectContaining({ level: "warn", msg: "slow WebSocket client dropped" }),
    );
    tell(event);
    expect(JSON.parse(await reader.next())).toMatchObject({ params: event.params });
    sleeper.destroy();
  });

  it("by sending more than a message may hold is closed with 1009", async () => {
    const { url, calls } = await start({ limits: { messageBytes: 1000 } });
    const { socket, closed } = await client(url);
    socket.send(`${ping}${" ".repeat(1000)}`);
    expect([await closed, calls]).toEqual([1009, []]);
  });

  it("by sending bytes instead of text is closed with 1003", async () => {
    const { url, calls } = await start();
    const { socket, closed } = await client(url);
    socket.send(Buffer.from(ping));
    expect([await closed, calls]).toEqual([1003, []]);
  });

  it("by sending text that is no UTF-8 is closed with 1007", async () => {
    const { url } = await start();
    const { socket, closed } = await client(url);
    socket.send(Buffer.of(0xff), { binary: false });
    expect(await closed).toBe(1007);
  });

  it("by not answering pings is dropped", async () => {
    const { url, listener, lines } = await start({ limits: { idleMs: 30 } });
    const { closed } = await client(url, { autoPong: false });
    expect(await closed).toBe(1006);
    expect(listener.clients).toBe(0);
    expect(lines.map((line) => line["msg"])).toContain("silent WebSocket client dropped");
  });

  it("is not confused with one that only listens and answers pings", async () => {
    const { url, tell } = await start({ limits: { idleMs: 30 } });
    const { socket, next } = await client(url);
    for (let pings = 0; pings < 4; pings += 1) {
      await new Promise((resolve) => socket.once("ping", resolve));
    }
    tell(event);
    expect(JSON.parse(await next())).toMatchObject({ method: event.method });
  });
});

it("closing says good-bye to every client", async () => {
  const { url, listener } = await start();
  const clients = [await client(url), await client(url)];
  await listener.close();
  expect(await Promise.all(clients.map(async ({ closed }) => await closed))).toEqual([1001, 1001]);
});
