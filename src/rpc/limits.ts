/**
 * Every limit of the RPC side by name: the most that a client, however broken or hostile, can cost.
 * Tests pass smaller ones. Limits on migrations are in the configuration.
 */

import { definitionMessageBytes } from "../core/definition-size.ts";
import type { Role } from "./roles.ts";

export interface RpcLimits {
  /** One request body, WebSocket message or STOMP body; a batch counts as one. */
  readonly messageBytes: number;
  readonly batchLength: number;
  /** Replies of a batch together; those beyond are error 1100. */
  readonly batchReplyBytes: number;
  /** Requests being answered, for one connection and for all; beyond: error 1100. */
  readonly inFlightPerClient: number;
  readonly inFlightTotal: number;
  /** The part of them that read-only clients may have, among them every user of the host. */
  readonly inFlightReadOnly: number;
  /**
   * Open connections, for TCP and for each Unix socket. Beyond, and beyond the two below, the oldest
   * that is not established makes room (`OpenConnections`); if there is none, the new one is refused.
   */
  readonly connections: number;
  readonly connectionsReadOnly: number;
  /** Of one TCP address. Engines and hosts have one or two; Unix sockets have no addresses. */
  readonly connectionsPerAddress: number;
  /** Requests of one HTTP connection whose replies are not sent yet; beyond, it is closed. */
  readonly pipelined: number;
  /** Of a WebSocket message: its frames, and the pieces in which the network brings them. */
  readonly webSocketFragments: number;
  readonly webSocketPieces: number;
  /** TLS handshake, then the first byte. */
  readonly handshakeMs: number;
  /** A request's headers, from the first byte of the connection or the end of the last reply. */
  readonly headersMs: number;
  readonly bodyMs: number;
  /** A connection between two requests; a WebSocket is pinged as often. */
  readonly idleMs: number;
  /** What one WebSocket or STOMP client may leave unread before it is dropped. */
  readonly unreadBytes: number;
  /** The same for a client that may only read. */
  readonly unreadBytesReadOnly: number;
  /** Warnings that clients can cause: the first at once, then one with a count per interval. */
  readonly logIntervalMs: number;
  /** `close()`: how long replies in progress are waited for. */
  readonly closeGraceMs: number;
  readonly stomp: StompLimits;
  readonly events: EventLimits;
  readonly resends: ResendLimits;
}

/** One STOMP connection. The length of a body is `messageBytes`, but for the first two here. */
export interface StompLimits {
  /**
   * A body of a client that may call VM.migrationCreate, if it is announced by content-length: a
   * domain's definition, of which VDSM's sources send two copies.
   */
  readonly definitionBytes: number;
  /** Bodies beyond `messageBytes` in hand at a time, of all clients together; others wait. */
  readonly definitionBytesTotal: number;
  readonly lineBytes: number;
  readonly headerCount: number;
  readonly subscriptions: number;
  /** A subscription's id, and a receipt's. */
  readonly idBytes: number;
  /** With two ids of the above in one frame, escaped, headers stay below the 1024 bytes that
   * vdsm-jsonrpc-java reads them from. */
  readonly destinationBytes: number;
  /** Between two frames to a client that behaves like vdsm-jsonrpc-java, and before the first.
   * Measured with it: without, 15 to 20 of 100 pairs of frames waited 1 s; with 3 ms, none of 60. */
  readonly frameGapMs: number;
  /** From the first byte of the connection to CONNECT, which may come after other frames. */
  readonly connectMs: number;
  /** From the first byte of a frame to its last; a body beyond `messageBytes` may first wait as long. */
  readonly frameMs: number;
  /**
   * No byte of a body beyond `messageBytes`, or too slow for `frameMs`, while others wait for its room.
   */
  readonly largeGraceMs: number;
  /** How often heart-beats and deadlines are checked. */
  readonly tickMs: number;
  /** How long data that a closed connection still sends is read and dropped. */
  readonly lingerMs: number;
}

/** The events kept for `Host.getEvents`; the oldest go first. */
export interface EventLimits {
  readonly count: number;
  /** Of their JSON. */
  readonly bytes: number;
}

/** What is remembered of answered requests, for clients that send one again. */
export interface ResendLimits {
  /** Above the 180 s of the engine's response timeout and its one retry. */
  readonly rememberMs: number;
  readonly clients: number;
  readonly requestsPerClient: number;
  readonly bytesPerClient: number;
  /** A longer reply is remembered only until it is sent; only verbs that read have such replies. */
  readonly replyBytes: number;
}

export const defaultRpcLimits: RpcLimits = {
  messageBytes: 1_048_576,
  batchLength: 100,
  batchReplyBytes: 2 * 1_048_576,
  inFlightPerClient: 128,
  inFlightTotal: 512,
  inFlightReadOnly: 128,
  connections: 256,
  connectionsReadOnly: 32,
  connectionsPerAddress: 64,
  pipelined: 4,
  webSocketFragments: 1024,
  webSocketPieces: 8192,
  handshakeMs: 10_000,
  headersMs: 10_000,
  bodyMs: 10_000,
  idleMs: 30_000,
  unreadBytes: 4 * 1_048_576,
  unreadBytesReadOnly: 262_144,
  logIntervalMs: 10_000,
  closeGraceMs: 400,
  stomp: {
    definitionBytes: definitionMessageBytes(2),
    definitionBytesTotal: 4 * definitionMessageBytes(2),
    lineBytes: 2048,
    headerCount: 32,
    subscriptions: 64,
    idBytes: 100,
    destinationBytes: 200,
    frameGapMs: 3,
    connectMs: 30_000,
    frameMs: 30_000,
    largeGraceMs: 3_000,
    tickMs: 250,
    lingerMs: 1000,
  },
  events: { count: 2048, bytes: 1_048_576 },
  resends: {
    rememberMs: 600_000,
    clients: 64,
    requestsPerClient: 1024,
    bytesPerClient: 1_048_576,
    replyBytes: 65_536,
  },
};

/** What a client of this role may leave unread. */
export function unreadBytesOf(limits: RpcLimits, role: Role): number {
  return role === "control" ? limits.unreadBytes : limits.unreadBytesReadOnly;
}
