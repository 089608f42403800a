/**
 * Calls for many items, a limited number of them at a time, until a deadline. A call may never come
 * back (job stats of a VM whose QEMU is stopped), so it only holds up its own worker: the other
 * workers go on to the next items, and the deadline ends the wait for the rest. It knows nothing of
 * what is called.
 */

export interface InTurns {
  /** Should exceed the number of calls that may hang at once. */
  readonly atOnce: number;
  readonly deadlineMs: number;
}

/**
 * Resolves when every call has ended, and at the deadline in any case: calls in flight then go on by
 * themselves, and items whose turn has not come are left out. **Fails**: if a call rejects in time.
 */
export async function inTurns<T>(
  items: readonly T[],
  { atOnce, deadlineMs }: InTurns,
  call: (item: T) => Promise<void>,
): Promise<void> {
  let over = false;
  // One iterator for all workers, so that each item has one turn.
  const turns = items.values();
  const work = async (): Promise<void> => {
    for (const item of turns) {
      if (over) return;
      await call(item);
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, deadlineMs);
  });
  try {
    await Promise.race([Promise.all(Array.from({ length: atOnce }, work)), deadline]);
  } finally {
    over = true;
    clearTimeout(timer);
  }
}
