/**
 * Every bound of the RPC edge, named: a client, however broken or hostile, costs at most this.
 * Tests pass smaller ones. No limit on migrations is here; those are the configuration's.
 */

export interface RpcLimits {
  /** One request body or WebSocket message; a batch counts as one. */
  readonly messageBytes: number;
  readonly batchLength: number;
  /** Requests being answered, for one connection and for all; beyond: error 1100. */
  readonly inFlightPerClient: number;
  readonly inFlightTotal: number;
  /** Open connections, for TCP and for the Unix socket each. */
  readonly connections: number;
  /** TLS handshake, then the first byte. */
  readonly handshakeMs: number;
  /** A request's headers, from the first byte of the connection or the end of the last reply. */
  readonly headersMs: number;
  readonly bodyMs: number;
  /** A connection between two requests; a WebSocket is pinged as often. */
  readonly idleMs: number;
  /** What one WebSocket client may leave unread before it is dropped. */
  readonly unreadBytes: number;
  /** `close()`: how long replies in the making are waited for. */
  readonly closeGraceMs: number;
}

export const defaultRpcLimits: RpcLimits = {
  messageBytes: 1_048_576,
  batchLength: 100,
  inFlightPerClient: 128,
  inFlightTotal: 512,
  connections: 256,
  handshakeMs: 10_000,
  headersMs: 10_000,
  bodyMs: 10_000,
  idleMs: 30_000,
  unreadBytes: 4 * 1_048_576,
  closeGraceMs: 400,
};
