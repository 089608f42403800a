/**
 * Work on the files of saves, whose file system may hang for as long as its server is away. A call to
 * it cannot be called off: it holds one of libuv's four threads, and names may hold two (resolver.ts),
 * while the journal needs one. So all such work is done here, one after the other, and whoever waits
 * for it waits its own time and no longer. Work makes one call at a time.
 */

/** `late`: not done in time; whether it ever will be is for the method to say. */
export type Timely<T> = T | "late";

export class FileTurn {
  #last: Promise<void> = Promise.resolve();

  /**
   * Work that is of no use later: it is left out if its turn does not come within `withinMs`, and what
   * it comes to after that is given to `undo`, in the same turn. **Fails**: as the work does in time.
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

  /** Work that is done in any case, however late. **Fails**: as the work does in time. */
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
          // Once it is late nobody hears of it: what was wrong is the file system.
          (error: unknown) => reject(error),
        )
        .finally(() => clearTimeout(timer));
    });
  }
}

/** One for all: the threads are the process's. */
export const fileTurn = new FileTurn();
