/**
 * What a STOMP connection has yet to write: one frame at a time, the next when the one before has
 * left for the kernel.
 *
 * Node would join waiting writes into one TLS record. vdsm-jsonrpc-java reads one record at a time,
 * looks at its first 1024 bytes, and takes what follows a frame in the same record only with the
 * next bytes that come, or not at all if those 1024 end within a header. A record for each frame, as
 * VDSM's server sends them, is what it was tried with.
 */

import type { Socket } from "node:net";

export class StompOutbox {
  readonly #socket: Socket;
  readonly #frames: Uint8Array[] = [];
  #unsentBytes = 0;
  #isEnding = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Those behind the frame that is being written: one long answer does not make a slow reader. */
  get waitingBytes(): number {
    return this.#unsentBytes - (this.#frames[0]?.length ?? 0);
  }

  /** Nothing after `end`. **Fails**: never. */
  send(frame: Uint8Array): void {
    if (this.#isEnding || !this.#socket.writable) return;
    this.#frames.push(frame);
    this.#unsentBytes += frame.length;
    if (this.#frames.length === 1) this.#write(frame);
  }

  /** Closes our half once all is written. */
  end(): void {
    this.#isEnding = true;
    if (this.#frames.length === 0) this.#socket.end();
  }

  #write(frame: Uint8Array): void {
    this.#socket.write(frame, (error) => {
      this.#frames.shift();
      this.#unsentBytes -= frame.length;
      const [next] = this.#frames;
      // A failed write destroys the socket, and nobody is left to be told.
      if (error !== undefined && error !== null) return;
      if (next !== undefined) this.#write(next);
      else if (this.#isEnding) this.#socket.end();
    });
  }
}
