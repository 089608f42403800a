/**
 * Work on the files of saves, whose file system may hang as long as its server is away. A hanging call
 * cannot be cancelled and blocks one of libuv's four threads; name lookups may block two (resolver.ts)
 * and the journal needs one. So all such work runs here, one piece at a time with one call at a time,
 * and each caller waits no longer than its own deadline.
 */

/** `late`: not done in time; whether it still will be depends on the method. */
export type Timely<T> = T | "late";

export class FileTurn {
  #last: Promise<void> = Promise.resolve();

  /**
   * Work that is useless if late: skipped if its turn does not come within `withinMs`; a result after that
   * is passed to `undo`, in the same turn. **Fails**: as the work does, if in time.
   */
  ask<T>(
    withinMs: number,
    work: () => Promise<T>,
    undo: (late: T) => Promise<void> = async () => {},
  ): Promise<Timely<T>> {
    return this.#take(withinMs, async (isLate) => {
      if (isLate()) return "late";
      const value = await work();
      if (isLate()) await undo(value);
      return value;
    });
  }

  /** Work that is done in any case, however late. **Fails**: as the work does, if in time. */
  surely<T>(withinMs: number, work: () => Promise<T>): Promise<Timely<T>> {
    return this.#take(withinMs, work);
  }

  #take<T>(
    withinMs: number,
    work: (isLate: () => boolean) => Promise<Timely<T>>,
  ): Promise<Timely<T>> {
    return new Promise((resolve, reject) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        resolve("late");
      }, withinMs);
      timer.unref();
      this.#last = this.#last
        .then(() => work(() => late))
        .then(
          (done) => resolve(done),
          // After the deadline nobody is listening: the fault was the file system.
          (error: unknown) => reject(error),
        )
        .finally(() => clearTimeout(timer));
    });
  }
}

/** One per process, as the threads are. */
export const fileTurn = new FileTurn();
