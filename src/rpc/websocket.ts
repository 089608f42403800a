/**
 * JSON-RPC as WebSocket /jsonrpc, and the clients to whom events are pushed.
 *
 * A client that does not read costs a bounded buffer and is then dropped with a warning: events are
 * hints, the next poll is the truth, and a daemon must not run out of memory for a reader that sleeps.
 * The handshake passes the same origin check as a POST. Messages are left to the dispatcher.
 */

import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import type { Log } from "../logger.ts";
import type { EventMessage } from "../wire/event-message.ts";
import type { Client } from "./client.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { checkOrigin, checkPath, type ListenerFacts, type Refused } from "./http.ts";
import { type RpcLimits, unreadBytesOf } from "./limits.ts";
import type { LogThrottle } from "./log-throttle.ts";
import { mayHearEvents } from "./roles.ts";

/** RFC 6455, 7.4.1. */
const GOING_AWAY = 1001;
const UNSUPPORTED_DATA = 1003;

interface Peer {
  readonly client: Client;
  /** It has answered the last ping, or none was sent. */
  alive: boolean;
}

export class WebSocketPeers {
  readonly #log: Log;
  readonly #clientLog: LogThrottle;
  readonly #dispatcher: Dispatcher;
  readonly #limits: RpcLimits;
  readonly #server: WebSocketServer;
  readonly #peers = new Map<WebSocket, Peer>();
  readonly #heartbeat: NodeJS.Timeout;

  constructor(log: Log, clientLog: LogThrottle, dispatcher: Dispatcher, limits: RpcLimits) {
    this.#log = log;
    this.#clientLog = clientLog;
    this.#dispatcher = dispatcher;
    this.#limits = limits;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.messageBytes,
      maxFragments: limits.webSocketFragments,
      maxBufferedChunks: limits.webSocketPieces,
    });
    this.#heartbeat = setInterval(() => this.#beat(), limits.idleMs);
    this.#heartbeat.unref();
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Takes the connection over, or refuses it. */
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    listener: ListenerFacts,
    client: Client,
  ): void {
    const refused = checkOrigin(request, listener) ?? checkPath(request);
    if (refused !== undefined) {
      refuse(socket, refused);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#open(webSocket, client));
  }

  /**
   * The same text to every client whose role hears events; slow ones are dropped. **Fails**: never.
   */
  broadcast(event: EventMessage): void {
    const text = JSON.stringify({ jsonrpc: "2.0", method: event.method, params: event.params });
    for (const [webSocket, peer] of this.#peers) {
      if (mayHearEvents(peer.client.role())) this.#send(webSocket, peer, text);
    }
  }

  /** Sends a close frame; the listener closes what is still open. */
  close(): void {
    clearInterval(this.#heartbeat);
    for (const webSocket of this.#peers.keys()) webSocket.close(GOING_AWAY, "the daemon stops");
  }

  terminate(): void {
    for (const webSocket of this.#peers.keys()) webSocket.terminate();
  }

  #open(webSocket: WebSocket, client: Client): void {
    const peer: Peer = { client, alive: true };
    this.#peers.set(webSocket, peer);
    this.#log.debug({ client: client.address }, "WebSocket client connected");
    webSocket.on("pong", () => {
      peer.alive = true;
    });
    webSocket.on("error", (err) => {
      const fields = { client: client.address, reason: err.message };
      this.#clientLog.say("info", client.source, fields, "WebSocket client failed");
    });
    webSocket.on("close", (closeCode) => {
      this.#peers.delete(webSocket);
      this.#log.debug({ client: client.address, closeCode }, "WebSocket client gone");
    });
    webSocket.on("message", (data, isBinary) => {
      if (isBinary) webSocket.close(UNSUPPORTED_DATA, "text only");
      else void this.#answer(webSocket, peer, data);
    });
  }

  async #answer(webSocket: WebSocket, peer: Peer, data: RawData): Promise<void> {
    const reply = await this.#dispatcher.receive(toBytes(data), peer.client);
    if (reply !== undefined) this.#send(webSocket, peer, reply);
  }

  #send(webSocket: WebSocket, { client }: Peer, text: string): void {
    if (webSocket.readyState !== WebSocket.OPEN) return;
    const unreadBytes = webSocket.bufferedAmount;
    if (unreadBytes > unreadBytesOf(this.#limits, client.role())) {
      const fields = { client: client.address, unreadBytes };
      this.#clientLog.say("warn", client.source, fields, "slow WebSocket client dropped");
      this.#drop(webSocket);
      return;
    }
    webSocket.send(text);
  }

  /** At once, for the count too: the close event comes later. */
  #drop(webSocket: WebSocket): void {
    this.#peers.delete(webSocket);
    webSocket.terminate();
  }

  #beat(): void {
    for (const [webSocket, peer] of this.#peers) {
      if (!peer.alive) {
        const { address, source } = peer.client;
        this.#clientLog.say("info", source, { client: address }, "silent WebSocket client dropped");
        this.#drop(webSocket);
        continue;
      }
      peer.alive = false;
      webSocket.ping();
    }
  }
}

function toBytes(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

function refuse(socket: Duplex, { status, reason }: Refused): void {
  const body = `${reason}\n`;
  socket.once("finish", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nConnection: close\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `\r\n${body}`,
  );
}
