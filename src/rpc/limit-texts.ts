/**
 * What each limit of limits.ts bounds, for people; in parentheses what a client gets beyond it.
 */
import type { RpcLimits } from "./limits.ts";

/** The same shape with a text for each number. */
type Texts<T> = { readonly [K in keyof T]: T[K] extends number ? string : Texts<T[K]> };

export const limitTexts: Texts<RpcLimits> = {
  messageBytes: "bytes in a request body, WebSocket message or STOMP body; a batch is one (413)",
  batchLength: "requests in a batch (-32600)",
  batchReplyBytes: "bytes in a batch's replies together; those beyond become errors (1100)",
  inFlightPerClient: "requests being answered, for one connection (1100)",
  inFlightTotal: "requests being answered, for all connections (1100)",
  inFlightReadOnly: "of these, requests from clients that may only read (1100)",
  connections:
    "open connections, on TCP and on `rpc.sock` each; when full, the oldest that is not established is dropped",
  connectionsReadOnly: "the same on `rpc-ro.sock`",
  connectionsPerAddress: "the same for one TCP address",
  pipelined: "requests of an HTTP connection whose replies are not sent yet; beyond, it is closed",
  webSocketFragments: "frames in a WebSocket message",
  webSocketPieces: "pieces in which the network delivers it",
  handshakeMs: "ms for the TLS handshake, then for the first byte",
  headersMs: "ms for a request's headers",
  bodyMs: "ms for a request's body (408)",
  idleMs: "ms that a connection may be idle; a WebSocket is pinged as often",
  unreadBytes: "bytes that an event client may leave unread before it is dropped",
  unreadBytesReadOnly: "the same for a client that may only read",
  logIntervalMs:
    "ms between two log lines with the same complaint about the same client; those in between are counted",
  closeGraceMs: "ms that replies in progress get when the daemon stops",
  stomp: {
    definitionBytes:
      "bytes in a STOMP body with a domain's definition, from roles control and peer, announced by content-length (ERROR)",
    definitionBytesTotal:
      "bytes in all STOMP bodies larger than messageBytes being received at a time; the next waits, for stomp.frameMs at most (ERROR)",
    lineBytes: "bytes in a command or header line",
    headerCount: "headers in a frame",
    subscriptions: "subscriptions of a connection",
    idBytes: "bytes in the id of a subscription or receipt",
    destinationBytes: "bytes in a destination",
    frameGapMs:
      "ms between two frames to vdsm-jsonrpc-java, which reads one at a time; other clients have none",
    connectMs: "ms from the first byte to CONNECT",
    frameMs: "ms from a frame's first byte to its last",
    largeGraceMs:
      "ms that a body larger than messageBytes may send nothing, or be too slow for stomp.frameMs, while others wait for its room (ERROR)",
    tickMs: "ms between two checks of heart-beats and deadlines",
    lingerMs: "ms that a closed connection is still read from",
  },
  events: {
    count: "events kept for clients that missed them",
    bytes: "bytes in them",
  },
  resends: {
    rememberMs: "ms that an answered request is remembered in case it is sent again",
    clients: "clients whose requests are remembered",
    requestsPerClient: "requests remembered for one client",
    bytesPerClient: "bytes in their replies",
    replyBytes: "bytes in a reply; a longer one is not remembered",
  },
};
