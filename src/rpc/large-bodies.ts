/**
 * Bodies beyond the common limit, which only a domain's definition needs: how many bytes of them the
 * daemon has in hand at a time, whoever sent them. Who may send one is not known here.
 */

export class LargeBodies {
  readonly #totalBytes: number;
  #takenBytes = 0;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  /** False: there are too many now. What was taken is to be given back. */
  take(bytes: number): boolean {
    if (this.#takenBytes + bytes > this.#totalBytes) return false;
    this.#takenBytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#takenBytes -= bytes;
  }
}
