/**
 * What a STOMP session wants done, and the frames that it sends: every header that this server emits
 * is written here. Our own values contain neither colon nor backslash, since vdsm-jsonrpc-java does
 * not unescape headers; the client's (ids, destinations) are bounded by the session so that all headers
 * fit into the first 1024 bytes, where vdsm-jsonrpc-java looks for them.
 */

import {
  formatHeartBeat,
  type FrameToSend,
  type HeartBeat,
  STOMP_VERSION,
} from "../stomp/index.ts";

export type SessionAction =
  | Send
  /** `apart` as for a frame. */
  | { readonly kind: "heartBeat"; readonly apart: boolean }
  | { readonly kind: "request"; readonly request: StompRequest }
  /** A warning: a client does something wrong, or will wait in vain. */
  | { readonly kind: "log"; readonly message: string; readonly fields: SessionFields }
  /** After everything sent before. Nothing follows. */
  | { readonly kind: "end"; readonly why: string };

/** `apart`: not close behind what went out before it (stomp-outbox.ts). */
interface Send {
  readonly kind: "send";
  readonly frame: FrameToSend;
  readonly apart: boolean;
}

type SessionFields = Readonly<Record<string, string | number>>;

export interface StompRequest {
  readonly body: Uint8Array;
  /** The engine's correlation id. */
  readonly flowId: string | undefined;
  readonly replyTo: string;
}

export function send(frame: FrameToSend): Send {
  return { kind: "send", frame, apart: false };
}

/** Whether the client receives anything. */
export function isOutgoing(
  action: SessionAction,
): action is Extract<SessionAction, { kind: "send" | "heartBeat" }> {
  return action.kind === "send" || action.kind === "heartBeat";
}

/** `text` is constant. */
export function log(text: string, fields: SessionFields): SessionAction {
  return { kind: "log", message: text, fields };
}

export function connectedFrame(heartBeat: HeartBeat): FrameToSend {
  return {
    command: "CONNECTED",
    headers: [
      ["version", STOMP_VERSION],
      ["heart-beat", formatHeartBeat(heartBeat)],
    ],
  };
}

export function messageFrame(
  subscription: string,
  destination: string,
  messageId: string,
  body: string,
): FrameToSend {
  return {
    command: "MESSAGE",
    headers: [
      ["destination", destination],
      ["subscription", subscription],
      ["message-id", messageId],
      ["content-type", "application/json"],
    ],
    body,
  };
}

export function receiptFrame(receipt: string): FrameToSend {
  return { command: "RECEIPT", headers: [["receipt-id", receipt]] };
}

/** `what` is constant; only the body may hold what a client wrote. */
export function errorFrame(what: string, text: string, receipt: string | undefined): FrameToSend {
  return {
    command: "ERROR",
    headers: [
      ["version", STOMP_VERSION],
      ["message", what],
      ["content-type", "text/plain"],
      ...(receipt === undefined ? [] : ([["receipt-id", receipt]] as const)),
    ],
    body: text,
  };
}
