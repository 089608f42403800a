/** One connection to the edge: bytes out in pieces, one of three endings, what came back. */

import { connect, type NetConnectOpts } from "node:net";
import { within } from "./target.ts";

/**
 * `half`: says that nothing more comes, and waits until the other end has closed. `drop`: goes away
 * as soon as all is written. `vanish`: goes away without having read anything.
 */
export type Ending = "half" | "drop" | "vanish";

export interface Exchange {
  readonly pieces: readonly Uint8Array[];
  readonly ending: Ending;
  /** Once the first bytes have come back; what is written before them otherwise. */
  readonly opening?: Uint8Array;
}

const REPLY_BYTES_MAX = 8 * 1_048_576;

/** All that came back. **Fails**: if the other end does not close. */
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
