/**
 * What a STOMP 1.2 frame is, and the names on the wire that server and client share.
 *
 * Headers are a map in which the first of repeated entries has won; values are unescaped. The
 * command is any text: whether one is known, and what it means, is decided by the reader.
 * Source: https://stomp.github.io/stomp-specification-1.2.html; queue names as in VDSM's
 * configuration (addresses.request_queues, event_queue) and its clients.
 */

export interface Frame {
  readonly command: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** The only version supported. */
export const STOMP_VERSION = "1.2";

/** One end-of-line between two frames. */
export const heartBeatBytes: Uint8Array = Uint8Array.of(0x0a);

export const requestQueues = ["jms.topic.vdsm_requests", "jms.topic.vdsm_irs_requests"] as const;

/** Where a reply goes if the SEND has no reply-to. */
export const RESPONSE_QUEUE = "jms.topic.vdsm_responses";

export const EVENT_QUEUE = "jms.queue.events";

/** Does a subscription to `subscribed` hear what goes to `destination`? Itself and whatever is below
 * it: `a.b` hears `a.b` and `a.b.c`, not `a.bc`. */
export function hears(subscribed: string, destination: string): boolean {
  return destination === subscribed || destination.startsWith(`${subscribed}.`);
}

/** STOMP frames begin with one of these; the rest of what servers send is here for the client. */
export const commands = [
  "CONNECT",
  "STOMP",
  "CONNECTED",
  "SEND",
  "SUBSCRIBE",
  "UNSUBSCRIBE",
  "ACK",
  "NACK",
  "BEGIN",
  "COMMIT",
  "ABORT",
  "DISCONNECT",
  "MESSAGE",
  "RECEIPT",
  "ERROR",
] as const;

/** Sent and read without escapes, for the sake of STOMP 1.0 (1.2, "Value Encoding"). */
export function isUnescaped(command: string): boolean {
  return command === "CONNECT" || command === "CONNECTED";
}
