/**
 * What the engine is told of a migration and of its VM, and the words that go with it. Facts in the
 * core's units; the wire adds the name, the envelope and its own units. Whoever ends a migration, or
 * announces a stall, fills these in; nothing here decides anything.
 */
import type { EndReason } from "./end-reasons.ts";
import type { GuestStopped, RunState } from "./run-state.ts";

/** What the engine is told; the wire adds name, envelope and the wire's units. */
export type CoreEvent =
  | {
      readonly kind: "migrationStatus";
      readonly progressPercent: number;
      readonly postCopy: boolean;
      readonly downtimeMs: number | null;
    }
  | { readonly kind: "vmStatus"; readonly status: VmStatus }
  | { readonly kind: "stalling"; readonly stalling: StallingEvent }
  /** It cannot begin yet: at first, and when the reason changes. */
  | {
      readonly kind: "deferred";
      readonly reason: string;
      readonly deferrals: number;
      readonly retryInMs: number;
    }
  | { readonly kind: "ended"; readonly outcome: Outcome };

export type VmStatus =
  | { readonly kind: "migrationSource" }
  | { readonly kind: "savingState" }
  | { readonly kind: "postCopy" }
  | { readonly kind: "staysHere"; readonly runState: RunState }
  | { readonly kind: "down"; readonly why: DownWhy };

export type DownWhy = "migrated" | "lost" | "lostInPostCopy" | GuestStopped;

export interface StallingEvent {
  /** Multiple of the stalling limit that was reached; 0 once it advances again. */
  readonly count: number;
  /** The stall is over. */
  readonly progressing: boolean;
  readonly stalledForMs: number;
  readonly stallingLimitMs: number;
  readonly reason: StallReason;
  readonly dataRemainingBytes: number;
  /** Size of the smallest productive pass; 0 before the first data. */
  readonly bestPassBytes: number;
  readonly bytesPerSecond: number;
  readonly dirtyRateBytesPerSecond: number;
  readonly pass: number;
  readonly maxDowntimeMs: number;
  readonly downtimeOwner: DowntimeOwner | null;
  /** What the engine allows. */
  readonly maxBandwidthMiBps: number;
  /** What libvirt holds, as far as is known; 0: nothing yet. */
  readonly capMiBps: number;
  /** Until the hard limit, 0 once it is reached. */
  readonly timeoutInMs: number;
  /** The host has decided to abort by itself. */
  readonly aborting: boolean;
}

/** Why a migration stalls. */
export const stallReasons = [
  "notStarted",
  "noStats",
  "noData",
  "throttled",
  "notConverging",
  "postcopyStalled",
] as const;

export type StallReason = (typeof stallReasons)[number];

/** Who sets the maximum downtime. */
export const downtimeOwners = ["engine", "schedule", "steps"] as const;

export type DowntimeOwner = (typeof downtimeOwners)[number];

export const outcomes = ["completed", "failed", "cancelled"] as const;

/** Where the guest is at the end. */
export const whereabouts = ["source", "destination", "image", "nowhere", "unknown"] as const;

export interface Outcome {
  readonly outcome: (typeof outcomes)[number];
  readonly reason: EndReason;
  /** VDSM's number (end-reasons.ts). */
  readonly code: number;
  readonly message: string;
  /** Where the guest runs. */
  readonly where: (typeof whereabouts)[number];
  /** False while nobody on the destination has said that the guest is there. */
  readonly confirmed: boolean;
  /** From the call to libvirt on; null if there was none. */
  readonly durationMs: number | null;
  readonly downtimeMs: number | null;
  readonly dataProcessedBytes: number;
  readonly passes: number;
}
