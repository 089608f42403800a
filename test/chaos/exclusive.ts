/**
 * Mutual exclusion: an act that disturbs a daemon, a libvirtd, a link or a QEMU owns it until it is
 * restored; the next act waits. Otherwise two acts would half undo each other's work.
 */

export class Exclusive {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` after everything that asked for the same thing earlier has finished. */
  async run<T>(thing: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(thing) ?? Promise.resolve();
    const mine = before.then(work, work);
    // A failure goes to the caller; the next one only waits for the end.
    this.#last.set(
      thing,
      mine.catch(() => undefined),
    );
    return mine;
  }
}
