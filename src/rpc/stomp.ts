/**
 * STOMP connections: the sockets around the sessions, and to whom events are pushed.
 *
 * A client that does not read costs a bounded buffer and is then dropped with a warning, as with
 * WebSocket. A client that closes its half still gets its answers. What a session decides is carried
 * out here, in its order; what frames and messages mean is not known here.
 */

import type { Socket } from "node:net";
import type { Clock } from "../clock.ts";
import type { Log } from "../logger.ts";
import { heartBeatBytes, type LargeAnswer, serializeFrame, tooLong } from "../stomp/index.ts";
import type { Client } from "./client.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { NumberedEvent } from "../monitor/service.ts";
import { LargeBodies } from "./large-bodies.ts";
import { type RpcLimits, unreadBytesOf } from "./limits.ts";
import type { LogThrottle } from "./log-throttle.ts";
import { mayHearEvents, maySendDefinitions } from "./roles.ts";
import type { SessionAction, StompRequest } from "./stomp-actions.ts";
import { StompOutbox } from "./stomp-outbox.ts";
import { StompSession } from "./stomp-session.ts";

/** Finds dead connections that have no heart-beats. */
const KEEP_ALIVE_MS = 60_000;

interface Peer {
  readonly client: Client;
  readonly session: StompSession;
  readonly outbox: StompOutbox;
  readonly onConnected: () => void;
  /** Requests being answered. */
  pending: number;
  /** Nothing more is read; it ends when the last reply is out. */
  isFinishing: boolean;
  /** Taken for its bodies beyond the common limit: those that come and those being answered. */
  largeBytes: number;
  /** Of those being answered. */
  largeAskedBytes: number;
  /** While it waits for room for one: nothing is read of it. */
  stopWaiting: (() => void) | undefined;
}

export class StompPeers {
  readonly #log: Log;
  readonly #clientLog: LogThrottle;
  readonly #dispatcher: Dispatcher;
  readonly #limits: RpcLimits;
  readonly #clock: Clock;
  readonly #largeBodies: LargeBodies;
  readonly #peers = new Map<Socket, Peer>();
  readonly #ticks: NodeJS.Timeout;

  constructor(
    log: Log,
    clientLog: LogThrottle,
    dispatcher: Dispatcher,
    limits: RpcLimits,
    clock: Clock,
  ) {
    this.#log = log;
    this.#clientLog = clientLog;
    this.#dispatcher = dispatcher;
    this.#limits = limits;
    this.#clock = clock;
    this.#largeBodies = new LargeBodies(limits.stomp.definitionBytesTotal);
    this.#ticks = setInterval(() => this.#tick(), limits.stomp.tickMs);
    this.#ticks.unref();
  }

  get size(): number {
    return this.#peers.size;
  }

  /**
   * Takes the connection over. What has been read of it must have been put back. `onConnected`: the
   * client has been answered CONNECTED.
   */
  open(socket: Socket, client: Client, onConnected: () => void): void {
    const askLarge = (bytes: number): LargeAnswer => this.#takeLarge(socket, peer, bytes);
    const session = new StompSession(this.#limits, this.#now(), askLarge);
    const outbox = new StompOutbox(socket, this.#clock);
    const peer: Peer = {
      client,
      session,
      outbox,
      onConnected,
      pending: 0,
      isFinishing: false,
      largeBytes: 0,
      largeAskedBytes: 0,
      stopWaiting: undefined,
    };
    this.#peers.set(socket, peer);
    this.#log.debug({ client: client.address }, "STOMP client connected");
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("data", (chunk: Buffer) => {
      if (!peer.isFinishing) this.#perform(socket, peer, session.receive(chunk, this.#now()));
      this.#hasRead(socket, peer);
    });
    socket.once("end", () => this.#finish(socket, peer));
    socket.once("close", () => {
      this.#peers.delete(socket);
      peer.isFinishing = true;
      this.#stopWaiting(peer);
      this.#giveBackLarge(peer);
      this.#log.debug({ client: client.address }, "STOMP client gone");
    });
    socket.resume();
  }

  /** For a definition, of whoever may call the verb that takes one. */
  #takeLarge(socket: Socket, peer: Peer, bytes: number): LargeAnswer {
    const { messageBytes, stomp } = this.#limits;
    const refused = (limitBytes: number): LargeAnswer => ({
      kind: "refuse",
      why: tooLong(limitBytes),
    });
    if (!maySendDefinitions(peer.client.role())) return refused(messageBytes);
    if (bytes > stomp.definitionBytes) return refused(stomp.definitionBytes);
    if (this.#largeBodies.take(bytes)) {
      peer.largeBytes += bytes;
      return { kind: "take" };
    }
    peer.stopWaiting = this.#largeBodies.wait(bytes, () => {
      peer.stopWaiting = undefined;
      peer.largeBytes += bytes;
      this.#perform(socket, peer, peer.session.goOn(this.#now()));
      this.#hasRead(socket, peer);
    });
    return { kind: "wait" };
  }

  #hasRead(socket: Socket, peer: Peer): void {
    if (peer.session.isWaiting && !peer.isFinishing) socket.pause();
    else if (socket.isPaused()) socket.resume();
    this.#giveBackLarge(peer);
  }

  #stopWaiting(peer: Peer): void {
    peer.stopWaiting?.();
    peer.stopWaiting = undefined;
  }

  /** What of it neither comes any more nor is being answered. */
  #giveBackLarge(peer: Peer): void {
    const comingBytes = peer.isFinishing ? 0 : peer.session.comingBytes;
    const doneBytes = peer.largeBytes - peer.largeAskedBytes - comingBytes;
    if (doneBytes === 0) return;
    peer.largeBytes -= doneBytes;
    this.#largeBodies.giveBack(doneBytes);
  }

  /** To every subscriber whose role hears events; slow ones are dropped. **Fails**: never. */
  broadcast({ method, params, seq }: NumberedEvent, epoch: string): void {
    const body = JSON.stringify({ jsonrpc: "2.0", method, params });
    for (const [socket, peer] of this.#peers) {
      if (!mayHearEvents(peer.client.role())) continue;
      this.#perform(socket, peer, peer.session.event(body, `${epoch}.${seq}`, this.#now()));
    }
  }

  /** Idle ones end now, the others with their last reply; the listener ends what is left. There is
   * no farewell: stock clients take the end of the connection for what it is, and no frame. */
  close(): void {
    clearInterval(this.#ticks);
    for (const [socket, peer] of this.#peers) this.#finish(socket, peer);
  }

  terminate(): void {
    for (const socket of this.#peers.keys()) socket.destroy();
  }

  #tick(): void {
    for (const [socket, peer] of this.#peers) {
      this.#perform(socket, peer, peer.session.tick(this.#now(), this.#largeBodies.isWanted));
    }
  }

  #perform(socket: Socket, peer: Peer, actions: readonly SessionAction[]): void {
    const { address, source } = peer.client;
    for (const action of actions) {
      switch (action.kind) {
        case "send":
          if (action.frame.command === "CONNECTED") peer.onConnected();
          this.#write(socket, peer, serializeFrame(action.frame), action.apart);
          break;
        case "heartBeat":
          // A frame that waits is one, too.
          if (peer.outbox.unsentBytes === 0)
            this.#write(socket, peer, heartBeatBytes, action.apart);
          break;
        case "request":
          void this.#answer(socket, peer, action.request);
          break;
        case "log":
          this.#clientLog.say(
            "warn",
            source,
            { client: address, ...action.fields },
            action.message,
          );
          break;
        case "end":
          this.#clientLog.say(
            "info",
            source,
            { client: address, reason: action.why },
            "STOMP connection ended",
          );
          this.#end(socket, peer);
          break;
      }
    }
  }

  async #answer(socket: Socket, peer: Peer, request: StompRequest): Promise<void> {
    const { length } = request.body;
    const largeBytes = length > this.#limits.messageBytes ? length : 0;
    peer.pending += 1;
    peer.largeAskedBytes += largeBytes;
    const reply = await this.#dispatcher.receive(request.body, peer.client, request.flowId);
    peer.pending -= 1;
    peer.largeAskedBytes -= largeBytes;
    if (reply !== undefined) {
      this.#perform(socket, peer, peer.session.reply(request, reply, this.#now()));
    }
    this.#giveBackLarge(peer);
    if (peer.isFinishing) this.#finish(socket, peer);
  }

  #write(socket: Socket, peer: Peer, bytes: Uint8Array, apart: boolean): void {
    const { waitingBytes } = peer.outbox;
    const { client } = peer;
    if (waitingBytes <= unreadBytesOf(this.#limits, client.role())) {
      peer.outbox.send(bytes, apart ? this.#limits.stomp.frameGapMs : 0);
      return;
    }
    const fields = { client: client.address, unreadBytes: waitingBytes };
    this.#clientLog.say("warn", client.source, fields, "slow STOMP client dropped");
    this.#peers.delete(socket);
    socket.destroy();
  }

  #finish(socket: Socket, peer: Peer): void {
    peer.isFinishing = true;
    if (peer.pending === 0) this.#end(socket, peer);
  }

  /**
   * Closes our half once all is written; what still comes is read and dropped for a moment, since
   * closing with unread bytes makes the kernel send a reset, which would overtake what we have sent.
   */
  #end(socket: Socket, peer: Peer): void {
    peer.isFinishing = true;
    this.#stopWaiting(peer);
    this.#giveBackLarge(peer);
    if (!this.#peers.delete(socket) || socket.destroyed) return;
    if (socket.isPaused()) socket.resume();
    const { idleMs, stomp } = this.#limits;
    const destroy = (): void => {
      socket.destroy();
    };
    let deadline = setTimeout(destroy, idleMs);
    socket.once("close", () => clearTimeout(deadline));
    socket.once("finish", () => {
      clearTimeout(deadline);
      if (socket.readableEnded) destroy();
      else deadline = setTimeout(destroy, stomp.lingerMs);
    });
    socket.once("end", () => {
      if (socket.writableFinished) destroy();
    });
    peer.outbox.end();
  }

  #now(): number {
    return this.#clock.monotonicMs();
  }
}
