/**
 * Errors inside the daemon. An operating error is thrown as `MonitorError`, which is declared where the
 * errors that clients see are (wire/errors.ts); a programmer's error is an assertion and stops the
 * process.
 */
export { MonitorError, type ErrorName } from "./wire/errors.ts";

/** What was thrown, in words: JavaScript lets anything be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
