/**
 * Which protocol a connection speaks, from as many of its first bytes as it takes. Both STOMP and HTTP
 * begin with a word in capitals, and some words are in both (CONNECT, SUBSCRIBE); in HTTP a space
 * follows, in STOMP the line ends. Both protocols allow line ends before it. Anything else goes to the
 * HTTP parser, which knows how to refuse.
 */

import { commands } from "../stomp/index.ts";

/** Longer than any command or method, and some line ends before it. */
const MAX_LOOKED_AT_BYTES = 64;

export type Protocol = "http" | "stomp";

/** undefined: not yet clear, more bytes are needed. */
export function protocolOf(first: Uint8Array): Protocol | undefined {
  const text = Buffer.from(first.subarray(0, MAX_LOOKED_AT_BYTES)).toString("latin1");
  const [, word = "", after = ""] = /^[\r\n]*([A-Z]*)([^A-Z]?)/.exec(text) ?? [];
  if (after === "" && first.length < MAX_LOOKED_AT_BYTES) return undefined;
  const isLineEnd = after === "\n" || after === "\r";
  return isLineEnd && commands.some((each) => each === word) ? "stomp" : "http";
}
