/**
 * STOMP through the real listener: sequences of frames, valid and almost valid, on one connection.
 * What comes back must be server frames only, with ERROR last, and headers where vdsm-jsonrpc-java
 * finds them; the connection must end when the client's half does.
 */

import fc from "fast-check";
import { type Frame, FrameParser } from "../../../src/stomp/index.ts";
import { cutInto, cuts, mutated } from "../bytes.ts";
import { startEdge } from "../edge.ts";
import { claimResponse } from "../replies.ts";
import { claim, show, type Target } from "../target.ts";
import { type Ending, exchange } from "../wire.ts";
import { bytesOf, sketch } from "./stomp-frames.ts";

interface Session {
  readonly bytes: Uint8Array;
  readonly places: readonly number[];
  readonly ending: Ending;
  /** Whether an event is sent to everybody meanwhile. */
  readonly event: boolean;
}

const CONNECT = "CONNECT\naccept-version:1.2\nheart-beat:0,0\n\n\0";
const SUBSCRIBE = "SUBSCRIBE\nid:s\ndestination:jms.topic.vdsm_responses\n\n\0";

const opening = fc.constantFrom("", CONNECT, CONNECT + SUBSCRIBE, `\n\r\n${CONNECT}`, "STOMP\n");
const frames = fc.array(sketch, { maxLength: 6 }).map((all) => Buffer.concat(all.map(bytesOf)));

const input: fc.Arbitrary<Session> = fc.record({
  bytes: fc
    .tuple(opening, mutated(frames))
    .map(([first, rest]) => Buffer.concat([Buffer.from(first), rest])),
  places: cuts,
  ending: fc.constantFrom("half", "half", "half", "drop", "vanish"),
  event: fc.nat({ max: 9 }).map((n) => n === 0),
});

const BOUNDS = { lineBytes: 1024, headerCount: 8, bodyBytes: 8 * 1_048_576 };
/** vdsm-jsonrpc-java reads headers from at most this many bytes. */
const HEAD_BYTES_MAX = 1024;
const OWN_COMMANDS = new Set(["CONNECTED", "MESSAGE", "RECEIPT", "ERROR"]);

const event = { method: "|virt|fuzz|v", params: { v: { a: "b" }, notify_time: 1 } };

/** **Fails**: Error. `isWhole`: the client has read everything. */
export function claimFrames(reply: Buffer, isWhole: boolean): void {
  const parser = new FrameParser(BOUNDS);
  const { frames: heard, malformed } = parser.parse(reply);
  claim(malformed === undefined, `${malformed}: ${show(reply)}`);
  claim(!isWhole || !parser.isInFrame, `an incomplete frame: ${show(reply)}`);
  for (const [index, frame] of heard.entries()) {
    claim(OWN_COMMANDS.has(frame.command), `unexpected frame ${show(frame)}`);
    claim(frame.command !== "ERROR" || index === heard.length - 1, `after an ERROR ${show(heard)}`);
    claim(frame.headers.has("content-length"), `no content-length ${show(frame)}`);
    claim(headBytes(frame) < HEAD_BYTES_MAX, `a long head ${show(frame)}`);
    if (frame.command === "MESSAGE") claimMessage(frame);
  }
}

function headBytes({ command, headers }: Frame): number {
  const lines = [...headers].map(([name, value]) => {
    const escapes = value.match(/[\\\n\r:]/g)?.length ?? 0;
    return Buffer.byteLength(name) + Buffer.byteLength(value) + escapes + 2;
  });
  return lines.reduce((sum, length) => sum + length, command.length + 2);
}

function claimMessage({ headers, body }: Frame): void {
  for (const name of ["destination", "subscription", "message-id"]) {
    claim(headers.has(name), `a MESSAGE without ${name}`);
  }
  const value: unknown = JSON.parse(Buffer.from(body).toString());
  const replies: readonly unknown[] = Array.isArray(value) ? value : [value];
  for (const each of replies) {
    if (JSON.stringify(each) !== JSON.stringify({ jsonrpc: "2.0", ...event })) claimResponse(each);
  }
}

export const stompSession: Target<Session> = {
  name: "stomp-session",
  input,
  batch: 32,
  share: 7,
  start: async () => {
    const edge = await startEdge();
    return {
      run: async ({ bytes, places, ending, event: sendsEvent }) => {
        const pieces = cutInto(bytes, places);
        const talk = exchange({ path: edge.path }, { pieces, ending });
        if (sendsEvent) setImmediate(() => edge.tell(event));
        const reply = await talk;
        // If the first bytes did not look like STOMP, HTTP or nothing has handled it.
        if (!reply.subarray(0, 5).equals(Buffer.from("HTTP/"))) {
          claimFrames(reply, ending === "half");
        }
      },
      check: edge.check,
      stop: edge.stop,
    };
  },
};
