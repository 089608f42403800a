/** A STOMP session without sockets, what it wants shown as text, and frames to feed it. */

import { expect } from "vitest";
import { defaultRpcLimits } from "../../../src/rpc/limits.ts";
import type { SessionAction, StompRequest } from "../../../src/rpc/stomp-actions.ts";
import { StompSession } from "../../../src/rpc/stomp-session.ts";
import { type AskLarge, serializeFrame } from "../../../src/stomp/index.ts";

export const limits = defaultRpcLimits;

export function startSession(askLarge?: AskLarge) {
  const session = new StompSession(limits, 0, askLarge);
  const requests: StompRequest[] = [];
  /** What goes out, heart-beats as "\n", the end as "END", log lines as "LOG …". */
  const show = (actions: readonly SessionAction[]): readonly string[] =>
    actions.flatMap((action) => {
      switch (action.kind) {
        case "send":
          return [serializeFrame(action.frame).toString()];
        case "heartBeat":
          return ["\n"];
        case "request":
          requests.push(action.request);
          return [];
        case "log":
          return [`LOG ${action.message}`];
        case "end":
          return ["END"];
      }
    });
  return {
    requests,
    receive: (text: string, nowMs = 0) => show(session.receive(Buffer.from(text), nowMs)),
    reply: (body: string, index = 0) => {
      const request = requests[index];
      return request === undefined ? [] : show(session.reply(request, body, 0));
    },
    event: (body = "{}") => show(session.event(body, "e.1", 0)),
    tick: (nowMs: number, roomIsWanted = false) => show(session.tick(nowMs, roomIsWanted)),
    goOn: (nowMs: number) => show(session.goOn(nowMs)),
    isWaiting: () => session.isWaiting,
    comingBytes: () => session.comingBytes,
  };
}

export const connect = (headers = "") => `CONNECT\naccept-version:1.2\n${headers}\n\0`;
export const subscribe = (id: string, destination: string, more = "") =>
  `SUBSCRIBE\nid:${id}\ndestination:${destination}\n${more}\n\0`;
export const sendTo = (destination: string, more = "") =>
  `SEND\ndestination:${destination}\n${more}\n{}\0`;
export const request = "jms.topic.vdsm_requests";
export const isError = (what: string) =>
  expect.stringMatching(new RegExp(`^ERROR\n.*message:${what}\n`, "s"));
