/** STOMP frames, valid and almost valid, as bytes for parser and session. */

import fc from "fast-check";
import { commands, EVENT_QUEUE, requestQueues } from "../../../src/stomp/index.ts";
import { anyString, STRINGS } from "../json-text.ts";
import { messageText } from "../requests.ts";

const NAMES = [
  "accept-version",
  "host",
  "heart-beat",
  "destination",
  "id",
  "ack",
  "receipt",
  "reply-to",
  "content-length",
  "content-type",
  "transaction",
  "ovirtCorrelationId",
  "__proto__",
  "constructor",
];

const DESTINATIONS = [
  ...requestQueues,
  EVENT_QUEUE,
  "jms.topic.vdsm_responses",
  "jms.queue",
  "a",
  "a.b",
  `a.${"b".repeat(197)}`,
  "é".repeat(100),
  ":".repeat(200),
  "/queue/a\\c",
  "",
];

const VALUES = [
  ...DESTINATIONS,
  ...STRINGS.filter((each) => !each.includes("\0")),
  "1.2",
  "1.0,1.1,1.2",
  "1.1",
  "0,0",
  "1,1",
  "1000,1000",
  "999999999999999,999999999999999",
  "1000",
  "-1,0",
  "x".repeat(2048),
];

type Header = readonly [name: string, value: string];

export interface Sketch {
  readonly command: string;
  readonly headers: readonly Header[];
  readonly body: Buffer;
  /** What content-length says; undefined if there is none. */
  readonly length: "right" | "less" | "more" | "none" | "huge" | "odd";
  readonly end: "\n" | "\r\n";
}

const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...VALUES) },
  { weight: 1, arbitrary: anyString },
);
const header: fc.Arbitrary<Header> = fc.tuple(
  fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...NAMES) }, { weight: 1, arbitrary: value }),
  value,
);

/** The headers that each frame needs, so that most pass the first check. */
const needed = new Map<string, fc.Arbitrary<readonly Header[]>>(
  Object.entries<fc.Arbitrary<readonly Header[]>>({
    CONNECT: fc
      .tuple(fc.constantFrom("1.2", "1.0,1.2", "1.1"), fc.constantFrom("0,0", "1000,1000", "0,1"))
      .map(([version, beat]) => [
        ["accept-version", version],
        ["heart-beat", beat],
      ]),
    SEND: fc
      .tuple(fc.constantFrom(...requestQueues, ...DESTINATIONS), fc.constantFrom(...DESTINATIONS))
      .map(([to, reply]) => [
        ["destination", to],
        ["reply-to", reply],
      ]),
    SUBSCRIBE: fc
      .tuple(
        fc.constantFrom("1", "2", "3", "é:\n", "x".repeat(100)),
        fc.constantFrom(...DESTINATIONS),
      )
      .map(([id, to]) => [
        ["id", id],
        ["destination", to],
      ]),
    UNSUBSCRIBE: fc.constantFrom("1", "2", "4").map((id) => [["id", id]]),
    DISCONNECT: fc.constant([["receipt", "bye"]]),
  }),
);

const body = fc.oneof(
  { weight: 4, arbitrary: messageText.map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((each) => Buffer.from(each)) },
  { weight: 1, arbitrary: fc.constant(Buffer.alloc(0)) },
);

export const sketch: fc.Arbitrary<Sketch> = fc
  .oneof(
    {
      weight: 12,
      arbitrary: fc.constantFrom("SEND", "SEND", "SUBSCRIBE", "CONNECT", "UNSUBSCRIBE"),
    },
    { weight: 4, arbitrary: fc.constantFrom<string[]>(...commands, "STOMP", "send", "") },
    { weight: 1, arbitrary: anyString },
  )
  .chain((command) =>
    fc.record({
      command: fc.constant(command),
      headers: fc
        .tuple(
          needed.get(command) ?? fc.constant<readonly Header[]>([]),
          fc.array(header, { maxLength: 3 }),
        )
        .map((parts) => parts.flat()),
      body: command === "SEND" ? body : fc.constant(Buffer.alloc(0)),
      length: fc.oneof(
        { weight: 12, arbitrary: fc.constant("right" as const) },
        {
          weight: 1,
          arbitrary: fc.constantFrom("less", "more", "none", "huge", "odd" as const),
        },
      ),
      end: fc.constantFrom("\n" as const, "\n" as const, "\r\n" as const),
    }),
  );

function escaped(text: string): string {
  const escapes: Readonly<Record<string, string>> = {
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    ":": "\\c",
  };
  return text.replace(/[\\\n\r:]/g, (each) => escapes[each] ?? each);
}

export function bytesOf({ command, headers, body: content, length, end }: Sketch): Buffer {
  const lengths = {
    right: String(content.length),
    less: String(Math.max(0, content.length - 1)),
    more: String(content.length + 3),
    none: undefined,
    huge: "999999999999999",
    odd: "+1",
  };
  const size = lengths[length];
  const all = [...(size === undefined ? [] : [["content-length", size] as const]), ...headers];
  const lines = all.map(([name, each]) => `${escaped(name)}:${escaped(each)}${end}`);
  const head = `${command}${end}${lines.join("")}${end}`;
  return Buffer.concat([Buffer.from(head), content, Buffer.of(0)]);
}
