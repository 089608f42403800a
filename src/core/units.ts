/**
 * The units at the edges. Inside everything is bytes, bytes per second and milliseconds; libvirt
 * and VDSM speak whole MiB/s, and there 0 never means "stop": libvirt reads it as "no limit",
 * VDSM as "the default". So a bandwidth floored to MiB/s is never below 1.
 */

export const MIB_BYTES = 1024 * 1024;
export const GIB_BYTES = 1024 * MIB_BYTES;
export const MS_PER_SECOND = 1000;

/** Whole MiB/s, rounded down, at least 1. Example: 1.9 MiB/s gives 1, 0.3 MiB/s gives 1. */
export function mibpsFloor(mibps: number): number {
  return Math.max(1, Math.floor(mibps));
}

export function mibpsToBytesPerSecond(mibps: number): number {
  return mibps * MIB_BYTES;
}

export function secondsToMs(seconds: number): number {
  return seconds * MS_PER_SECOND;
}

/** Whole seconds, rounded down: an age of 1.9 s is "1 s old". */
export function msToSecondsFloor(ms: number): number {
  return Math.floor(ms / MS_PER_SECOND);
}

/** Whole seconds, rounded up: with 0.2 s left, "1 s left"; 0 only when nothing is left. */
export function msToSecondsCeil(ms: number): number {
  return Math.ceil(ms / MS_PER_SECOND);
}
