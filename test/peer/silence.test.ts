/**
 * What a source makes of whatever answers, or does not, where it looks for a destination's daemon:
 * the cause by which a migration is judged, in words, over real sockets.
 */

import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { describe, expect, it } from "vitest";
import type { SilenceCause } from "../../src/core/destination.ts";
import type { PeerTls } from "../../src/peer/peer-address.ts";
import type { Peer } from "../../src/peer/peer.ts";
import { silenceOf, strangerIn } from "../../src/peer/silence.ts";
import { makeCertificate, makeCertificates, useFolder } from "../rpc/lines.ts";
import { daemonLike, listen, peerAt } from "./destination.ts";

const { client, pem } = useFolder((dir) => {
  makeCertificates(dir);
  makeCertificate(dir, "expired", { days: -1 });
});

const tcp = (onConnect: (socket: Socket) => void): Server => createTcpServer(onConnect);
const ssh = (): Server => tcp((socket) => socket.write("SSH-2.0-OpenSSH_9.2p1\r\n"));
const says = (text: string) => (): Server => tcp((socket) => socket.end(text));
const bytewise = (socket: Socket): void =>
  [1, 2, 3].forEach((byte) => socket.write(Buffer.from([byte])));
/** A daemon that answers each question with this error. */
const fails = (code: number, message: string) => (): Server =>
  tcp(daemonLike({ error: { code, message } }));
const engine = (): PeerTls => client("engine");
const tlsWith = (certificate: string) => (): Server => createTlsServer(client(certificate));

const ANSWER_MS = 300;

async function countsOf(port: number, tls: PeerTls | null, withinMs?: number): Promise<Peer> {
  const peer = peerAt(port, tls, withinMs);
  await peer.askCounts();
  return peer;
}

const PORT_OF_NOBODY = 1;
const counts = { incomingVmMigrations: 0, outgoingVmMigrations: 0 };

describe("without TLS", () => {
  it.each<[string, () => Server, SilenceCause, RegExp]>([
    ["an HTTP server", () => createHttpServer(), "notADaemon", /it is an HTTP server/],
    ["an SSH server", ssh, "notADaemon", /SSH server/],
    ["an echo", () => tcp((socket) => socket.pipe(socket)), "notADaemon", /does not speak STOMP/],
    ["garbage, byte by byte", () => tcp(bytewise), "notADaemon", /does not speak STOMP/],
    ["a TLS server", tlsWith("host"), "closed", /does it require TLS/],
    ["one that closes at once", says(""), "closed", /without answering/],
    ["a broker", says("ERROR\nmessage:Bad CONNECT\n\n\0"), "closed", /it sent ERROR: Bad CONNECT/],
    ["another daemon", () => tcp(daemonLike({ result: {} })), "notADaemon", /no migration counts/],
    ["one without the verb", fails(-32601, "no such method"), "notADaemon", /no such method/],
    ["one where this host may not ask", fails(1101, "role none"), "denied", /role none/],
    ["one that is just starting", fails(99, "recovering"), "busy", /recovering/],
    ["one with an error of its own", fails(-32603, "oops"), "failed", /oops/],
  ])("%s", async (_name, server, cause, text) => {
    const peer = await countsOf((await listen(server())).port, null);
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
    const { silence } = await countsOf((await listen(tcp(() => undefined))).port, null, ANSWER_MS);
    expect(silence).toMatchObject({
      cause: "timeout",
      text: expect.stringMatching(/connected, but no STOMP answer within 300 ms/),
    });
  });

  it("a daemon is reached, and its end later is no refusal", async () => {
    const { port, stop } = await listen(tcp(daemonLike({ result: counts })));
    const peer = await countsOf(port, null);
    expect(peer.counts()).toMatchObject({ kind: "counted", migrations: 0 });
    expect(peer.reached).toBe(true);
    stop();
    await peer.askCounts();
    expect(["broken", "refused", "closed"]).toContain(peer.silence.cause);
  });
});

describe("with TLS", () => {
  const mutual = { requestCert: true, rejectUnauthorized: true } as const;
  const https = (): Server => createHttpsServer(client("host"));
  const closes = (): Server => tcp((socket) => socket.once("data", () => socket.end()));
  const nonsense = (): PeerTls => ({ ...engine(), cert: Buffer.from("nonsense") });
  it.each<[string, () => Server, () => PeerTls, SilenceCause, RegExp]>([
    ["an HTTPS server", https, engine, "notADaemon", /it is an HTTP server/],
    ["an HTTP server", () => createHttpServer(), engine, "notADaemon", /does not use TLS/],
    ["an SSH server", ssh, engine, "notADaemon", /does not use TLS/],
    ["a daemon without TLS, which closes", closes, engine, "closed", /TLS/],
    ["an expired certificate", tlsWith("expired"), engine, "certificateThere", /expired/],
    ["another authority's", tlsWith("stranger"), engine, "certificateThere", /not accepted here/],
    ["none here", tlsWith("host"), () => ({}), "noCertificate", /no usable client certificate/],
    ["nonsense here", tlsWith("host"), nonsense, "noCertificate", /cannot be used/],
  ])("%s", async (_name, server, own, cause, text) => {
    const { silence } = await countsOf((await listen(server())).port, own());
    expect(silence).toMatchObject({ cause, text: expect.stringMatching(text) });
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)(
    "%s: this host's certificate is refused there, or the connection closed for it",
    async (version) => {
      const server = createTlsServer({
        ...client("host"),
        ...mutual,
        minVersion: version,
        maxVersion: version,
      });
      const own = { ...client("stranger"), ca: pem("ca.pem") };
      const { silence } = await countsOf((await listen(server)).port, own);
      expect(["certificateHere", "closed"]).toContain(silence.cause);
    },
  );
});

describe("silenceOf", () => {
  const error = (code: string, message = `it said ${code}`): Error =>
    Object.assign(new Error(message), { code });
  const failed = (...codes: string[]): Error =>
    new AggregateError(codes.map((code) => error(code)));
  const alert = (text: string): Error => error("ERR_SSL_X", `tlsv1 alert ${text}`);
  it.each<[string, Error, SilenceCause]>([
    ["a name that does not exist", error("ENOTFOUND"), "nameUnknown"],
    ["a resolver that does not answer", error("EAI_AGAIN"), "resolverSilent"],
    ["no route", error("EHOSTUNREACH"), "unreachable"],
    ["no network", error("ENETUNREACH"), "unreachable"],
    ["no answer to the first packet", error("ETIMEDOUT"), "timeout"],
    ["an address without its scope", error("EINVAL"), "badAddress"],
    ["no descriptor left here", error("EMFILE"), "unreachable"],
    ["refused at one address, silent at another", failed("ECONNREFUSED", "ETIMEDOUT"), "timeout"],
    ["refused at all of them", failed("ECONNREFUSED", "ECONNREFUSED"), "refused"],
    ["an alert about this certificate", alert("certificate required"), "certificateHere"],
    ["an alert about its authority", alert("unknown ca"), "certificateHere"],
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
