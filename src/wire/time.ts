/**
 * The two times of the wire. Engines compare an event's notify_time with a VM's statusTime and drop
 * whatever is older than the last they had from this host, so both are of one monotonic clock. Times
 * for people are ISO 8601, in UTC.
 */

/** A moment by both clocks of the host. */
export interface Moment {
  /** Since the host's boot, never going back. */
  readonly monotonicMs: number;
  /** Since 1970. */
  readonly wallMs: number;
}

/** Engines expect times above this. Source: VDSM. */
const WIRE_TIME_BASE_MS = 2 ** 31 - 1;

/** Whole milliseconds, never going back within one boot of the host. */
export function wireTimeMs({ monotonicMs }: Pick<Moment, "monotonicMs">): number {
  return WIRE_TIME_BASE_MS + Math.round(monotonicMs);
}

/** The same in digits, as statusTime has it. */
export function statusTime(now: Pick<Moment, "monotonicMs">): string {
  return String(wireTimeMs(now));
}

/** ISO 8601, UTC, with milliseconds. */
export function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
