/**
 * One at a time: whoever takes a daemon, a libvirtd, a link or a QEMU away and brings it back owns it
 * meanwhile; the next one waits. Without this two acts would undo each other's cut by halves.
 */

export class Exclusive {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` once everything that asked for the same thing before is through. */
  async run<T>(thing: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(thing) ?? Promise.resolve();
    const mine = before.then(work, work);
    // Its failure is the caller's; whoever comes next only waits for the end.
    this.#last.set(
      thing,
      mine.catch(() => undefined),
    );
    return mine;
  }
}
