/**
 * The only clocks in the source tree. Durations use `monotonicMs`, timestamps use `wallMs`. The core
 * sees neither: its callers pass the time in.
 */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Moment } from "./wire/time.ts";

export { isoTime } from "./wire/time.ts";

export interface Clock {
  /** Milliseconds since the host booted; never goes back. For durations and deadlines. It says nothing
   * about the time of day, is the same in every process on the host, and cannot be compared across
   * boots. */
  monotonicMs(): number;
  /** Milliseconds since 1970 according to the host. For timestamps that people read; useless for
   * durations, because an operator or NTP may change it. */
  wallMs(): number;
}

export const systemClock: Clock = {
  // CLOCK_MONOTONIC on Linux.
  monotonicMs: () => Number(process.hrtime.bigint() / 1_000n) / 1_000,
  wallMs: () => Date.now(),
};

/**
 * The kernel's ID of this boot: monotonic times of two processes are comparable if it is the same.
 * Where the kernel does not provide it, a unique value that no journal will ever match.
 */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return `unknown-${randomUUID()}`;
  }
}

/** Parses a time written for people into ms since 1970; NaN if it cannot be parsed. */
export function wallMsOf(text: string): number {
  return Date.parse(text);
}

/** Now, by both clocks. */
export function momentOf(clock: Clock): Moment {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
}
