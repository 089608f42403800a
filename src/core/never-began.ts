/**
 * A migration that ends without a call to libvirt: cancelled, not admitted, refused, or with nobody at
 * its destination. Its VM may have been suspended, switched off, saved or taken elsewhere while it
 * waited, so whatever ends it only says why; libvirt is asked where the guest is by then, and the answer
 * is the outcome.
 */
import type { Outcome } from "./event.ts";
import { SETTLE_MAX_MS, SURE_READS } from "./evidence.ts";
import type { Input, Location } from "./input.ts";
import type { Migration, WaitingEnd } from "./migration.ts";
import { HOW_STOPPED, type Why, failed, figures, whyStayed } from "./outcome.ts";
import type { GuestStopped } from "./run-state.ts";
import { type Turn, ask } from "./turn.ts";

/** Where the guest of one that never began was found. */
export type Found =
  | { readonly kind: "here" }
  /** Somebody else's migration took it; `there`: to this migration's destination. */
  | { readonly kind: "left"; readonly there: boolean }
  | { readonly kind: "stopped"; readonly how: GuestStopped }
  /** Not here, and nothing says why. */
  | { readonly kind: "absent" }
  /** libvirt does not answer. */
  | { readonly kind: "silent" };

const SAVED: Found = { kind: "stopped", how: "saved" };

/** It is to end: first its guest is located. */
export function endWaiting(migration: Migration, why: WaitingEnd, turn: Turn): Migration {
  ask(turn, { kind: "locateGuest" });
  const admission = { ...migration.admission, ending: { why, sinceMs: turn.nowMs } };
  return { ...migration, phase: "settling", admission };
}

/** vars.migration_admission_timeout is over. */
export function notAdmitted(migration: Migration, _: Input<"notAdmitted">, turn: Turn): Migration {
  return endWaiting(migration, { kind: "notAdmitted" }, turn);
}

/** It could not be begun, here or on the destination. */
export function notBegun(
  migration: Migration,
  { refusal }: Input<"notBegun">,
  turn: Turn,
): Migration {
  return endWaiting(migration, { kind: "notBegun", refusal }, turn);
}

/** How it ends, by where its guest was found; null: to be asked again. */
export function endOfWaiting(
  migration: Migration,
  location: Location,
  nowMs: number,
): Outcome | null {
  const { ending } = migration.admission;
  if (ending === null) return null;
  const found = foundAt(migration, location);
  const isUnclear =
    nowMs - ending.sinceMs < SETTLE_MAX_MS && mayBeClearSoon(migration, location, found);
  return isUnclear ? null : neverBegan(migration, ending.why, found, nowMs);
}

/** libvirt says nothing about a VM while it works on it, for seconds. */
function mayBeClearSoon({ evidence }: Migration, location: Location, found: Found): boolean {
  // What is being taken apart is gone next time; and an event that says why it is may be on its way.
  if (found.kind === "absent") return evidence.lostReads < SURE_READS;
  return found.kind === "silent" || location.source === "ending";
}

/** The definition's word comes first; how the guest was stopped, an event says better. */
export function foundAt({ facts, evidence }: Migration, location: Location): Found {
  const { guestStopped, stoppedByJob } = evidence;
  const there = location.destination === "active" || location.destination === "left";
  switch (location.source) {
    case "active":
    case "switching":
    case "ending":
      return { kind: "here" };
    case "pausedCopy":
      return { kind: "left", there };
    case "unknown":
      return { kind: "silent" };
    case "notActive": {
      const { endedHere } = location;
      if (endedHere === "migrated") return { kind: "left", there };
      if (endedHere !== undefined) return { kind: "stopped", how: guestStopped ?? endedHere };
      if (there) return { kind: "left", there };
      // Of one that is to be saved, libvirt's word means that another party saved it.
      if (stoppedByJob) return facts.mode === "file" ? SAVED : { kind: "left", there };
      return guestStopped === null ? { kind: "absent" } : { kind: "stopped", how: guestStopped };
    }
  }
}

/** Never reached libvirt: cancelled, not admitted, or refused. Where its guest was found decides. */
function neverBegan(
  migration: Migration,
  waitingEnd: WaitingEnd,
  found: Found,
  nowMs: number,
): Outcome {
  const vm = `VM ${migration.facts.vmId}`;
  const numbers = figures(migration, nowMs);
  switch (found.kind) {
    case "here":
      return { ...numbers, ...whyNotBegun(migration, waitingEnd, nowMs), where: "source" };
    case "silent": {
      const why = whyNotBegun(migration, waitingEnd, nowMs);
      return { ...numbers, ...why, message: why.message.replace(HERE, NOT_SAID), where: "unknown" };
    }
    case "stopped": {
      const { reason, text } = HOW_STOPPED[found.how];
      const why = failed(reason, `${vm} ${text} before its migration began`);
      return { ...numbers, ...why, where: "nowhere" };
    }
    case "left": {
      const to = found.there ? `; it is on ${migration.facts.destination}` : "";
      const text = `${vm} was migrated by somebody else before its migration began${to}`;
      const where = found.there ? "destination" : "unknown";
      return { ...numbers, ...failed("leftByOther", text), where };
    }
    case "absent": {
      const text = `${vm} is not on this host any more, and nothing says where it went`;
      return { ...numbers, ...failed("unknown", text), where: "unknown" };
    }
  }
}

const HERE = "stays here";
const NOT_SAID = "was here, but libvirt does not say where it is now";

/** In words that hold for a guest that is here. */
function whyNotBegun(migration: Migration, waitingEnd: WaitingEnd, nowMs: number): Why {
  const { admission, facts } = migration;
  const { vmId, destination } = facts;
  const { deferrals, deferralReason } = admission;
  switch (waitingEnd.kind) {
    case "stopped":
      return whyStayed(migration, null);
    case "notBegun":
      return whyStayed(migration, waitingEnd.refusal, "its migration could not begin");
    case "notAdmitted": {
      const seconds = Math.round((nowMs - admission.acceptedAtMs) / 1000);
      const last = deferralReason ?? "it waited here for a slot";
      const text = `VM ${vmId} was not admitted within ${seconds} s (asked ${destination} ${deferrals} times: ${last}); it ${HERE}`;
      return failed("noSlot", text);
    }
    case "noDestination": {
      const { why, tries } = waitingEnd;
      const times = tries > 1 ? ` (tried ${tries} times)` : "";
      const text = `VM ${vmId} was not sent, it ${HERE}: ${why}${times}`;
      return failed("noDestination", text);
    }
  }
}
