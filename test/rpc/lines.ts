/** What the listener's tests share: a listener over a small verb table, raw exchanges, certificates. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, type NetConnectOpts } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { createLog } from "../../src/logger.ts";
import type { Client } from "../../src/rpc/client.ts";
import { Dispatcher } from "../../src/rpc/dispatcher.ts";
import { EventRing } from "../../src/rpc/event-ring.ts";
import type { Handlers } from "../../src/rpc/handlers.ts";
import type { EventMessage } from "../../src/wire/event-message.ts";
import { defaultRpcLimits, type RpcLimits } from "../../src/rpc/limits.ts";
import type { ListenerOptions } from "../../src/rpc/listener-options.ts";
import { Listener } from "../../src/rpc/listener.ts";
import type { Verb, Verbs } from "../../src/wire/verb.ts";

export const ping = '{"jsonrpc":"2.0","method":"Host.ping2","id":1}';
export const pong = '{"jsonrpc":"2.0","id":1,"result":true}';

/** A client that may do everything. */
export function controlClient(fields: Partial<Client> = {}): Client {
  const address = "192.0.2.1:4242";
  return { address, name: address, source: "192.0.2.1", role: () => "control", ...fields };
}

/** Verbs that control may call, without parameters. */
export function verbsOf(names: readonly string[], more: Partial<Verb> = {}): Verbs {
  const verb: Verb = {
    aliases: [],
    roles: ["control"],
    params: {},
    unknownKeys: "ignore",
    result: { kind: "true", doc: "" },
    errors: [],
    doc: "",
    ...more,
  };
  return Object.fromEntries(names.map((name) => [name, verb]));
}

/** Loopback, at a port that the kernel picks. */
export const tcp = { host: "127.0.0.1", port: 0 } as const;

export interface Bench {
  readonly listener: Listener;
  /** Its TCP port; port 0: it has none. */
  readonly at: { readonly host: string; readonly port: number };
  readonly lines: Record<string, unknown>[];
  /** Verbs called so far. */
  readonly calls: string[];
  /** As the monitor does: numbered, then sent. */
  readonly tell: (event: EventMessage) => void;
}

export type BenchOptions = Partial<Omit<ListenerOptions, "limits">> & {
  readonly limits?: Partial<RpcLimits>;
  readonly handlers?: Handlers;
  /** Default: those of the handlers, for control. */
  readonly verbs?: Verbs;
};

/** Closed when the test ends. */
export async function startListener(options: BenchOptions): Promise<Bench> {
  const lines: Record<string, unknown>[] = [];
  const calls: string[] = [];
  const log = createLog({
    level: "debug",
    stream: { write: (line) => lines.push(JSON.parse(line)) },
  });
  const handlers: Handlers = {
    "Host.ping2": async () => {
      calls.push("Host.ping2");
      return await Promise.resolve(true);
    },
    ...options.handlers,
  };
  const verbs = options.verbs ?? verbsOf(Object.keys(handlers));
  const limits = { ...defaultRpcLimits, ...options.limits };
  const dispatcher = new Dispatcher(log, verbs, handlers, limits);
  const events = new EventRing(limits.events);
  const listener = new Listener(log, dispatcher, { ownOrigins: [], ...options, limits }, events);
  await listener.start();
  onTestFinished(async () => await listener.close());
  const tell = (event: EventMessage): void => listener.broadcast(events.add(event));
  const at = { host: "127.0.0.1", port: listener.port ?? 0 };
  return { listener, at, lines, calls, tell };
}

/** Sends the text as it is and returns all that came back until the other end closed. */
export async function exchange(
  to: NetConnectOpts | Duplex,
  text: string | Buffer,
): Promise<string> {
  const socket = "write" in to ? to : connectTcp(to);
  return await new Promise((resolve) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => undefined);
    socket.on("end", () => socket.end());
    socket.once("close", () => resolve(Buffer.concat(chunks).toString()));
    socket.write(text);
  });
}

/** A POST as text, with `Connection: close`; headers may be replaced or, with "", left out. */
export function post(
  body: string,
  headers: Record<string, string> = {},
  start = "POST /jsonrpc",
): string {
  const all = {
    Host: "host-b",
    "Content-Type": "application/json",
    "Content-Length": String(Buffer.byteLength(body)),
    Connection: "close",
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === "" ? [] : [`${name}: ${value}`],
  );
  return `${start} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`;
}

export function statusOf(reply: string): number {
  return Number(/^HTTP\/1\.1 (\d+)/.exec(reply)?.[1] ?? 0);
}

export function bodyOf(reply: string): string {
  return reply.slice(reply.indexOf("\r\n\r\n") + 4);
}

/** A folder for all tests of the file, and what is in it. */
export interface Folder {
  readonly path: (name: string) => string;
  readonly pem: (name: string) => Buffer;
  /** The paths of a certificate, as the listener takes them. */
  readonly files: (name?: string) => { ca: string; cert: string; key: string };
  /** The certificate itself, as a client takes it. */
  readonly client: (name?: string) => { ca: Buffer; cert: Buffer; key: Buffer };
}

/** Registers vitest's hooks; `fill` puts into the folder what the tests need. */
export function useFolder(fill: (dir: string) => void = () => undefined): Folder {
  let dir = "";
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "rpc-"));
    fill(dir);
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const path = (name: string): string => join(dir, name);
  const pem = (name: string): Buffer => readFileSync(path(name));
  return {
    path,
    pem,
    files: (name = "host") => ({
      ca: path("ca.pem"),
      cert: path(`${name}.pem`),
      key: path(`${name}.key`),
    }),
    client: (name = "engine") => ({
      ca: pem("ca.pem"),
      cert: pem(`${name}.pem`),
      key: pem(`${name}.key`),
    }),
  };
}

/** A throw-away authority with two certificates, and a stranger's authority with one. */
export function makeCertificates(dir: string): void {
  for (const ca of ["ca", "strange-ca"]) {
    const out = ["-keyout", `${ca}.key`, "-out", `${ca}.pem`];
    openssl(dir, "req", "-x509", ...KEY, ...out, "-days", "2", "-subj", `/CN=${ca}`);
  }
  makeCertificate(dir, "host");
  makeCertificate(dir, "engine");
  makeCertificate(dir, "stranger", { ca: "strange-ca" });
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

export interface CertificateOptions {
  readonly ca?: string;
  /** As openssl's -subj takes it; default: the name alone. */
  readonly subject?: string;
  /** Default: IP:127.0.0.1. */
  readonly alternatives?: string;
  /** From now on; default: 2. Negative: it has expired. */
  readonly days?: number;
}

/** `<name>.pem` and `<name>.key` by an authority that is in the folder. */
export function makeCertificate(dir: string, name: string, options: CertificateOptions = {}): void {
  const { ca = "ca", subject = `/CN=${name}`, alternatives = "IP:127.0.0.1", days = 2 } = options;
  const request = ["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", subject];
  openssl(dir, "req", ...KEY, ...request, "-utf8", "-multivalue-rdn");
  const by = ["-CA", `${ca}.pem`, "-CAkey", `${ca}.key`, "-CAcreateserial", "-days", String(days)];
  writeFileSync(join(dir, `${name}.ext`), `subjectAltName=${alternatives}\n`);
  const into = ["-extfile", `${name}.ext`, "-out", `${name}.pem`];
  openssl(dir, "x509", "-req", "-in", `${name}.csr`, ...by, ...into);
}

export function openssl(dir: string, ...args: string[]): string {
  return execFileSync("openssl", args, { cwd: dir, stdio: "pipe" }).toString();
}
