/**
 * The one clock of the wire: an event's notify_time and a VM's statusTime are compared with each other
 * by engines, which drop whatever is older than the last they had from this host.
 */
import type { Clock } from "../clock.ts";

/** Engines expect times above this. Source: VDSM. */
const WIRE_TIME_BASE_MS = 2 ** 31 - 1;

/** Whole milliseconds, never going back within one boot of the host. */
export function wireTimeMs(clock: Clock): number {
  return WIRE_TIME_BASE_MS + Math.round(clock.monotonicMs());
}
