/**
 * A destination's daemon as a peer client meets it: a server on loopback that ends with its test, one
 * answer to whatever it is asked, and the client and peer that ask.
 */
import type { AddressInfo, Server, Socket } from "node:net";
import { onTestFinished } from "vitest";
import { createLog } from "../../src/logger.ts";
import type { PeerTls } from "../../src/peer/peer-address.ts";
import { PeerClient } from "../../src/peer/peer-client.ts";
import { Peer } from "../../src/peer/peer.ts";

const DEADLINE_MS = 10_000;

export interface Listening {
  readonly port: number;
  /** Hangs up on everybody and refuses whoever comes. */
  readonly stop: () => void;
}

export async function listen(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  const stop = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(stop);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return { port: (server.address() as AddressInfo).port, stop };
}

/** Speaks STOMP as a daemon does, and answers every request like this. */
export function daemonLike(answer: Readonly<Record<string, unknown>>): (socket: Socket) => void {
  return (socket) => {
    socket.on("error", () => undefined);
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

export function clientWith(tls: PeerTls | null, deadlineMs = DEADLINE_MS): PeerClient {
  const client = new PeerClient(
    tls,
    () => performance.now(),
    () => deadlineMs,
  );
  onTestFinished(() => client.close());
  return client;
}

export function peerAt(port: number, tls: PeerTls | null = null, deadlineMs = DEADLINE_MS): Peer {
  const log = createLog({ level: "error", stream: { write: () => undefined } });
  const times = { deadlineMs: () => deadlineMs, nowMs: () => performance.now() };
  return new Peer({ host: "127.0.0.1", port }, clientWith(tls, deadlineMs), log, times);
}
