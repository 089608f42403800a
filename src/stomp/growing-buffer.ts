/**
 * Bytes that arrive in pieces, kept in one piece: capacity doubles, so that a message that comes byte
 * by byte costs no more than one that comes whole, and never more than twice what has really arrived.
 * Its user sets the bound, by checking `length` before appending.
 */

const INITIAL_BYTES = 256;

export class GrowingBuffer {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = needed;
  }

  /** What has been appended, as a copy that nobody changes; the buffer is empty afterwards. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    if (this.#bytes.length > INITIAL_BYTES) this.#bytes = new Uint8Array(INITIAL_BYTES);
    return taken;
  }
}
