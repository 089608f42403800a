/**
 * Waits for a fact about one migration: each is tested after every change, until it holds or its deadline
 * passes. A test that throws fails its own wait and no other.
 */
export class Watchers<T> {
  readonly #watchers = new Set<(value: T) => void>();

  /**
   * Resolves true once `fact` holds, or false at the deadline. `now` is tested first. **Fails**: with what
   * `fact` throws.
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
