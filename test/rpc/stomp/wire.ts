/** A raw socket to the server: bytes out as they are, frames of the server in, one at a time. */

import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";

export interface Wire {
  readonly socket: Socket;
  /** As one piece. */
  readonly write: (text: string) => void;
  /** Each byte in a write of its own. */
  readonly drip: (text: string) => Promise<void>;
  /** The next frame with its NUL, or "\n" for a heart-beat, or "" at the end of the connection. */
  readonly next: () => Promise<string>;
  /** All that comes until the server closes. */
  readonly rest: () => Promise<string>;
  readonly close: () => Promise<void>;
}

export type Way = "plain" | "TLS";

export async function openWire(port: number, tls?: ConnectionOptions): Promise<Wire> {
  const at = { host: "127.0.0.1", port };
  const socket = tls === undefined ? connectTcp(at) : connectTls({ ...at, ...tls });
  socket.setNoDelay(true);
  let got = "";
  let hasEnded = false;
  let wake: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("data", (chunk: Buffer) => {
    got += chunk.toString("latin1");
    wake();
  });
  socket.on("error", () => undefined);
  const end = (): void => {
    hasEnded = true;
    wake();
  };
  socket.once("end", end).once("close", end);
  await new Promise<void>((resolve) => {
    socket.once(tls === undefined ? "connect" : "secureConnect", resolve).once("close", resolve);
  });
  const more = async (): Promise<void> =>
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  // Looked for once for each frame: a long one comes in many pieces.
  let length: number | undefined;
  const takeFirst = (): string | undefined => {
    length ??= got.startsWith("\n") ? 1 : announcedLength(got);
    if (length === undefined || got.length < length) return undefined;
    const first = got.slice(0, length);
    got = got.slice(length);
    length = undefined;
    return Buffer.from(first, "latin1").toString();
  };
  const next = async (): Promise<string> => {
    for (;;) {
      const first = takeFirst();
      if (first !== undefined) return first;
      if (hasEnded) return "";
      await more();
    }
  };
  return {
    socket,
    next,
    write: (text) => void socket.write(text),
    drip: async (text) => {
      for (const byte of Buffer.from(text)) {
        await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
      }
    },
    rest: async () => {
      while (!hasEnded) await more();
      return got;
    },
    close: async () => {
      socket.destroy();
      await closed;
    },
  };
}

/** Of the first frame; undefined while it is not all there. */
export function frameLength(text: string): number | undefined {
  const length = announcedLength(text);
  return length === undefined || text.length < length ? undefined : length;
}

/** By content-length, which the server always sends; undefined while the headers are not all there. */
function announcedLength(text: string): number | undefined {
  const head = text.indexOf("\n\n");
  if (head < 0) return undefined;
  const length = Number(/\ncontent-length:(\d+)/.exec(text.slice(0, head + 1))?.[1]);
  if (Number.isNaN(length)) throw new Error(`no content-length: ${JSON.stringify(text)}`);
  return head + 2 + length + 1;
}
