/**
 * Floods at the listeners, over real sockets: silent, slow and unauthenticated connections in numbers,
 * and that who is established stays, who is new gets in, and the log stays short.
 */

import { connect, type NetConnectOpts, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import {
  type BenchOptions,
  bodyOf,
  exchange,
  makeCertificates,
  ping,
  pong,
  post,
  startListener,
  verbsOf,
  tcp,
  useFolder,
} from "./lines.ts";

const { files: tls, client: own, path: inFolder } = useFolder(makeCertificates);
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** Far above any test's time: what is said once is there once. */
const LOG_INTERVAL_MS = 600_000;

async function start(options: BenchOptions) {
  const limits = { logIntervalMs: LOG_INTERVAL_MS, ...options.limits };
  return await startListener({ ...options, limits });
}

interface Opened {
  readonly socket: Socket;
  /** Of the other end's doing, too. */
  readonly closed: Promise<void>;
}

/** Connected; sends the text if there is any, and reads what comes. */
async function hold(to: NetConnectOpts, text = ""): Promise<Opened> {
  const socket = connect(to);
  sockets.push(socket);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => undefined).resume();
  await Promise.race([new Promise((resolve) => socket.once("connect", resolve)), closed]);
  if (text !== "") socket.write(text);
  return { socket, closed };
}

const many = async (count: number, one: (index: number) => Promise<Opened>): Promise<Opened[]> =>
  await Promise.all(Array.from({ length: count }, (_each, index) => one(index)));

const stillOpen = (all: readonly Opened[]): number =>
  all.filter(({ socket }) => !socket.destroyed).length;

/** What a slow client sends of a request before it stops. */
const SLOW = [
  "",
  "P",
  "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nX-",
  post(ping, { "Content-Length": "100", Connection: "" }),
  "CONNECT\naccept-version:1.2\n",
  "SEND\ndestination:jms.topic.vdsm_requests\n\n{",
];
/** 127.0.0.0/8 is all loopback: a thousand connections need not be of one address. */
const addressOf = (index: number): string =>
  `127.0.${1 + Math.floor(index / 200)}.${1 + (index % 200)}`;

/** A thousand connections on a busy machine take their time. */
const DEADLINE_MS = 60_000;

describe("a thousand connections, idle and slow", { timeout: DEADLINE_MS }, () => {
  it.each([
    ["of one address", 64, () => "127.0.0.1"],
    ["of a thousand addresses", 256, addressOf],
  ])("%s: %i places are held, and whoever comes is answered", async (_what, places, from) => {
    const { at, lines } = await start({ tcp });
    const socket = new WebSocket(`ws://127.0.0.1:${at.port}/jsonrpc`);
    await new Promise((resolve) => socket.once("open", resolve));
    const established = new Promise<never>((_resolve, reject) => {
      socket.once("close", () => reject(new Error("the established client has lost its place")));
    });
    established.catch(() => undefined);

    const held = await many(1000, (index) =>
      hold({ ...at, localAddress: from(index) }, SLOW[index % SLOW.length]),
    );
    await expect.poll(() => stillOpen(held), { timeout: DEADLINE_MS }).toBeLessThanOrEqual(places);

    expect(bodyOf(await exchange(at, post(ping)))).toBe(pong);
    expect(bodyOf(await exchange(connect({ ...at, localAddress: "127.1.1.1" }), post(ping)))).toBe(
      pong,
    );
    const answer = new Promise((resolve) => {
      socket.once("message", (data: Buffer) => resolve(data.toString()));
    });
    socket.send(ping);
    expect(await Promise.race([answer, established])).toBe(pong);
    socket.terminate();
    const complaints = lines.filter(({ level }) => level === "warn" || level === "error");
    expect(complaints.map(({ msg }) => msg)).toEqual([
      "listening on TCP without TLS",
      "too many connections, dropped the least active",
    ]);
  });

  it("on the socket for reading leave the one for control alone", async () => {
    const unixSocket = inFolder("rpc.sock");
    const unixSocketReadOnly = inFolder("rpc-ro.sock");
    await start({ unixSocket, unixSocketReadOnly });
    const held = await many(1000, (index) =>
      hold({ path: unixSocketReadOnly }, SLOW[index % SLOW.length]),
    );
    await expect.poll(() => stillOpen(held), { timeout: DEADLINE_MS }).toBeLessThanOrEqual(32);
    expect(bodyOf(await exchange({ path: unixSocket }, post(ping)))).toBe(pong);
    expect(bodyOf(await exchange({ path: unixSocketReadOnly }, post(ping)))).toContain("1101");
  });
});

describe("a flood before the TLS handshake", { timeout: DEADLINE_MS }, () => {
  /** Of a ClientHello. */
  const hello = "\u0016\u0003\u0001\u0002\u0000\u0001";
  const limits = { connections: 16, connectionsPerAddress: 8 };

  it("ends its own, never who has shown a certificate and speaks", async () => {
    const { at, lines } = await start({ tcp: { ...tcp, tls: tls() }, limits });
    const stomp = connectTls({ ...at, ...own() });
    sockets.push(stomp);
    let frames = "";
    stomp.on("data", (data: Buffer) => {
      frames += data.toString();
    });
    stomp.write("CONNECT\naccept-version:1.2\n\n\0");
    await expect.poll(() => frames).toContain("CONNECTED");
    const lost = new Promise<void>((resolve) => stomp.once("close", () => resolve()));
    const isLost = Promise.race([lost.then(() => true), Promise.resolve(false)]);

    const held = await many(300, (index) =>
      hold({ ...at, localAddress: addressOf(index) }, index % 2 === 0 ? hello : ""),
    );
    await expect.poll(() => stillOpen(held), { timeout: DEADLINE_MS }).toBeLessThanOrEqual(16);
    const sameAddress = await many(100, () => hold(at, hello));
    await expect
      .poll(() => stillOpen(sameAddress), { timeout: DEADLINE_MS })
      .toBeLessThanOrEqual(8);

    stomp.write("SUBSCRIBE\nid:1\ndestination:d\nreceipt:still-here\n\n\0");
    await expect.poll(() => frames).toContain("receipt-id:still-here");
    expect(await isLost).toBe(false);
    const newcomer = connectTls({ ...at, ...own() });
    expect(bodyOf(await exchange(newcomer, post(ping)))).toBe(pong);
    expect(lines.filter(({ level }) => level === "warn").length).toBeLessThan(10);
  });

  it("without a certificate leaves a line or two in the log, not one each", async () => {
    const { at, lines } = await start({ tcp: { ...tcp, tls: tls() }, limits });
    for (let n = 0; n < 50; n += 1) await exchange(at, "GET / HTTP/1.0\r\n\r\n");
    const refused = lines.filter(({ msg }) => msg === "TLS handshake refused");
    expect(refused).toHaveLength(1);
  });
});

describe("a door full of established clients", () => {
  it("refuses a new one, and says so once", async () => {
    const { at, lines } = await start({ tcp, limits: { connections: 2 } });
    const frames: string[] = [];
    for (let n = 0; n < 2; n += 1) {
      const { socket } = await hold(at, "CONNECT\naccept-version:1.2\n\n\0");
      socket.on("data", (data: Buffer) => frames.push(data.toString()));
    }
    await expect.poll(() => frames.length).toBe(2);
    for (let n = 0; n < 20; n += 1) expect(await exchange(at, post(ping))).toBe("");
    const said = lines.filter(({ msg }) => msg === "too many connections, refused one");
    expect(said).toHaveLength(1);
  });

  it("gives an idle client's place away, not that of one being answered", async () => {
    let finish: (value: true) => void = () => undefined;
    const slow = new Promise<true>((resolve) => {
      finish = resolve;
    });
    let called: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      called = resolve;
    });
    const handlers = {
      "Slow.wait": async () => {
        called();
        return await slow;
      },
    };
    const { at } = await start({ tcp, handlers, limits: { connections: 2 } });
    const idle = await hold(at);
    const answered = new Promise<void>((resolve) => idle.socket.once("data", () => resolve()));
    idle.socket.write(post(ping, { Connection: "" }));
    await answered;
    const waiting = exchange(at, post('{"jsonrpc":"2.0","method":"Slow.wait","id":1}'));
    await begun;
    expect(bodyOf(await exchange(at, post(ping)))).toBe(pong);
    await idle.closed;
    finish(true);
    expect(bodyOf(await waiting)).toBe(pong);
  });
});

describe("requests", () => {
  it("of readers take a part of the places for requests, control has the rest", async () => {
    let finish: (value: true) => void = () => undefined;
    const slow = new Promise<true>((resolve) => {
      finish = resolve;
    });
    const unixSocket = inFolder("rpc.sock");
    const unixSocketReadOnly = inFolder("rpc-ro.sock");
    const handlers = {
      "Slow.wait": async () => await slow,
      "Host.ping2": async () => await Promise.resolve(true),
    };
    const verbs = verbsOf(Object.keys(handlers), {
      roles: ["control", "read-only"] as const,
    });
    const limits = { inFlightTotal: 8, inFlightReadOnly: 4 };
    const all = { unixSocket, unixSocketReadOnly, handlers, verbs, limits };
    const { lines } = await start(all);
    const ask = (id: number) => `{"jsonrpc":"2.0","method":"Slow.wait","id":${id}}`;
    const batch = `[${Array.from({ length: 40 }, (_each, id) => ask(id)).join()}]`;
    const reply = exchange({ path: unixSocketReadOnly }, post(batch));
    await expect.poll(() => lines.filter(({ code }) => code === 1100).length).toBe(1);
    expect(bodyOf(await exchange({ path: unixSocketReadOnly }, post(ping)))).toContain("1100");
    expect(bodyOf(await exchange({ path: unixSocket }, post(ping)))).toBe(pong);
    finish(true);
    const answers: { error?: { code: number } }[] = JSON.parse(bodyOf(await reply));
    expect(answers.filter(({ error }) => error?.code === 1100)).toHaveLength(36);
    expect(lines.filter(({ code }) => code === 1100)).toHaveLength(1);
  });

  it("sent ahead of their replies are few on an HTTP connection", async () => {
    const { at, calls } = await start({ tcp, limits: { pipelined: 3 } });
    const text = post(ping, { Connection: "" });
    expect((await exchange(at, text.repeat(50))).split(pong).length - 1).toBeLessThan(50);
    expect(calls.length).toBeLessThan(50);
    expect(bodyOf(await exchange(at, post(ping)))).toBe(pong);
  });
});
