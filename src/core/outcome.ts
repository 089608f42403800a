/**
 * How a migration ended, in words: outcome, reason, code and message. *Where* the guest is decides
 * (location.ts); *why* comes from the call's code and from what the host itself did. The words for a guest
 * that is still here are why-stayed.ts's.
 */
import type { EndReason } from "./end-reasons.ts";
import type { Outcome } from "./event.ts";
import type { Migration, WaitingEnd } from "./migration.ts";
import type { GuestStopped } from "./run-state.ts";
import { type Why, failed, said, unseenHere, whyNotBegun, whyStayed } from "./why-stayed.ts";

/** How a guest ended: the reason of its migration's end, and the words. */
const HOW_STOPPED: Readonly<
  Record<GuestStopped, { readonly reason: EndReason; readonly text: string }>
> = {
  shutDown: { reason: "guestStopped", text: "shut itself down" },
  destroyed: { reason: "guestStopped", text: "was destroyed by somebody" },
  saved: { reason: "guestStopped", text: "was saved by somebody" },
  reverted: { reason: "guestStopped", text: "was switched off by a revert to a snapshot" },
  crashed: { reason: "guestCrashed", text: "crashed, or its QEMU died," },
  failed: { reason: "guestCrashed", text: "has failed, as libvirt's shut-off reason says," },
  unseen: { reason: "guestCrashed", text: "was gone when libvirtd was back" },
};

/** What location.ts concluded: an end, or what became known after it. */
export type Conclusion =
  | { readonly kind: "ended"; readonly how: HowEnded }
  /** libvirt's call was never made. */
  | { readonly kind: "neverBegan"; readonly why: WaitingEnd; readonly found: Found }
  | { readonly kind: "arrivalConfirmed"; readonly outcome: Outcome }
  | { readonly kind: "foundLate"; readonly outcome: Outcome; readonly where: KnownWhere };

export type HowEnded =
  | "arrived"
  | "arrivedNotConfirmed"
  | "arrivedNotAsked"
  | "arrivedAndEnded"
  | "startedAnew"
  | "stayed"
  | "runsTwice"
  | "saved"
  | "notSaved"
  | "lost"
  | "unseen"
  | "abandoned";

/** Where the guest of a migration that never began was found. */
export type Found =
  | { readonly kind: "here" }
  /** Another party's migration took it; `there`: to this migration's destination. */
  | { readonly kind: "left"; readonly there: boolean }
  | { readonly kind: "stopped"; readonly how: GuestStopped }
  /** Not here, and nothing says why. */
  | { readonly kind: "absent" }
  /** libvirt does not answer. */
  | { readonly kind: "silent" };

export type KnownWhere = Exclude<Outcome["where"], "unknown">;

export function outcomeOf(migration: Migration, conclusion: Conclusion, nowMs: number): Outcome {
  switch (conclusion.kind) {
    case "ended":
      return { ...figures(migration, nowMs), ...ended(migration, conclusion.how) };
    case "neverBegan":
      return { ...figures(migration, nowMs), ...neverBegan(migration, conclusion, nowMs) };
    case "arrivalConfirmed":
      return arrivalConfirmed(migration, conclusion.outcome);
    case "foundLate":
      return foundLate(conclusion.outcome, conclusion.where);
  }
}

/** An outcome without its figures. */
type Verbal = Why & Pick<Outcome, "where">;

const NO_ANSWER = "its daemon does not answer";

function ended(migration: Migration, how: HowEnded): Verbal {
  switch (how) {
    case "arrived":
      return arrived(migration, null);
    case "arrivedNotConfirmed":
      return arrived(migration, NO_ANSWER);
    case "arrivedNotAsked":
      return arrived(migration, "nobody is asked there");
    case "arrivedAndEnded":
      return arrivedAndEnded(migration);
    case "startedAnew":
      return startedAnew(migration);
    case "stayed":
      return { ...whyStayed(migration, migration.call.returned?.refusal ?? null), where: "source" };
    case "runsTwice":
      return runsTwice(migration);
    case "saved":
      return saved(migration);
    case "notSaved":
      return notSaved(migration);
    case "lost":
      return lost(migration);
    case "unseen":
      return unseen(migration);
    case "abandoned":
      return abandoned(migration);
  }
}

/** Not active on the source: it went into its image. */
function saved(migration: Migration): Verbal {
  return {
    outcome: "completed",
    reason: migration.stop === null ? "saved" : tooLateReason(migration),
    code: 0,
    message: `VM ${migration.facts.vmId} is saved in ${migration.facts.destination}${tooLate(migration)}`,
    where: "image",
    confirmed: true,
  };
}

/** Not active on the source, and nothing says that its image is complete. */
function notSaved(migration: Migration): Verbal {
  const { vmId, destination } = migration.facts;
  const text = `VM ${vmId} is not active here and nobody said that it was saved; ${destination} is kept; libvirt said: ${callSaid(migration)}`;
  return { ...failed("unknown", text), where: "unknown", confirmed: false };
}

/** Active on both hosts, read twice on each: only an operator can say which one is to live. */
function runsTwice(migration: Migration): Verbal {
  const { vmId, destination } = migration.facts;
  const text = `VM ${vmId} RUNS ON BOTH HOSTS, here and on ${destination}: stop one of them at once; libvirt said: ${callSaid(migration)}`;
  return { ...failed("runsTwice", text), where: "source" };
}

/** This host was rebooted, and the guest runs on the destination with no record of its arrival. */
function startedAnew(migration: Migration): Verbal {
  const { vmId, destination } = migration.facts;
  const text = `VM ${vmId} runs on ${destination}; this host was restarted, and whether it arrived or was started anew is not known`;
  return { ...failed("hostRestarted", text), where: "destination" };
}

/** Not active on the source, and the destination does not say whether it is there. */
function unseen(migration: Migration): Verbal {
  const { vmId, destination } = migration.facts;
  const text = `VM ${vmId} is not active here and ${destination} does not say whether it is there; libvirt said: ${callSaid(migration)}`;
  return { ...failed("unknown", text), where: "unknown", confirmed: false };
}

/** This daemon failed to handle it and knows nothing more. */
function abandoned(migration: Migration): Verbal {
  const { vmId, destination } = migration.facts;
  const text = `VM ${vmId}: this daemon failed at its migration to ${destination} and gave it up, its log says why; where the VM is was not seen; libvirt said: ${callSaid(migration)}`;
  return { ...failed("unknown", text), where: "unknown", confirmed: false };
}

/** `unconfirmed`: why the destination has not confirmed it; null: it has. */
function arrived(migration: Migration, unconfirmed: string | null): Verbal {
  const { vmId, destination } = migration.facts;
  const seen = unconfirmed === null ? "" : `, not confirmed: ${unconfirmed}`;
  return {
    outcome: "completed",
    reason: migration.stop === null ? "arrived" : tooLateReason(migration),
    code: 0,
    message: `VM ${vmId} completed on ${destination}${seen}${tooLate(migration)}`,
    where: "destination",
    confirmed: unconfirmed === null,
  };
}

/**
 * libvirt said that it left, but it is no longer active on the destination: it was switched off there, or
 * migrated on, before it was located.
 */
function arrivedAndEnded(migration: Migration): Verbal {
  const { vmId, destination } = migration.facts;
  const has = "libvirt said that it arrived, and it is not active there any more";
  return {
    ...arrived(migration, NO_ANSWER),
    message: `VM ${vmId} completed on ${destination}: ${has}${tooLate(migration)}`,
  };
}

/** On neither host, or half of it is. */
function lost(migration: Migration): Verbal {
  const { call, evidence, facts, postCopy } = migration;
  const { destination, mode, vmId } = facts;
  const elsewhere = mode === "file" ? "was not saved" : `is not on ${destination} either`;
  if (postCopy.begun) {
    const text = `VM ${vmId} is lost: post-copy had begun, and one half of its memory is gone`;
    return { ...failed("guestLost", text), where: "nowhere" };
  }
  if (evidence.guestStopped !== null) {
    const how = HOW_STOPPED[evidence.guestStopped];
    const out = mode === "file" ? "while it was being saved" : "while it migrated";
    const doing = call.madeAtMs === null ? "before its migration began" : out;
    const text = `VM ${vmId} ${how.text} ${doing}, and ${elsewhere}`;
    return { ...failed(how.reason, text), where: "nowhere" };
  }
  if (call.returned?.unwatched === "hostDown") {
    const doing = call.madeAtMs === null ? "was waiting for its migration" : "was migrating";
    const text = `VM ${vmId} ${doing} when this host was restarted; it is not active here and ${elsewhere}`;
    return { ...failed("hostRestarted", text), where: "unknown" };
  }
  const text = `VM ${vmId} is not active here and ${elsewhere}; libvirt said: ${callSaid(migration)}`;
  return { ...failed("guestLost", text), where: "nowhere" };
}

/** Cancelled, not admitted, or refused before libvirt was called. */
function neverBegan(
  migration: Migration,
  { why, found }: Extract<Conclusion, { kind: "neverBegan" }>,
  nowMs: number,
): Verbal {
  const { vmId, destination } = migration.facts;
  switch (found.kind) {
    case "here":
      return { ...whyNotBegun(migration, why, nowMs), where: "source" };
    case "silent":
      return { ...unseenHere(whyNotBegun(migration, why, nowMs)), where: "unknown" };
    case "stopped": {
      const { reason, text } = HOW_STOPPED[found.how];
      return {
        ...failed(reason, `VM ${vmId} ${text} before its migration began`),
        where: "nowhere",
      };
    }
    case "left": {
      const to = found.there ? `; it is on ${destination}` : "";
      const text = `VM ${vmId} was migrated by somebody else before its migration began${to}`;
      return { ...failed("leftByOther", text), where: found.there ? "destination" : "unknown" };
    }
    case "absent": {
      const text = `VM ${vmId} is not on this host any more, and nothing says where it went`;
      return { ...failed("unknown", text), where: "unknown" };
    }
  }
}

/** The destination has confirmed the arrival after the end. */
function arrivalConfirmed(migration: Migration, outcome: Outcome): Outcome {
  const arrivedReason = migration.stop === null ? "arrived" : tooLateReason(migration);
  return {
    ...outcome,
    outcome: "completed",
    reason: outcome.reason === "unknown" ? arrivedReason : outcome.reason,
    code: 0,
    message: `VM ${migration.facts.vmId} completed on ${migration.facts.destination}, confirmed later${tooLate(migration)}`,
    where: "destination",
    confirmed: true,
    downtimeMs: outcome.downtimeMs ?? actualDowntimeMs(migration),
  };
}

const SEEN_SINCE: Readonly<Record<KnownWhere, string>> = {
  source: "it was seen here since",
  destination: "it was seen there since",
  image: "it is in its image",
  nowhere: "it has ended here, as was seen since",
};

/** Located after the end. How it ended, and why, stays. */
function foundLate(outcome: Outcome, where: KnownWhere): Outcome {
  const message = `${outcome.message}; ${SEEN_SINCE[where]}`;
  return { ...outcome, message, where, confirmed: true };
}

function tooLateReason(migration: Migration): EndReason {
  return migration.stop?.why === "cancel" ? "cancelTooLate" : "abortTooLate";
}

function tooLate(migration: Migration): string {
  if (migration.stop === null) return "";
  return migration.stop.why === "cancel"
    ? "; the cancel came too late"
    : "; the abort came too late";
}

function callSaid(migration: Migration): string {
  const { returned } = migration.call;
  return returned?.succeeded === true ? "success" : said(returned?.refusal ?? null);
}

function figures(
  migration: Migration,
  nowMs: number,
): Pick<Outcome, "durationMs" | "downtimeMs" | "dataProcessedBytes" | "passes"> {
  const { advance, call, evidence, facts, sample } = migration;
  // Monotonic times of two boots are not comparable.
  const isTimed = call.madeAtMs !== null && call.returned?.unwatched !== "hostDown";
  return {
    durationMs: call.madeAtMs !== null && isTimed ? nowMs - call.madeAtMs : null,
    // A guest stands still throughout a save, so libvirt's figure means nothing.
    downtimeMs: facts.mode === "file" ? null : actualDowntimeMs(migration),
    dataProcessedBytes:
      evidence.record?.dataProcessedBytes ?? sample.stats?.dataProcessedBytes ?? 0,
    passes: advance?.pass ?? 0,
  };
}

/**
 * How long the guest stood still, from the completed record: net of the network for pre-copy; for
 * post-copy the gross figure, the only one that libvirt has. Source: VDSM, VM_migration_status.
 */
function actualDowntimeMs(migration: Migration): number | null {
  const { record } = migration.evidence;
  if (record === null) return null;
  if (migration.postCopy.begun) return record.downtimeMs ?? null;
  return record.downtimeNetMs ?? record.downtimeMs ?? null;
}
