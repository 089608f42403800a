/**
 * What differs between versions of QEMU and libvirt as far as a migration shows it, and the few times
 * that neither depend on a guest nor on a link. Measured on two hosts with emulated guests
 * (libvirt.md in src/docs); `npm run calibrate` holds them against the real thing.
 */

import { MIB_BYTES } from "../../core/units.ts";

export interface QemuProfile {
  readonly qemuVersion: string;
  readonly libvirtVersion: string;
  /**
   * QEMU also looks for dirtied pages in mid-pass, and counts a pass each time: after so much sending;
   * null: it does not. `always`: also without auto-converge.
   */
  readonly resync: { readonly everyMs: number; readonly always: boolean } | null;
  /** Sent above the cap, for each second. */
  readonly overCapBytesPerSecond: number;
  /** The first pass that is announced by an event. */
  readonly firstPassTold: number;
  /** From the call until libvirt has a job that shows in its statistics. */
  readonly jobAfterMs: number;
  /** From the call until the destination shows the guest that is to come. */
  readonly incomingAfterMs: number;
  /** From the call until the first data. */
  readonly dataAfterMs: number;
  /** From an abort before the first data until the call returns. */
  readonly abortInPrepareMs: number;
  /** What the guest stands still beside the time for its last pages: device state, hand-over. */
  readonly switchoverMs: number;
  /** From the guest's start over there until libvirt is done with it here. */
  readonly finishMs: number;
  /** From a failure until the destination has taken apart what it prepared. */
  readonly cleanUpMs: number;
  /** Pages a second that QEMU looks through, if they turn out to be zero. */
  readonly zeroPagesPerSecond: number;
}

const QEMU_7_2: QemuProfile = {
  qemuVersion: "7.2.22",
  libvirtVersion: "9.0.0",
  resync: null,
  overCapBytesPerSecond: 0.02 * MIB_BYTES,
  firstPassTold: 1,
  jobAfterMs: 30,
  incomingAfterMs: 150,
  dataAfterMs: 250,
  abortInPrepareMs: 2000,
  switchoverMs: 15,
  finishMs: 200,
  cleanUpMs: 2500,
  zeroPagesPerSecond: 1_000_000,
};

/** By the version of QEMU that a scenario names. */
export const qemuProfiles = {
  "7.2": QEMU_7_2,
  "10.0": {
    ...QEMU_7_2,
    qemuVersion: "10.0.0",
    libvirtVersion: "11.3.0",
    resync: { everyMs: 5000, always: false },
    overCapBytesPerSecond: 0.5 * MIB_BYTES,
  },
  "11.1": {
    ...QEMU_7_2,
    qemuVersion: "11.1.0",
    libvirtVersion: "12.8.0",
    resync: { everyMs: 100, always: true },
    overCapBytesPerSecond: 0.5 * MIB_BYTES,
    firstPassTold: 2,
  },
} as const satisfies Readonly<Record<string, QemuProfile>>;

export type QemuVersion = keyof typeof qemuProfiles;

/** What a cap comes to on the wire. MiB/s as libvirt takes them: 0 is no limit. */
export function capBytesPerSecond(profile: QemuProfile, maxBandwidthMiBps: number): number {
  if (maxBandwidthMiBps === 0) return Infinity;
  return maxBandwidthMiBps * MIB_BYTES + profile.overCapBytesPerSecond;
}
