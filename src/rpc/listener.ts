/**
 * The listeners: TCP, with mutual TLS unless configured otherwise, and two Unix sockets, as libvirt
 * has them: one for control and one for reading.
 *
 * The listener owns every connection from accept to end. It peeks at a connection's first bytes, after
 * the TLS handshake, and hands the connection to the protocol that they belong to, so all protocols
 * share a port (STOMP and HTTP by `protocolOf`, WebSocket by HTTP's own handshake). The HTTP server
 * never listens itself: it is handed sockets, and since Node then enforces none of its timeouts, each
 * connection has one deadline here: handshake, headers, idle. A STOMP connection keeps its own time.
 * `OpenConnections` decides which connection is dropped when there are too many. Verbs and their
 * meaning are not known here.
 */

import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type RequestListener,
} from "node:http";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { Server as TlsServer } from "node:tls";
import { systemClock } from "../clock.ts";
import type { Log } from "../logger.ts";
import type { NumberedEvent } from "../monitor/service.ts";
import { certificateFields } from "../tls/refusal.ts";
import { ConnectionLimits } from "./connection-limits.ts";
import { addressOf, asStomp, type Client, clientOf, hostOf } from "./client.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { EventRing } from "./event-ring.ts";
import { type Protocol, protocolOf } from "./first-bytes.ts";
import { answerPost, type ListenerFacts } from "./http.ts";
import type { ListenerOptions } from "./listener-options.ts";
import { LogThrottle } from "./log-throttle.ts";
import type { OpenConnection } from "./open-connections.ts";
import { anyCertificateControls } from "./roles.ts";
import { StompPeers } from "./stomp.ts";
import { createMutualTls, rereadTlsFiles, type TlsFiles } from "./tls-server.ts";
import { clearPath, groupIdOf, listenWith, type SocketRights } from "./unix-socket.ts";
import { WebSocketPeers } from "./websocket.ts";

const OWNER_ONLY = 0o600;
const OWNER_AND_GROUP = 0o660;
const EVERYBODY = 0o666;

interface Connection {
  readonly via: ListenerFacts;
  readonly client: Client;
  readonly entry: OpenConnection;
  deadline: NodeJS.Timeout | undefined;
  /** Requests being answered; a WebSocket counts as one for its whole life. */
  active: number;
}

export class Listener {
  readonly #log: Log;
  /** For log lines that clients can cause. */
  readonly #clientLog: LogThrottle;
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
    this.#clientLog = new LogThrottle(log, options.limits.logIntervalMs);
    this.#peers = new WebSocketPeers(log, this.#clientLog, dispatcher, options.limits);
    this.#stomp = new StompPeers(log, this.#clientLog, dispatcher, options.limits, systemClock);
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

  /** Opens every listener, or none. **Fails**: Error naming the one that cannot open. */
  async start(): Promise<void> {
    try {
      const { tcp, unixSocket, unixSocketReadOnly } = this.#options;
      if (unixSocket !== undefined) await this.#listenUnix(unixSocket, "unix");
      if (unixSocketReadOnly !== undefined) {
        await this.#listenUnix(unixSocketReadOnly, "unixReadOnly");
      }
      if (tcp !== undefined) await this.#listenTcp(tcp);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** To WebSocket clients and STOMP subscribers whose role hears events; never waits. **Fails**: never. */
  broadcast(event: NumberedEvent): void {
    this.#peers.broadcast(event);
    this.#stomp.broadcast(event, this.#events.epoch);
  }

  /**
   * Reads the TLS files again, for handshakes from now on; open connections keep what they have. Files
   * that cannot be used change nothing and are logged as an error. **Fails**: never.
   */
  async reloadTls(): Promise<void> {
    const files = this.#options.tcp?.tls;
    if (files === undefined || this.#tls === undefined) return;
    try {
      await rereadTlsFiles(this.#tls, files);
      this.#log.info({ ...files }, "reloaded the TLS certificates");
    } catch (err) {
      this.#log.error({ err, ...files }, "TLS certificates not reloaded; keeping the old ones");
    }
  }

  /** Ends within a second: no new connections; replies in progress get a moment; the rest is closed. */
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

  async #listenUnix(path: string, kind: "unix" | "unixReadOnly"): Promise<void> {
    const { unixSocketGroup: group } = this.#options;
    const rights: SocketRights =
      kind === "unixReadOnly"
        ? { mode: EVERYBODY }
        : group === undefined
          ? { mode: OWNER_ONLY }
          : { mode: OWNER_AND_GROUP, groupId: groupIdOf(group) };
    await clearPath(path).catch((cause: Error) => {
      throw new Error(`cannot listen on unix socket ${path}: ${cause.message}`, { cause });
    });
    const server = createTcpServer({ allowHalfOpen: true });
    const listen = (): void => listenWith(server, path, rights);
    await this.#open(server, listen, `unix socket ${path}`, { kind, ownOrigins: [] });
    const fields = { path, mode: rights.mode.toString(8), groupId: rights.groupId };
    this.#log.info(fields, "listening on the Unix socket");
  }

  async #listenTcp({ host, port, tls }: NonNullable<ListenerOptions["tcp"]>): Promise<void> {
    const { ownOrigins } = this.#options;
    const via: ListenerFacts = { kind: tls === undefined ? "tcp" : "tls", ownOrigins };
    const server =
      tls === undefined ? createTcpServer({ allowHalfOpen: true }) : await this.#createTls(tls);
    await this.#open(server, () => server.listen({ host, port }), `${host}:${port}`, via);
    const address = server.address();
    this.#port = typeof address === "object" && address !== null ? address.port : undefined;
    const fields = { host, port: this.#port, tls: tls !== undefined };
    if (tls === undefined) this.#log.warn(fields, "listening on TCP without TLS");
    else this.#log.info(fields, "listening on TCP");
  }

  async #createTls(files: TlsFiles): Promise<Server> {
    const { handshakeMs } = this.#options.limits;
    this.#tls = await createMutualTls(files, {
      handshakeMs,
      onRefused: (socket, { reason, certificate }) => {
        const shown = certificate === undefined ? {} : certificateFields(certificate);
        const fields = { client: addressOf(socket), reason, ...shown };
        // A kind is what one client causes: an engine must not be lost among scanners.
        const kind = `${hostOf(socket)} ${reason} ${certificate?.subject ?? ""}`;
        // A client that shows a certificate belongs to somebody whose calls do not get through.
        const level = certificate === undefined ? "info" : "warn";
        this.#clientLog.say(level, kind, fields, "TLS handshake refused");
      },
    });
    return this.#tls;
  }

  async #open(server: Server, listen: () => void, name: string, via: ListenerFacts): Promise<void> {
    const { connections, connectionsReadOnly, connectionsPerAddress } = this.#options.limits;
    const total = via.kind === "unixReadOnly" ? connectionsReadOnly : connections;
    const bounds = { total, perAddress: connectionsPerAddress };
    const limits = new ConnectionLimits(this.#clientLog, name, bounds);
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => {
        this.#sockets.delete(socket);
        if (this.#sockets.size === 0) this.#onEmpty?.();
      });
      const entry = limits.accept(socket);
      if (entry !== undefined && via.kind !== "tls") this.#accept(socket, via, entry);
    });
    server.on("secureConnection", (socket: Socket) => {
      const entry = limits.entryOf(socket);
      if (entry === undefined) {
        socket.destroy();
        return;
      }
      // It has shown a certificate: those that have not are dropped before it.
      entry.stage = "begun";
      this.#accept(socket, via, entry);
    });
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("listening", resolve);
      server.once("error", (cause) => {
        reject(new Error(`cannot listen on ${name}: ${cause.message}`, { cause }));
      });
      listen();
    });
    server.on("error", (err) => this.#log.error({ err, listener: name }, "listener failed"));
  }

  /** A connection, decrypted if need be, of which nothing has been read. */
  #accept(socket: Socket, via: ListenerFacts, entry: OpenConnection): void {
    const access = this.#options.access ?? (() => anyCertificateControls);
    const client = clientOf(socket, via.kind, access);
    const connection: Connection = { via, client, entry, deadline: undefined, active: 0 };
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
      entry.stage = "begun";
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
        this.#stomp.open(socket, asStomp(connection.client, socket), () => {
          connection.entry.stage = "established";
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
      request.once("end", () => {
        connection.entry.stage = "established";
      });
      response.once("close", () => {
        connection.active -= 1;
        if (connection.active > 0) return;
        connection.entry.stage = "idle";
        if (this.#closing !== undefined) request.socket.destroy();
        else this.#arm(request.socket, connection, this.#options.limits.idleMs);
      });
      const { via, client } = connection;
      const { limits } = this.#options;
      void answerPost(this.#dispatcher, limits, via, client, request, response).then(() => {
        // A reply that nobody reads must not hold the connection.
        if (connection.active <= 1) this.#arm(request.socket, connection, limits.idleMs);
      });
    };
    http.on("request", onRequest);
    http.on("checkContinue", onRequest);
    http.on("upgrade", (request, socket, head) => {
      const connection = this.#begin(request);
      if (connection === undefined) return;
      if (connection.active > 1) {
        // A reply still in progress would end up among the frames.
        request.socket.destroy();
        return;
      }
      connection.entry.stage = "established";
      this.#peers.upgrade(request, socket, head, connection.via, connection.client);
    });
    http.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      this.#clientLog.say("info", "", { reason: error.message }, "malformed HTTP request");
      const status = error.code === "HPE_HEADER_OVERFLOW" ? "431 Too Large" : "400 Bad Request";
      socket.once("finish", () => socket.destroy());
      if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
      else socket.destroy();
    });
    return http;
  }

  #begin(request: IncomingMessage): Connection | undefined {
    const connection = this.#connections.get(request.socket);
    const { pipelined } = this.#options.limits;
    if (connection === undefined || connection.active >= pipelined) {
      request.socket.destroy();
      if (connection === undefined) return undefined;
      const { address, source } = connection.client;
      const fields = { client: address, pipelined };
      this.#clientLog.say("info", source, fields, "too many requests before their replies");
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
