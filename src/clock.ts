/**
 * The only clocks of the tree. Everything that measures takes `monotonicMs`; everything that stamps
 * takes `wallMs`. The core sees neither: its callers pass the time in.
 */

export interface Clock {
  /** Milliseconds since an arbitrary start, never going back. For durations and deadlines; it says
   * nothing about the time of day and is not comparable between two boots. */
  monotonicMs(): number;
  /** Milliseconds since 1970, as the host believes. For stamps that a human reads; wrong for any
   * duration, because an operator or NTP may set it. */
  wallMs(): number;
}

export const systemClock: Clock = {
  monotonicMs: () => Number(process.hrtime.bigint() / 1_000n) / 1_000,
  wallMs: () => Date.now(),
};

/** ISO 8601, UTC, with milliseconds: how a wall time is written for people. */
export function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
