/**
 * Waiting for a fact. The lab looks at something outside the process (a file that a guest writes, a
 * process table) until it is so, and fails loudly at the deadline; nothing here waits for time to
 * pass in the hope that something has happened.
 */
import { setTimeout as delay } from "node:timers/promises";

const LOOK_AGAIN_MS = 20;

/**
 * Resolves with the first value of `look` that is neither undefined nor false.
 * Fails at the deadline, with what was waited for.
 */
export async function until<T>(
  look: () => T | false | undefined | Promise<T | false | undefined>,
  deadlineMs: number,
  what: string | (() => string),
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (performance.now() >= endMs) {
      const waitedFor = typeof what === "string" ? what : what();
      throw new Error(`not within ${deadlineMs} ms: ${waitedFor}`);
    }
    await delay(LOOK_AGAIN_MS);
  }
}
