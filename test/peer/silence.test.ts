/**
 * What a source makes of whatever answers, or does not, where it looks for a destination's daemon:
 * the cause by which a migration is judged, in words, over real sockets.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { SilenceCause } from "../../src/core/destination.ts";
import { createLog } from "../../src/logger.ts";
import type { PeerTls } from "../../src/peer/peer-address.ts";
import { Peer } from "../../src/peer/peer.ts";
import { PeerClient } from "../../src/peer/peer-client.ts";
import { silenceOf, strangerIn } from "../../src/peer/silence.ts";
import { makeCertificate, makeCertificates } from "../rpc/lines.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "peer-silence-"));
  makeCertificates(dir);
  makeCertificate(dir, "expired", { days: -1 });
});
afterAll(() => rmSync(dir, { recursive: true }));

const servers: Server[] = [];
const clients: PeerClient[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) server.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
});

const pem = (file: string): Buffer => readFileSync(join(dir, file));

function files(name: string, ca = "ca"): { ca: Buffer; cert: Buffer; key: Buffer } {
  return { ca: pem(`${ca}.pem`), cert: pem(`${name}.pem`), key: pem(`${name}.key`) };
}

async function listening(server: Server): Promise<number> {
  servers.push(server);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

const tcp = (onConnect: (socket: Socket) => void): Server => createTcpServer(onConnect);

/** Speaks STOMP as a daemon does, and answers any question so. */
function daemonLike(answer: Record<string, unknown>): (socket: Socket) => void {
  return (socket) => {
    socket.on("data", (data: Buffer) => {
      const text = data.toString();
      if (text.includes("CONNECT\n")) socket.write("CONNECTED\nversion:1.2\n\n\0");
      const id = /"id":"([^"]+)"/.exec(text)?.[1];
      if (id === undefined) return;
      const body = JSON.stringify({ jsonrpc: "2.0", id, ...answer });
      socket.write(`MESSAGE\ndestination:d\ncontent-length:${body.length}\n\n${body}\0`);
    });
  };
}

const ANSWER_MS = 300;
const LONG_MS = 10_000;

async function countsOf(port: number, tls: PeerTls | null, withinMs = LONG_MS): Promise<Peer> {
  const nowMs = (): number => performance.now();
  const client = new PeerClient(tls, nowMs, () => withinMs);
  clients.push(client);
  const log = createLog({ level: "error", stream: { write: () => undefined } });
  const times = { deadlineMs: () => withinMs, nowMs };
  const peer = new Peer({ host: "127.0.0.1", port }, client, log, times);
  await peer.askCounts();
  return peer;
}

const PORT_OF_NOBODY = 1;
const counts = { incomingVmMigrations: 0, outgoingVmMigrations: 0 };

describe("without TLS", () => {
  it.each<[string, () => Server, SilenceCause, RegExp]>([
    ["an HTTP server", () => createHttpServer(), "notADaemon", /it is an HTTP server/],
    [
      "an SSH server",
      () => tcp((socket) => socket.write("SSH-2.0-OpenSSH_9.2p1\r\n")),
      "notADaemon",
      /SSH server/,
    ],
    ["an echo", () => tcp((socket) => socket.pipe(socket)), "notADaemon", /does not speak STOMP/],
    [
      "garbage, byte by byte",
      () => tcp((socket) => [1, 2, 3].forEach((byte) => socket.write(Buffer.from([byte])))),
      "notADaemon",
      /does not speak STOMP/,
    ],
    ["a TLS server", () => createTlsServer(files("host")), "closed", /does it require TLS/],
    ["one that closes at once", () => tcp((socket) => socket.end()), "closed", /without answering/],
    [
      "a broker that refuses the login",
      () => tcp((socket) => socket.end("ERROR\nmessage:Bad CONNECT\n\n\0")),
      "closed",
      /it sent ERROR: Bad CONNECT/,
    ],
    [
      "a daemon of something else",
      () => tcp(daemonLike({ result: { uptime: 1 } })),
      "notADaemon",
      /no migration counts/,
    ],
    [
      "one that does not know the question",
      () => tcp(daemonLike({ error: { code: -32601, message: "no such method" } })),
      "notADaemon",
      /no such method/,
    ],
    [
      "one where this host may not ask",
      () => tcp(daemonLike({ error: { code: 1101, message: "role none" } })),
      "denied",
      /role none/,
    ],
    [
      "one that is just starting",
      () => tcp(daemonLike({ error: { code: 99, message: "recovering" } })),
      "busy",
      /recovering/,
    ],
    [
      "one with an error of its own",
      () => tcp(daemonLike({ error: { code: -32603, message: "oops" } })),
      "failed",
      /oops/,
    ],
  ])("%s", async (_name, server, cause, text) => {
    const peer = await countsOf(await listening(server()), null);
    expect(peer.silence).toMatchObject({ cause, text: expect.stringMatching(text) });
    expect(peer.reached).toBe(cause === "busy");
  });

  it("nobody at the port: refused, with what may be missing there", async () => {
    const { silence } = await countsOf(PORT_OF_NOBODY, null);
    expect(silence).toMatchObject({
      cause: "refused",
      text: expect.stringMatching(/management_ip/),
    });
  });

  it("one that says nothing: not in time", async () => {
    const { silence } = await countsOf(await listening(tcp(() => undefined)), null, ANSWER_MS);
    expect(silence).toMatchObject({
      cause: "timeout",
      text: expect.stringMatching(/connected, but no STOMP answer within 300 ms/),
    });
  });

  it("a daemon is reached, and its end later is no refusal", async () => {
    const port = await listening(tcp(daemonLike({ result: counts })));
    const peer = await countsOf(port, null);
    expect(peer.counts()).toMatchObject({ kind: "counted", migrations: 0 });
    expect(peer.reached).toBe(true);
    for (const socket of sockets) socket.destroy();
    servers[0]?.close();
    await peer.askCounts();
    expect(["broken", "refused", "closed"]).toContain(peer.silence.cause);
  });
});

describe("with TLS", () => {
  const mutual = { requestCert: true, rejectUnauthorized: true } as const;
  it.each<[string, () => Server, () => PeerTls, SilenceCause, RegExp]>([
    [
      "an HTTPS server",
      () => createHttpsServer(files("host")),
      () => files("engine"),
      "notADaemon",
      /it is an HTTP server/,
    ],
    [
      "an HTTP server",
      () => createHttpServer(),
      () => files("engine"),
      "notADaemon",
      /does not use TLS/,
    ],
    [
      "an SSH server",
      () => tcp((socket) => socket.write("SSH-2.0-OpenSSH_9.2p1\r\n")),
      () => files("engine"),
      "notADaemon",
      /does not use TLS/,
    ],
    [
      "a daemon without TLS, which closes",
      () => tcp((socket) => socket.once("data", () => socket.end())),
      () => files("engine"),
      "closed",
      /TLS/,
    ],
    [
      "a certificate that has expired",
      () => createTlsServer(files("expired")),
      () => files("engine"),
      "certificateThere",
      /expired/,
    ],
    [
      "a certificate of another authority",
      () => createTlsServer(files("stranger")),
      () => files("engine"),
      "certificateThere",
      /not accepted here/,
    ],
    [
      "this host's certificate is not there",
      () => createTlsServer(files("host")),
      () => ({}),
      "noCertificate",
      /no usable client certificate/,
    ],
    [
      "this host's certificate is no certificate",
      () => createTlsServer(files("host")),
      () => ({ ...files("engine"), cert: Buffer.from("nonsense") }),
      "noCertificate",
      /cannot be used/,
    ],
  ])("%s", async (_name, server, own, cause, text) => {
    const { silence } = await countsOf(await listening(server()), own());
    expect(silence).toMatchObject({ cause, text: expect.stringMatching(text) });
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)(
    "%s: this host's certificate is refused there, or the connection closed for it",
    async (version) => {
      const server = createTlsServer({
        ...files("host"),
        ...mutual,
        minVersion: version,
        maxVersion: version,
      });
      const own = { ...files("stranger"), ca: pem("ca.pem") };
      const { silence } = await countsOf(await listening(server), own);
      expect(["certificateHere", "closed"]).toContain(silence.cause);
    },
  );
});

describe("silenceOf", () => {
  const error = (code: string, message = `it said ${code}`): Error =>
    Object.assign(new Error(message), { code });
  it.each<[string, Error, SilenceCause]>([
    ["a name that does not exist", error("ENOTFOUND"), "nameUnknown"],
    ["a resolver that does not answer", error("EAI_AGAIN"), "resolverSilent"],
    ["no route", error("EHOSTUNREACH"), "unreachable"],
    ["no network", error("ENETUNREACH"), "unreachable"],
    ["no answer to the first packet", error("ETIMEDOUT"), "timeout"],
    ["an address without its scope", error("EINVAL"), "badAddress"],
    ["no descriptor left here", error("EMFILE"), "unreachable"],
    [
      "refused at one address, silent at another",
      new AggregateError([error("ECONNREFUSED"), error("ETIMEDOUT")]),
      "timeout",
    ],
    [
      "refused at all of them",
      new AggregateError([error("ECONNREFUSED"), error("ECONNREFUSED")]),
      "refused",
    ],
    [
      "an alert about this certificate",
      error("ERR_SSL_X", "tlsv13 alert certificate required"),
      "certificateHere",
    ],
    [
      "an alert about its authority",
      error("ERR_SSL_X", "tlsv1 alert unknown ca"),
      "certificateHere",
    ],
    ["another TLS error", error("ERR_SSL_UNSUPPORTED_PROTOCOL"), "notADaemon"],
  ])("%s", (_name, from, cause) => {
    const found = silenceOf(from, "host-b:54321", "host-b", "connect");
    expect(found.cause).toBe(cause);
    expect(found.text).toMatch(/host-b/);
  });
});

describe("strangerIn", () => {
  it.each(["", "\n", "C", "CONNECTED", "CONNECTED\n", "\r\nERROR\r\n", "ERR"])(
    "%j may be a daemon's",
    (first) => expect(strangerIn(Buffer.from(first))).toBeUndefined(),
  );
  it.each(["CONNECT\n", "CONNECTEDX", "HTTP/1.1 400", "SSH-2.0", "\u0016\u0003\u0001", "x", "\0"])(
    "%j is not",
    (first) => expect(strangerIn(Buffer.from(first, "latin1"))).toEqual(expect.any(String)),
  );
});
