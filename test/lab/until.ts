/**
 * Waiting for a fact. The lab looks at something outside the process (a file that a guest writes, a
 * process table) until it is so, and fails loudly at the deadline; nothing here waits for time to
 * pass in the hope that something has happened.
 */
import { setTimeout as delay } from "node:timers/promises";

const LOOK_AGAIN_MS = 20;

/**
 * Resolves with the first value of `look` that is not undefined.
 * Fails at the deadline, with what `describe` says then.
 */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  deadlineMs: number,
  describe: () => string,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    if (performance.now() >= endMs) {
      throw new Error(`not within ${deadlineMs} ms: ${describe()}`);
    }
    await delay(LOOK_AGAIN_MS);
  }
}
