/**
 * Who waits for a fact about one migration. A watcher is asked after each change, until its fact
 * holds or its deadline is over. What the facts are about is its owner's.
 */
export class Watchers<T> {
  readonly #watchers = new Set<(value: T) => void>();

  /** Resolves true once `fact` holds, or false at the deadline. `now`: what it is to hold of first. */
  waitFor(now: T, fact: (value: T) => boolean, deadlineMs: number): Promise<boolean> {
    if (fact(now)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (held: boolean): void => {
        clearTimeout(timer);
        this.#watchers.delete(watcher);
        resolve(held);
      };
      const watcher = (value: T): void => {
        if (fact(value)) done(true);
      };
      const timer = setTimeout(() => done(false), deadlineMs);
      this.#watchers.add(watcher);
    });
  }

  tell(value: T): void {
    for (const watcher of this.#watchers) watcher(value);
  }
}
