/**
 * The daemon's real RPC edge on top of the checking service: dispatcher, verbs, event ring and
 * listener, on a Unix socket and on loopback, with its log checked. What the edge keeps in memory
 * on purpose is limited to little, so that it is full early and any growth after that is a leak.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:net";
import type { EventMessage } from "../../src/wire/event-message.ts";
import { Dispatcher } from "../../src/rpc/dispatcher.ts";
import { EventRing } from "../../src/rpc/event-ring.ts";
import { bindVerbs } from "../../src/rpc/handlers.ts";
import { defaultRpcLimits, type RpcLimits } from "../../src/rpc/limits.ts";
import { Listener } from "../../src/rpc/listener.ts";
import { verbTable } from "../../src/wire/verbs.ts";
import { watchedLog, type WatchedLog } from "./log.ts";
import { watchingService } from "./service.ts";
import { claim, DEADLINE_MS, show, within } from "./target.ts";

/** Deadlines keep their defaults: whatever ends only by a deadline hangs. */
const limits: RpcLimits = {
  ...defaultRpcLimits,
  stomp: { ...defaultRpcLimits.stomp, lingerMs: 20 },
  events: { count: 64, bytes: 65_536 },
  resends: { ...defaultRpcLimits.resends, clients: 8, requestsPerClient: 32 },
};

export interface DispatcherBench {
  readonly dispatcher: Dispatcher;
  readonly ring: EventRing;
  readonly journal: WatchedLog;
}

export function startDispatcher(): DispatcherBench {
  const journal = watchedLog();
  const ring = new EventRing(limits.events);
  const handlers = bindVerbs(watchingService(), ring, "1.2.3");
  return { dispatcher: new Dispatcher(journal.log, verbTable, handlers, limits), ring, journal };
}

export interface Edge {
  readonly listener: Listener;
  readonly path: string;
  readonly port: number;
  /** Sends an event to all listeners, as the monitor does. */
  readonly tell: (event: EventMessage) => void;
  /** The next valid request is answered, no socket is left open, the log is clean. */
  readonly check: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

const PING = '{"jsonrpc":"2.0","method":"Host.ping2","id":1}';
const PONG = '{"jsonrpc":"2.0","id":1,"result":true}';
const GOOD_REQUEST =
  "POST /jsonrpc HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n" +
  `Content-Length: ${PING.length}\r\nConnection: close\r\n\r\n${PING}`;

export async function startEdge(): Promise<Edge> {
  const folder = await mkdtemp(join(tmpdir(), "vdsm-fuzz-"));
  const path = join(folder, "rpc.sock");
  const { dispatcher, ring, journal } = startDispatcher();
  const tcp = { host: "127.0.0.1", port: 0 };
  const options = { tcp, unixSocket: path, ownOrigins: [], limits };
  const listener = new Listener(journal.log, dispatcher, options, ring);
  await listener.start();
  // Standard output and error may be pipes, which are opened on first access.
  claim(process.stdout.fd > 0 && process.stderr.fd > 0, "no standard output");
  const before = openSockets();
  return {
    listener,
    path,
    port: listener.port ?? 0,
    tell: (event) => listener.broadcast(ring.add(event)),
    check: async () => {
      const reply = await within(askOnce(path), "the valid request");
      claim(reply.endsWith(PONG), `the valid request got ${show(reply)}`);
      await claimSockets(before);
      claim(listener.clients === 0, `${listener.clients} clients are still connected`);
      journal.claimClean();
    },
    stop: async () => {
      await within(listener.close(), "close");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function askOnce(path: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    let reply = "";
    const socket = connect({ path });
    socket.on("data", (chunk: Buffer) => {
      reply += chunk.toString("latin1");
    });
    socket.once("error", reject);
    socket.once("close", () => resolve(reply));
    socket.write(GOOD_REQUEST);
  });
}

/** Of both ends, because both are in this process. */
function openSockets(): number {
  return process
    .getActiveResourcesInfo()
    .filter((kind) => kind === "PipeWrap" || kind === "TCPSocketWrap" || kind === "TCPWRAP").length;
}

async function claimSockets(before: number): Promise<void> {
  const until = Date.now() + DEADLINE_MS;
  while (openSockets() > before) {
    claim(Date.now() < until, `${openSockets() - before} sockets are left open`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
