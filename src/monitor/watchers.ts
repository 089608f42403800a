/**
 * Who waits for a fact about one migration. A watcher is asked after each change, until its fact
 * holds or its deadline is over; one that throws has its own wait fail, and nobody else's. What the
 * facts are about is its owner's.
 */
export class Watchers<T> {
  readonly #watchers = new Set<(value: T) => void>();

  /**
   * Resolves true once `fact` holds, or false at the deadline. `now`: what it is to hold of first.
   * **Fails**: with what `fact` throws.
   */
  async waitFor(now: T, fact: (value: T) => boolean, deadlineMs: number): Promise<boolean> {
    if (fact(now)) return true;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(watcher);
      };
      const watcher = (value: T): void => {
        try {
          if (!fact(value)) return;
          resolve(true);
        } catch (error) {
          reject(error);
        }
        leave();
      };
      const timer = setTimeout(() => {
        resolve(false);
        leave();
      }, deadlineMs);
      this.#watchers.add(watcher);
    });
  }

  tell(value: T): void {
    for (const watcher of this.#watchers) watcher(value);
  }
}
