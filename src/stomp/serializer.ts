/**
 * A frame as bytes. content-length is always there, also for an empty body: vdsm-jsonrpc-java reads
 * a frame without it in another, less careful way. The daemon's own header values contain no
 * character that needs an escape, since Java does not unescape them; a value echoed to the client that
 * chose it (subscription, receipt) is escaped as the specification says. In CONNECT and CONNECTED there are no
 * escapes, and so no such characters.
 */

import assert from "node:assert/strict";
import { escapeHeader } from "./escape.ts";
import { isUnescaped } from "./frame.ts";

export interface FrameToSend {
  readonly command: string;
  /** In the order of the wire; content-length is added. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: string | Uint8Array;
}

/** **Fails**: an assertion if a CONNECT or CONNECTED has a value that would need escapes. */
export function serializeFrame({ command, headers, body = "" }: FrameToSend): Buffer {
  const content = Buffer.from(body);
  const lines = headers.map(([name, value]) =>
    isUnescaped(command)
      ? `${plain(name)}:${plain(value)}\n`
      : `${escapeHeader(name)}:${escapeHeader(value)}\n`,
  );
  const head = `${command}\n${lines.join("")}content-length:${content.length}\n\n`;
  return Buffer.concat([Buffer.from(head), content, Buffer.of(0)]);
}

function plain(text: string): string {
  assert(!/[\n\r:\\]/.test(text), "a header that cannot be escaped");
  return text;
}
