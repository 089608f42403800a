/** What the listener's tests share: a listener over a small verb table, raw exchanges, certificates. */

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect as connectTcp, type NetConnectOpts } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { createLog } from "../../src/logger.ts";
import { Dispatcher } from "../../src/rpc/dispatcher.ts";
import { EventRing } from "../../src/rpc/event-ring.ts";
import type { Handlers } from "../../src/rpc/handlers.ts";
import { defaultRpcLimits, type RpcLimits } from "../../src/rpc/limits.ts";
import { Listener, type ListenerOptions } from "../../src/rpc/listener.ts";
import type { VerbRow } from "../../src/rpc/verb-table.ts";

export const ping = '{"jsonrpc":"2.0","method":"Host.ping2","id":1}';
export const pong = '{"jsonrpc":"2.0","id":1,"result":true}';

export interface Bench {
  readonly listener: Listener;
  readonly lines: Record<string, unknown>[];
  /** Verbs called so far. */
  readonly calls: string[];
}

export type BenchOptions = Partial<Omit<ListenerOptions, "limits">> & {
  readonly limits?: Partial<RpcLimits>;
  readonly handlers?: Handlers;
};

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
  const verbs = Object.keys(handlers).map(
    (name): VerbRow => ({
      name,
      aliases: [],
      params: [],
      unknownKeys: "ignore",
      result: "",
      doc: "",
    }),
  );
  const limits = { ...defaultRpcLimits, ...options.limits };
  const dispatcher = new Dispatcher(log, verbs, handlers, limits);
  const events = new EventRing(limits.events);
  const listener = new Listener(log, dispatcher, { ownOrigins: [], ...options, limits }, events);
  await listener.start();
  return { listener, lines, calls };
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

/** A throw-away authority with two certificates, and a stranger's authority with one. */
export function makeCertificates(dir: string): void {
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  writeFileSync(join(dir, "san.txt"), "subjectAltName=IP:127.0.0.1\n");
  for (const ca of ["ca", "strange-ca"]) {
    const out = ["-keyout", `${ca}.key`, "-out", `${ca}.pem`];
    openssl("req", "-x509", ...key, ...out, "-days", "2", "-subj", `/CN=${ca}`);
  }
  for (const [name, ca] of [
    ["host", "ca"],
    ["engine", "ca"],
    ["stranger", "strange-ca"],
  ] as const) {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    const by = ["-CA", `${ca}.pem`, "-CAkey", `${ca}.key`, "-CAcreateserial", "-days", "2"];
    openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      ...by,
      "-extfile",
      "san.txt",
      "-out",
      `${name}.pem`,
    );
  }
}
