/**
 * Bodies larger than the common limit, which only a domain's definition needs: how many bytes of them
 * the daemon holds at a time, whoever sent them, and who waits for room, in which order. Who may send
 * one, and how long one may wait, is not known here.
 */

interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

export class LargeBodies {
  readonly #totalBytes: number;
  readonly #waiting = new Set<Waiting>();
  #takenBytes = 0;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  /** Somebody waits for room. */
  get isWanted(): boolean {
    return this.#waiting.size > 0;
  }

  /** False: there is no room now, or others are waiting already. What was taken must be given back. */
  take(bytes: number): boolean {
    if (this.isWanted || !this.#hasRoom(bytes)) return false;
    this.#takenBytes += bytes;
    return true;
  }

  /** `go` is called once it is taken. The returned function ends the wait, and may be called again. */
  wait(bytes: number, go: () => void): () => void {
    const waiting = { bytes, go };
    this.#waiting.add(waiting);
    return () => {
      // The next one may need less.
      if (this.#waiting.delete(waiting)) this.#letIn();
    };
  }

  giveBack(bytes: number): void {
    this.#takenBytes -= bytes;
    this.#letIn();
  }

  #letIn(): void {
    for (const waiting of this.#waiting) {
      if (!this.#hasRoom(waiting.bytes)) return;
      this.#waiting.delete(waiting);
      this.#takenBytes += waiting.bytes;
      waiting.go();
    }
  }

  #hasRoom(bytes: number): boolean {
    return this.#takenBytes + bytes <= this.#totalBytes;
  }
}
