/**
 * The only clocks of the tree. Everything that measures takes `monotonicMs`; everything that stamps
 * takes `wallMs`. The core sees neither: its callers pass the time in.
 */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

export interface Clock {
  /** Milliseconds since the host's boot, never going back. For durations and deadlines; it says
   * nothing about the time of day, is the same clock in every process of the host, and is not
   * comparable between two boots. */
  monotonicMs(): number;
  /** Milliseconds since 1970, as the host believes. For stamps that a human reads; wrong for any
   * duration, because an operator or NTP may set it. */
  wallMs(): number;
}

export const systemClock: Clock = {
  // CLOCK_MONOTONIC on Linux.
  monotonicMs: () => Number(process.hrtime.bigint() / 1_000n) / 1_000,
  wallMs: () => Date.now(),
};

/**
 * The kernel's name for this boot: monotonic times of two daemons are comparable if it is the same.
 * "unknown" where the kernel does not say, which then is never the boot of a journal.
 */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return `unknown-${randomUUID()}`;
  }
}

/** ISO 8601, UTC, with milliseconds: how a wall time is written for people. */
export function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

/** What a time that is written for people says, ms since 1970. NaN: none that can be read. */
export function wallMsOf(text: string): number {
  return Date.parse(text);
}
