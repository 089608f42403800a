/**
 * What a step asks the daemon to do, and what the daemon reports back. An effect is a value; the one
 * that performs it is src/monitor. Those that report back are pending until they do, and nothing is
 * asked for twice at a time.
 */
import type { CoreEvent } from "./event.ts";
import type { Refusal } from "./refusal.ts";

/** Effects that report back: each as an `effectDone` input, `locateGuest` as a `location`. */
export const reportingKinds = [
  "setMaxBandwidth",
  "readMaxBandwidth",
  "setMaxDowntime",
  "startPostCopy",
  "pausePostCopy",
  "resumePostCopy",
  "probeAddress",
  "destroyPausedCopy",
  "abort",
  "locateGuest",
] as const;

export type PendingKind = (typeof reportingKinds)[number];

/**
 * Whether "no answer" in time is not reported, but only what the call comes to later. An abort behind a
 * switch to post-copy that is still pending would lose the guest.
 */
export function reportsLateOnly(kind: PendingKind): boolean {
  return kind === "startPostCopy";
}

export type LogLevel = "info" | "warn" | "error";

/** What the daemon must do. */
export type Effect =
  | { readonly kind: "call"; readonly bandwidthMiBps: number; readonly postcopy: boolean }
  | { readonly kind: "setMaxBandwidth"; readonly maxBandwidthMiBps: number }
  | { readonly kind: "readMaxBandwidth" }
  | { readonly kind: "setMaxDowntime"; readonly maxDowntimeMs: number }
  | { readonly kind: "startPostCopy" }
  /** Has QEMU give up a post-copy that stands still, so that it can be resumed. */
  | { readonly kind: "pausePostCopy" }
  | { readonly kind: "resumePostCopy" }
  /** Does the destination's migration address answer a TCP connect? */
  | { readonly kind: "probeAddress" }
  /** What post-copy left here of a guest that runs elsewhere. */
  | { readonly kind: "destroyPausedCopy" }
  | { readonly kind: "abort" }
  | { readonly kind: "locateGuest" }
  | { readonly kind: "putBackDowntime"; readonly maxDowntimeMs: number }
  | { readonly kind: "removeImage" }
  | { readonly kind: "event"; readonly event: CoreEvent }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, number | string | boolean | null>>;
    };

export type EffectResult =
  | { readonly kind: "ok"; readonly value: number | null }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** No answer in time, or not connected: asked again next cycle. */
  | { readonly kind: "noAnswer" }
  /** An earlier one of this kind is still out and will report: nothing new. */
  | { readonly kind: "busy" };

export interface EffectDone {
  readonly effect: Exclude<PendingKind, "locateGuest">;
  /** The value that was asked for, where the effect sets one. */
  readonly asked: number | null;
  readonly result: EffectResult;
}

/** An effect whose result comes back as an `effectDone` input. */
export type Reporting = Extract<Effect, { kind: EffectDone["effect"] }>;

const reporting: ReadonlySet<string> = new Set(reportingKinds);

export function isReporting(effect: Effect): effect is Reporting {
  return effect.kind !== "locateGuest" && reporting.has(effect.kind);
}

/** The value that it sets; null: it sets none. */
export function valueAsked(effect: Reporting): number | null {
  if (effect.kind === "setMaxBandwidth") return effect.maxBandwidthMiBps;
  return effect.kind === "setMaxDowntime" ? effect.maxDowntimeMs : null;
}
