/**
 * The doors: TCP, with mutual TLS unless configured otherwise, and the Unix socket.
 *
 * The listener owns every connection from accept to end. It looks at a connection's first bytes,
 * after the TLS handshake and without taking them, and hands the connection to who speaks that
 * protocol; so all protocols share a port (STOMP and HTTP by `protocolOf`, WebSocket by HTTP's own
 * handshake). The HTTP server never listens itself: it is handed sockets, and since Node then checks
 * none of its timeouts, each connection has one deadline here: handshake, headers, idle. A STOMP
 * connection keeps its own time. Verbs and their meaning are not known here.
 */

import { randomUUID } from "node:crypto";
import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type RequestListener,
} from "node:http";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { Server as TlsServer } from "node:tls";
import { systemClock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { Log } from "../logger.ts";
import type { MonitorEvent } from "../monitor/service.ts";
import type { Client, Dispatcher } from "./dispatcher.ts";
import type { EventRing } from "./event-ring.ts";
import { type Protocol, protocolOf } from "./first-bytes.ts";
import { answerPost, type Door } from "./http.ts";
import { defaultRpcLimits, type RpcLimits } from "./limits.ts";
import { StompPeers } from "./stomp.ts";
import { createMutualTls, fingerprintOf, rereadTlsFiles, type TlsFiles } from "./tls-server.ts";
import { clearPath, listenPrivately } from "./unix-socket.ts";
import { WebSocketPeers } from "./websocket.ts";

export interface ListenerOptions {
  /** Absent: none. Port 0: one that the kernel picks. Without `tls`: plain text. */
  readonly tcp?: { readonly host: string; readonly port: number; readonly tls?: TlsFiles };
  readonly unixSocket?: string;
  /** Origins of the daemon's own pages besides the literal address that was connected to. */
  readonly ownOrigins: readonly string[];
  readonly limits: RpcLimits;
}

/** What the configuration says about doors. */
export function listenerOptions({ addresses, ssl }: Config): ListenerOptions {
  const { management_ip: host, management_port: port, unix_socket: unixSocket } = addresses;
  const tls = ssl.enabled ? { tls: { ca: ssl.ca, cert: ssl.cert, key: ssl.key } } : {};
  return {
    ...(host !== "" && { tcp: { host, port, ...tls } }),
    unixSocket,
    ownOrigins: [],
    limits: defaultRpcLimits,
  };
}

interface Connection {
  readonly door: Door;
  readonly client: Client;
  deadline: NodeJS.Timeout | undefined;
  /** Requests being answered; a WebSocket counts as one for its whole life. */
  active: number;
}

export class Listener {
  readonly #log: Log;
  readonly #dispatcher: Dispatcher;
  readonly #options: ListenerOptions;
  readonly #http: HttpServer;
  readonly #events: EventRing;
  readonly #peers: WebSocketPeers;
  readonly #stomp: StompPeers;
  readonly #servers: Server[] = [];
  #tls: TlsServer | undefined;
  /** Everything accepted, TLS handshakes included. */
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Map<Socket, Connection>();
  #port: number | undefined;
  #closing: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(log: Log, dispatcher: Dispatcher, options: ListenerOptions, events: EventRing) {
    this.#log = log;
    this.#dispatcher = dispatcher;
    this.#options = options;
    this.#events = events;
    this.#peers = new WebSocketPeers(log, dispatcher, options.limits);
    this.#stomp = new StompPeers(log, dispatcher, options.limits, systemClock);
    this.#http = this.#createHttp();
  }

  /** The TCP port, once started. */
  get port(): number | undefined {
    return this.#port;
  }

  /** Number of WebSocket and STOMP clients. */
  get clients(): number {
    return this.#peers.size + this.#stomp.size;
  }

  /** Opens all doors, or none. **Fails**: Error naming the door. */
  async start(): Promise<void> {
    try {
      const { tcp, unixSocket } = this.#options;
      if (unixSocket !== undefined) await this.#listenUnix(unixSocket);
      if (tcp !== undefined) await this.#listenTcp(tcp);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** To WebSocket clients, STOMP subscribers and the ring; never waits. **Fails**: never. */
  broadcast(event: MonitorEvent): void {
    const numbered = this.#events.add(event);
    this.#peers.broadcast(numbered);
    this.#stomp.broadcast(numbered, this.#events.epoch);
  }

  /**
   * Reads the TLS files again, for handshakes from now on; open connections go on with what they
   * have. Files that cannot be used leave everything as it was, and an error in the log. **Fails**:
   * never.
   */
  async reloadTls(): Promise<void> {
    const files = this.#options.tcp?.tls;
    if (files === undefined || this.#tls === undefined) return;
    try {
      await rereadTlsFiles(this.#tls, files);
      this.#log.info({ ...files }, "TLS certificates read again");
    } catch (err) {
      this.#log.error({ err, ...files }, "TLS certificates not read again, old ones kept");
    }
  }

  /** Ends within a second: no new connections, replies in the making get a moment, the rest ends. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    this.#peers.close();
    this.#stomp.close();
    for (const [socket, { active }] of this.#connections) if (active === 0) socket.destroy();
    if (this.#sockets.size > 0) {
      await new Promise<void>((resolve) => {
        const grace = setTimeout(resolve, this.#options.limits.closeGraceMs);
        this.#onEmpty = () => {
          clearTimeout(grace);
          resolve();
        };
      });
    }
    this.#peers.terminate();
    this.#stomp.terminate();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  async #listenUnix(path: string): Promise<void> {
    await clearPath(path);
    const door: Door = { kind: "unix", ownOrigins: [] };
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => this.#accept(socket, door));
    await this.#open(server, () => listenPrivately(server, path), `unix socket ${path}`);
    this.#log.info({ path }, "listening on the Unix socket");
  }

  async #listenTcp({ host, port, tls }: NonNullable<ListenerOptions["tcp"]>): Promise<void> {
    const { ownOrigins } = this.#options;
    const door: Door = { kind: tls === undefined ? "tcp" : "tls", ownOrigins };
    const accept = (socket: Socket): void => this.#accept(socket, door);
    const server =
      tls === undefined
        ? createTcpServer({ allowHalfOpen: true }, accept)
        : await this.#createTls(tls, accept);
    await this.#open(server, () => server.listen({ host, port }), `${host}:${port}`);
    const address = server.address();
    this.#port = typeof address === "object" && address !== null ? address.port : undefined;
    const fields = { host, port: this.#port, tls: tls !== undefined };
    if (tls === undefined) this.#log.warn(fields, "listening on TCP without TLS");
    else this.#log.info(fields, "listening on TCP");
  }

  async #createTls(files: TlsFiles, onAccept: (socket: Socket) => void): Promise<Server> {
    const { handshakeMs } = this.#options.limits;
    this.#tls = await createMutualTls(files, {
      handshakeMs,
      onAccept,
      onRefused: (socket, reason) => {
        this.#log.info({ client: addressOf(socket), reason }, "TLS handshake refused");
      },
    });
    return this.#tls;
  }

  async #open(server: Server, listen: () => void, name: string): Promise<void> {
    server.maxConnections = this.#options.limits.connections;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => {
        this.#sockets.delete(socket);
        if (this.#sockets.size === 0) this.#onEmpty?.();
      });
    });
    server.on("drop", () => this.#log.warn({ door: name }, "too many connections, one refused"));
    await new Promise<void>((resolve, reject) => {
      server.once("listening", resolve);
      server.once("error", (cause) => {
        reject(new Error(`cannot listen on ${name}: ${cause.message}`, { cause }));
      });
      listen();
    });
    server.on("error", (err) => this.#log.error({ err, door: name }, "listener failed"));
    this.#servers.push(server);
  }

  /** A connection, decrypted if need be, of which nothing has been read. */
  #accept(socket: Socket, door: Door): void {
    const client = { address: door.kind === "unix" ? "unix" : addressOf(socket) };
    const connection: Connection = { door, client, deadline: undefined, active: 0 };
    this.#connections.set(socket, connection);
    socket.on("error", (error) => {
      this.#log.debug({ client: client.address, reason: error.message }, "connection failed");
    });
    socket.once("close", () => {
      clearTimeout(connection.deadline);
      this.#connections.delete(socket);
    });
    this.#arm(socket, connection, this.#options.limits.handshakeMs);
    let seen = Buffer.alloc(0);
    const peek = (): void => {
      const first: unknown = socket.read();
      if (!Buffer.isBuffer(first)) return;
      seen = Buffer.concat([seen, first]);
      const protocol = protocolOf(seen);
      if (protocol === undefined) return;
      socket.off("readable", peek);
      socket.unshift(seen);
      this.#route(socket, connection, protocol);
    };
    socket.on("readable", peek);
    socket.once("end", () => {
      if (socket.listenerCount("readable") > 0) socket.destroy();
    });
  }

  #route(socket: Socket, connection: Connection, protocol: Protocol): void {
    switch (protocol) {
      case "http":
        this.#arm(socket, connection, this.#options.limits.headersMs);
        this.#http.emit("connection", socket);
        break;
      case "stomp":
        clearTimeout(connection.deadline);
        connection.active += 1;
        this.#stomp.open(socket, {
          address: connection.client.address,
          // Without a certificate it is this connection alone.
          resendsAs: fingerprintOf(socket) ?? randomUUID(),
          wantsBareReply: true,
        });
        break;
    }
  }

  #createHttp(): HttpServer {
    // Node's own timeouts are off: they are only checked for a server that listens.
    const http = createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 });
    const onRequest: RequestListener = (request, response) => {
      const connection = this.#begin(request);
      if (connection === undefined) return;
      response.once("close", () => {
        connection.active -= 1;
        if (connection.active > 0) return;
        if (this.#closing !== undefined) request.socket.destroy();
        else this.#arm(request.socket, connection, this.#options.limits.idleMs);
      });
      const { door, client } = connection;
      const { limits } = this.#options;
      void answerPost(this.#dispatcher, limits, door, client, request, response).then(() => {
        // A reply that nobody takes must not hold the connection.
        if (connection.active <= 1) this.#arm(request.socket, connection, limits.idleMs);
      });
    };
    http.on("request", onRequest);
    http.on("checkContinue", onRequest);
    http.on("upgrade", (request, socket, head) => {
      const connection = this.#begin(request);
      if (connection === undefined) return;
      this.#peers.upgrade(request, socket, head, connection.door, connection.client);
    });
    http.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      this.#log.info({ reason: error.message }, "malformed HTTP request");
      const status = error.code === "HPE_HEADER_OVERFLOW" ? "431 Too Large" : "400 Bad Request";
      socket.once("finish", () => socket.destroy());
      if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
      else socket.destroy();
    });
    return http;
  }

  #begin(request: IncomingMessage): Connection | undefined {
    const connection = this.#connections.get(request.socket);
    if (connection === undefined) {
      request.socket.destroy();
      return undefined;
    }
    connection.active += 1;
    clearTimeout(connection.deadline);
    return connection;
  }

  #arm(socket: Socket, connection: Connection, ms: number): void {
    clearTimeout(connection.deadline);
    if (socket.destroyed) return;
    connection.deadline = setTimeout(() => {
      this.#log.debug({ client: connection.client.address, ms }, "connection timed out");
      socket.destroy();
    }, ms);
  }
}

function addressOf({ remoteAddress = "gone", remotePort = 0 }: Socket): string {
  const host = remoteAddress.includes(":") ? `[${remoteAddress}]` : remoteAddress;
  return `${host}:${remotePort}`;
}
