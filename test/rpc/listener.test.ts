/** The listeners over real sockets: HTTP, the guards in front of it, the Unix socket, the end. */

import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import {
  type BenchOptions,
  bodyOf,
  exchange,
  ping,
  pong,
  post,
  startListener,
  statusOf,
  tcp,
  useFolder,
} from "./lines.ts";

const { path: inFolder } = useFolder();
const socketPath = () => inFolder("run/rpc.sock");

describe("HTTP POST /jsonrpc", () => {
  it("answers 200 with the reply as JSON", async () => {
    const { at } = await startListener({ tcp });
    const reply = await exchange(at, post(ping));
    expect(statusOf(reply)).toBe(200);
    expect(reply.toLowerCase()).toContain("content-type: application/json");
    expect(bodyOf(reply)).toBe(pong);
  });

  it("answers 204 where JSON-RPC wants no reply", async () => {
    const { at, calls } = await startListener({ tcp });
    const reply = await exchange(at, post('{"jsonrpc":"2.0","method":"Host.ping2"}'));
    expect([statusOf(reply), bodyOf(reply), calls.length]).toEqual([204, "", 1]);
  });

  it("answers 200 with JSON-RPC's error for a body that is no JSON", async () => {
    const { at } = await startListener({ tcp });
    expect(JSON.parse(bodyOf(await exchange(at, post("{"))))).toMatchObject({
      error: { code: -32700 },
    });
  });

  it("answers several requests of one connection, the later ones already sent", async () => {
    const { at } = await startListener({ tcp });
    const text = post(ping, { Connection: "" });
    const reply = await exchange(at, `${text}${text}${post(ping)}`);
    expect(reply.split(pong)).toHaveLength(4);
  });

  it("answers a request that arrives byte by byte", async () => {
    const { at } = await startListener({ tcp });
    const socket = connect(at).setNoDelay(true);
    const text = Buffer.from(post(ping));
    for (const byte of text.subarray(0, -1)) {
      await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
    }
    expect(bodyOf(await exchange(socket, text.subarray(-1)))).toBe(pong);
  });

  it("answers a client that has closed its half", async () => {
    const { at } = await startListener({ tcp });
    const socket = connect(at);
    const reply = exchange(socket, post(ping));
    socket.end();
    expect(bodyOf(await reply)).toBe(pong);
  });

  it("tells a client that asks first to go on", async () => {
    const { at } = await startListener({ tcp });
    const reply = await exchange(at, post(ping, { Expect: "100-continue" }));
    expect(reply).toMatch(/^HTTP\/1\.1 100 .*HTTP\/1\.1 200 /s);
  });
});

describe("before a body is parsed", () => {
  const json = { "Content-Type": "application/json" };
  it.each<[string, number, Record<string, string>, string?]>([
    ["a page of another site", 403, { Origin: "https://evil.example" }],
    ["a page of no site", 403, { Origin: "null" }],
    [
      "another origin beside a good one",
      403,
      { Origin: "http://127.0.0.1:{port}\r\nOrigin: http://evil.example" },
    ],
    [
      "a page whose name was rebound to us",
      403,
      { Host: "evil.example:{port}", Origin: "http://evil.example:{port}" },
    ],
    ["the own address with another scheme", 403, { Origin: "https://127.0.0.1:{port}" }],
    ["the own address with another port", 403, { Origin: "http://127.0.0.1:1" }],
    ["the own address as a prefix", 403, { Origin: "http://127.0.0.1:{port}.evil.example" }],
    [
      "the origin before path, method and type",
      403,
      { Origin: "http://evil.example", "Content-Type": "x" },
      "GET /x",
    ],
    ["another path", 404, json, "POST /"],
    ["a path below", 404, json, "POST /jsonrpc/x"],
    ["GET", 405, json, "GET /jsonrpc"],
    ["PUT", 405, json, "PUT /jsonrpc"],
    ["OPTIONS, a browser's question", 405, json, "OPTIONS /jsonrpc"],
    ["no content type", 415, { "Content-Type": "" }],
    ["a form", 415, { "Content-Type": "application/x-www-form-urlencoded" }],
    ["text, which a page may send unasked", 415, { "Content-Type": "text/plain" }],
    ["another type of JSON-RPC", 415, { "Content-Type": "application/json-rpc; charset=latin1" }],
    ["two types", 415, { "Content-Type": "text/plain, application/json-rpc" }],
    ["a type that begins alike", 415, { "Content-Type": "application/json-patch+json" }],
    ["another charset", 415, { "Content-Type": "application/json; charset=utf-16" }],
    ["a compressed body", 415, { "Content-Encoding": "gzip" }],
    ["a length above the limit", 413, { "Content-Length": "1001" }],
    ["no Host", 400, { Host: "" }],
    ["two lengths", 400, { "Content-Length": "46\r\nContent-Length: 47" }],
    ["headers without end", 431, { "X-Long": "x".repeat(20_000) }],
  ])(
    "%s is answered with %i, and no verb runs",
    async (_what, status, headers, line = "POST /jsonrpc") => {
      const { at, calls } = await startListener({ tcp, limits: { messageBytes: 1000 } });
      const text = post(ping, headers, line).replaceAll("{port}", String(at.port));
      expect(statusOf(await exchange(at, text))).toBe(status);
      expect(calls).toEqual([]);
    },
  );

  it.each<[string, Record<string, string>]>([
    ["no origin, and any name of the host", { Host: "whatever.example" }],
    ["the literal address that was connected to", { Origin: "http://127.0.0.1:{port}" }],
    ["an origin that is listed", { Origin: "https://Host-B.example" }],
    ["JSON-RPC's own type", { "Content-Type": "application/json-rpc" }],
    ["its older one", { "Content-Type": "Application/JSONRequest; charset=utf-8" }],
    ["a charset that is UTF-8", { "Content-Type": 'Application/JSON; charset="UTF-8"' }],
  ])("%s is let through", async (_what, headers) => {
    const { at } = await startListener({ tcp, ownOrigins: ["https://host-b.example"] });
    const text = post(ping, headers).replaceAll("{port}", String(at.port));
    expect(statusOf(await exchange(at, text))).toBe(200);
  });

  it("what is no HTTP is refused", async () => {
    const { at } = await startListener({ tcp });
    expect(statusOf(await exchange(at, "HELLO\nversion:1\n\n\0"))).toBe(400);
  });
});

describe("a body", () => {
  const chunked = (size: number) =>
    post("", { "Content-Length": "", "Transfer-Encoding": "chunked" }) +
    `${size.toString(16)}\r\n${"x".repeat(size)}\r\n0\r\n\r\n`;

  it.each([
    [1000, 200],
    [1001, 413],
  ])("of %i bytes in chunks, 1000 allowed, is answered with %i", async (size, status) => {
    const { at } = await startListener({ tcp, limits: { messageBytes: 1000 } });
    expect(statusOf(await exchange(at, chunked(size)))).toBe(status);
  });

  it("far above the limit still gets its answer through", async () => {
    const { at } = await startListener({ tcp, limits: { messageBytes: 1000 } });
    expect(statusOf(await exchange(at, post("x".repeat(4_000_000))))).toBe(413);
  });

  it("that does not come in time is answered with 408", async () => {
    const { at } = await startListener({ tcp, limits: { bodyMs: 50 } });
    expect(statusOf(await exchange(at, post(ping, { "Content-Length": "100" })))).toBe(408);
  });
});

describe("a connection is ended", () => {
  it.each<[string, BenchOptions["limits"], string]>([
    [
      "if its headers do not come to an end",
      { headersMs: 50 },
      "POST /jsonrpc HTTP/1.1\r\nHost: x\r\n",
    ],
    ["if nothing follows on a request", { idleMs: 50 }, post(ping, { Connection: "" })],
    ["if nothing comes at all", { handshakeMs: 50 }, ""],
  ])("%s", async (_what, limits, text) => {
    const { at, lines } = await startListener({ tcp, limits: limits ?? {} });
    await exchange(at, text);
    expect(lines.map((line) => line["msg"])).toContain("connection timed out");
  });

  it("if its reply is not taken", async () => {
    const handlers = { "Large.get": async () => await Promise.resolve("x".repeat(50_000_000)) };
    const { at, lines } = await startListener({ tcp, handlers, limits: { idleMs: 50 } });
    const socket = connect(at).pause();
    socket.on("error", () => undefined);
    socket.write(post('{"jsonrpc":"2.0","method":"Large.get","id":1}', { Connection: "" }));
    await expect.poll(() => lines.map((line) => line["msg"])).toContain("connection timed out");
    socket.destroy();
  });

  it("if it has said nothing and another needs its place, and said so", async () => {
    const { at, lines } = await startListener({ tcp, limits: { connections: 1 } });
    const first = connect(at);
    const ended = new Promise((resolve) => first.once("close", resolve));
    await new Promise((resolve) => first.once("connect", resolve));
    expect(bodyOf(await exchange(at, post(ping)))).toBe(pong);
    await ended;
    expect(lines.map((line) => line["msg"])).toContain(
      "too many connections, dropped the least active",
    );
  });
});

describe("the Unix socket", () => {
  const viaSocket = async (headers: Record<string, string> = {}) =>
    await exchange({ path: socketPath() }, post(ping, headers));

  it("is made with its folder, is for its owner only, answers, and is gone after", async () => {
    const { listener, lines } = await startListener({ unixSocket: socketPath() });
    expect(statSync(socketPath()).mode & 0o7777).toBe(0o600);
    expect(bodyOf(await viaSocket())).toBe(pong);
    expect(statusOf(await viaSocket({ "Content-Type": "x" }))).toBe(415);
    expect(lines.map((line) => line["msg"])).toContain("listening on the Unix socket");
    await listener.close();
    expect(existsSync(socketPath())).toBe(false);
  });

  it("takes a request from localhost, as programs call it, and from no page", async () => {
    await startListener({ unixSocket: socketPath() });
    expect(statusOf(await viaSocket({ Origin: "http://127.0.0.1:54321" }))).toBe(403);
    expect(statusOf(await viaSocket({ Host: "evil", Origin: "http://evil" }))).toBe(403);
    expect(statusOf(await viaSocket({ Origin: "http://localhost" }))).toBe(200);
  });

  it("takes the place of one that nobody answers on", async () => {
    const path = inFolder("stale.sock");
    const child = await import("node:child_process");
    const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    child.spawnSync(process.execPath, ["-e", script]);
    expect(statSync(path).isSocket()).toBe(true);
    await startListener({ unixSocket: path });
    expect(bodyOf(await exchange({ path }, post(ping)))).toBe(pong);
  });

  it("leaves one alone on which somebody answers", async () => {
    await startListener({ unixSocket: socketPath() });
    await expect(startListener({ unixSocket: socketPath() })).rejects.toThrow(
      /another process answers/,
    );
    expect(bodyOf(await viaSocket())).toBe(pong);
  });

  it("leaves a file alone that is no socket", async () => {
    const path = inFolder("file");
    writeFileSync(path, "kept");
    await expect(startListener({ unixSocket: path })).rejects.toThrow(/is no socket/);
    expect(readFileSync(path, "utf8")).toBe("kept");
  });
});

describe("a door that cannot open", () => {
  it("is named, and the others are closed again", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const unixSocket = inFolder("half.sock");
    const started = startListener({ unixSocket, tcp: { host: "127.0.0.1", port } });
    await expect(started).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
    expect(existsSync(unixSocket)).toBe(false);
    taken.close();
  });
});

describe("close", () => {
  it("ends within a second although a verb does not, and connections idle or silent are open", async () => {
    let called: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      called = resolve;
    });
    const never = new Promise<never>(() => undefined);
    const handlers = {
      "Slow.wait": async () => {
        called();
        return await never;
      },
    };
    const { listener, at } = await startListener({ tcp, handlers });
    const silent = connect(at);
    const closed = new Promise((resolve) => silent.once("close", resolve));
    silent.on("error", () => undefined);
    await new Promise((resolve) => silent.once("connect", resolve));
    const reply = exchange(at, post('{"jsonrpc":"2.0","method":"Slow.wait","id":1}'));
    await begun;
    const before = process.hrtime.bigint();
    await listener.close();
    expect(Number(process.hrtime.bigint() - before) / 1e6).toBeLessThan(1000);
    expect(await reply).toBe("");
    await closed;
  });

  it("lets a reply in the making go out", async () => {
    let finish: (value: true) => void = () => undefined;
    let called: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      called = resolve;
    });
    const handlers = {
      "Slow.wait": async () => {
        called();
        return await new Promise<true>((resolve) => {
          finish = resolve;
        });
      },
    };
    const { listener, at } = await startListener({ tcp, handlers });
    const text = post('{"jsonrpc":"2.0","method":"Slow.wait","id":1}', { Connection: "" });
    const reply = exchange(at, text);
    await begun;
    const ended = listener.close();
    finish(true);
    expect(bodyOf(await reply)).toBe(pong);
    await ended;
  });
});

it("an ordinary HTTP client with keep-alive is served", async () => {
  const { at } = await startListener({ tcp });
  const body = await new Promise<string>((resolve, reject) => {
    const request = httpRequest(
      { ...at, path: "/jsonrpc", method: "POST", headers: { "content-type": "application/json" } },
      (response) => {
        response.setEncoding("utf8").on("data", resolve);
      },
    );
    request.on("error", reject).end(ping);
  });
  expect(body).toBe(pong);
});
