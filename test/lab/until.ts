/**
 * Waits for a condition. The lab watches something outside the process (a file that a guest writes,
 * a process table) until the condition holds, and fails with an explanation at the deadline.
 * Nothing here sleeps in the hope that something has happened.
 */
import { setTimeout as delay } from "node:timers/promises";

const LOOK_AGAIN_MS = 20;

/**
 * Resolves with the first value of `look` that is not undefined.
 * Fails at the deadline with the message that `describe` returns then.
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
      throw new Error(`timed out after ${deadlineMs} ms waiting for ${describe()}`);
    }
    await delay(LOOK_AGAIN_MS);
  }
}
