/**
 * What a STOMP connection still has to write: one frame at a time, the next when the one before has
 * been handed to the kernel and, where a client needs it, has had a moment to be read on its own.
 *
 * Node would join waiting writes into one TLS record. vdsm-jsonrpc-java reads one record at a turn,
 * looks at its first 1024 bytes, and takes what follows a frame in the same record only with the
 * next bytes that come, or not at all if those 1024 end within a header. A record for each frame, as
 * VDSM's server sends them, is what it was tried with. Nor does it take a second record that came in
 * one read with the first: that waits for its next turn, up to 1 s over TLS and up to the next
 * heart-beat without. So its frames keep a gap, and the first of them one from the end of the TLS
 * handshake, whose last records it reads in the same way.
 */

import type { Socket } from "node:net";
import type { Clock } from "../clock.ts";

interface Waiting {
  readonly bytes: Uint8Array;
  /** Minimum time since the previous frame, or since the connection was made. */
  readonly gapMs: number;
}

export class StompOutbox {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #frames: Waiting[] = [];
  #unsentBytes = 0;
  #isEnding = false;
  /** When the last frame was handed to the kernel. */
  #leftAtMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** To be made when the handshake, if there is one, is done. */
  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#leftAtMs = clock.monotonicMs();
    socket.once("close", () => clearTimeout(this.#timer));
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Bytes behind the frame that is being written: one long answer does not make a slow reader. */
  get waitingBytes(): number {
    return this.#unsentBytes - (this.#frames[0]?.bytes.length ?? 0);
  }

  /** Nothing after `end`. `gapMs` 0: as soon as the previous frame is out. **Fails**: never. */
  send(bytes: Uint8Array, gapMs: number): void {
    if (this.#isEnding || !this.#socket.writable) return;
    const frame = { bytes, gapMs };
    this.#frames.push(frame);
    this.#unsentBytes += bytes.length;
    if (this.#frames.length === 1) this.#writeDue(frame);
  }

  /** Closes our half once everything is written. */
  end(): void {
    this.#isEnding = true;
    if (this.#frames.length === 0) this.#socket.end();
  }

  /** Now, or when its gap is over; a timer may fire a little early. */
  #writeDue(frame: Waiting): void {
    const waitMs = this.#leftAtMs + frame.gapMs - this.#clock.monotonicMs();
    if (frame.gapMs === 0 || waitMs <= 0) this.#write(frame);
    else this.#timer = setTimeout(() => this.#writeDue(frame), Math.ceil(waitMs));
  }

  #write({ bytes }: Waiting): void {
    this.#socket.write(bytes, (error) => {
      this.#frames.shift();
      this.#unsentBytes -= bytes.length;
      this.#leftAtMs = this.#clock.monotonicMs();
      const [next] = this.#frames;
      // A failed write destroys the socket, and nobody is left to be told.
      if (error !== undefined && error !== null) return;
      if (next !== undefined) this.#writeDue(next);
      else if (this.#isEnding) this.#socket.end();
    });
  }
}
