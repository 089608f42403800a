/** One connection to the edge: bytes sent in pieces, one of three endings, and what came back. */

import { connect, type NetConnectOpts } from "node:net";
import { within } from "./target.ts";

/**
 * `half`: closes its sending side and waits until the other end has closed. `drop`: closes as soon
 * as everything is written. `vanish`: closes without having read anything.
 */
export type Ending = "half" | "drop" | "vanish";

export interface Exchange {
  readonly pieces: readonly Uint8Array[];
  readonly ending: Ending;
  /** Sent first; the rest follows once the first bytes have come back. */
  readonly opening?: Uint8Array;
}

const REPLY_BYTES_MAX = 8 * 1_048_576;

/** Everything that came back. **Fails**: if the other end does not close. */
export async function exchange(to: NetConnectOpts, script: Exchange): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const socket = connect(to);
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const heard = new Promise<void>((resolve) => {
    if (script.ending !== "vanish") {
      socket.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > REPLY_BYTES_MAX) socket.destroy(new Error("too much came back"));
        else chunks.push(chunk);
        resolve();
      });
    }
    socket.once("close", () => resolve());
  });
  if (script.opening !== undefined) {
    socket.write(script.opening);
    if (script.ending !== "vanish") await within(heard, "the opening's reply");
  }
  for (const piece of script.pieces) {
    if (socket.destroyed) break;
    await within(
      new Promise<void>((resolve) => {
        socket.once("close", () => resolve());
        socket.write(piece, () => resolve());
      }),
      "a write",
    );
  }
  if (script.ending === "half") socket.end();
  else socket.destroy();
  try {
    await within(closed, `the end of a connection; so far ${size} bytes came back`);
  } finally {
    socket.destroy();
  }
  return Buffer.concat(chunks);
}
