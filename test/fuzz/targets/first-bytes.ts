/**
 * protocolOf: decided after 64 bytes at most, never changed by what follows, and STOMP only for a
 * command alone on its line.
 */

import fc from "fast-check";
import { protocolOf } from "../../../src/rpc/first-bytes.ts";
import { commands } from "../../../src/stomp/index.ts";
import { mutated, rawBytes } from "../bytes.ts";
import { claim, pure } from "../target.ts";

const LOOKED_AT = 64;

const begin = fc
  .tuple(
    fc.constantFrom("", "\n", "\r\n\r\n", "\n".repeat(62), "\n".repeat(64)),
    fc.constantFrom<string[]>(...commands, "GET", "POST", "OPTIONS", "PRI", "A".repeat(64), "get"),
    fc.constantFrom("\n", "\r\n", "\r", " / HTTP/1.1\r\n", " ", ":", "\0", ""),
    fc.constantFrom("", "host:x\n\n\0"),
  )
  .map((parts) => Buffer.from(parts.join(""), "latin1"));

export const firstBytes = pure<Uint8Array>(
  {
    name: "first-bytes",
    input: fc.oneof<fc.Arbitrary<Uint8Array>[]>(mutated(begin), rawBytes),
    share: 8,
  },
  (bytes) => {
    const whole = protocolOf(bytes);
    claim(bytes.length < LOOKED_AT || whole !== undefined, "not decided after 64 bytes");
    for (let length = 0; length < Math.min(bytes.length, LOOKED_AT + 1); length += 1) {
      const early = protocolOf(bytes.subarray(0, length));
      claim(early === undefined || early === whole, `after ${length}: ${early}, then ${whole}`);
    }
    const lines = Buffer.from(bytes.subarray(0, LOOKED_AT)).toString("latin1");
    const [word = ""] = lines.replace(/^[\r\n]+/, "").split(/[\r\n]/, 1);
    const isCommand = commands.some((command) => command === word);
    claim(whole !== "stomp" || isCommand, `STOMP for ${JSON.stringify(word)}`);
    claim(
      whole !== "http" || !isCommand || !/[\r\n]./s.test(lines.trimStart()),
      `HTTP for ${word}`,
    );
  },
);
