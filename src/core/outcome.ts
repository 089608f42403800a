/**
 * How a migration ended, in words: outcome, reason, code and message. *Where* the guest is decides
 * (location.ts); *why* comes from the call's code and from what the host itself did.
 */
import { CODE_LIBVIRT_FAILED, type EndReason, endReasons } from "./end-reasons.ts";
import type { Outcome } from "./event.ts";
import type { Migration, Stop, Unwatched } from "./migration.ts";
import { type Refusal, refusalText } from "./refusal.ts";
import type { GuestStopped } from "./run-state.ts";

const NO_ANSWER = "its daemon does not answer";

/** How a guest ended: the reason of its migration's end, and the words. */
export const HOW_STOPPED: Readonly<
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

/** The end of one whose call was made, in words. How it ended, location.ts decides. */
export function outcomeOf(migration: Migration, how: HowEnded, nowMs: number): Outcome {
  switch (how) {
    case "arrived":
      return arrived(migration, null, nowMs);
    case "arrivedNotConfirmed":
      return arrived(migration, NO_ANSWER, nowMs);
    case "arrivedNotAsked":
      return arrived(migration, "nobody is asked there", nowMs);
    case "arrivedAndEnded":
      return arrivedAndEnded(migration, nowMs);
    case "startedAnew":
      return startedAnew(migration, nowMs);
    case "stayed":
      return stayed(migration, nowMs);
    case "runsTwice":
      return runsTwice(migration, nowMs);
    case "saved":
      return saved(migration, nowMs);
    case "notSaved":
      return notSaved(migration, nowMs);
    case "lost":
      return lost(migration, nowMs);
    case "unseen":
      return unseen(migration, nowMs);
    case "abandoned":
      return abandoned(migration, nowMs);
  }
}

/** The source has it no more: it went into its image. */
function saved(migration: Migration, nowMs: number): Outcome {
  return {
    ...figures(migration, nowMs),
    outcome: "completed",
    reason: migration.stop === null ? "saved" : tooLateReason(migration),
    code: 0,
    message: `VM ${migration.facts.vmId} is saved in ${migration.facts.destination}${tooLate(migration)}`,
    where: "image",
    confirmed: true,
  };
}

/** The source has it no more, and nothing says that its image is whole. */
function notSaved(migration: Migration, nowMs: number): Outcome {
  return {
    ...figures(migration, nowMs),
    ...failed(
      "unknown",
      `VM ${migration.facts.vmId} is not active here and nobody said that it was saved; ${migration.facts.destination} is kept; libvirt said: ${callSaid(migration)}`,
    ),
    where: "unknown",
    confirmed: false,
  };
}

/** On both hosts, read twice on each: nobody but an operator can say which one is to live. */
function runsTwice(migration: Migration, nowMs: number): Outcome {
  const { vmId, destination } = migration.facts;
  const text = `VM ${vmId} RUNS ON BOTH HOSTS, here and on ${destination}: stop one of them at once; libvirt said: ${callSaid(migration)}`;
  return {
    ...figures(migration, nowMs),
    ...failed("runsTwice", text),
    where: "source",
  };
}

/** This host was restarted, and the guest runs over there without a record of its arrival. */
function startedAnew(migration: Migration, nowMs: number): Outcome {
  const text = `VM ${migration.facts.vmId} runs on ${migration.facts.destination}; this host was restarted, and whether it arrived or was started anew is not known`;
  return {
    ...figures(migration, nowMs),
    ...failed("hostRestarted", text),
    where: "destination",
  };
}

/** The source has it no more, and nobody on the destination says that it is there. */
function unseen(migration: Migration, nowMs: number): Outcome {
  return {
    ...figures(migration, nowMs),
    ...failed(
      "unknown",
      `VM ${migration.facts.vmId} is not active here and ${migration.facts.destination} does not say whether it is there; libvirt said: ${callSaid(migration)}`,
    ),
    where: "unknown",
    confirmed: false,
  };
}

/** This daemon failed at it, and can only say so. */
function abandoned(migration: Migration, nowMs: number): Outcome {
  const { vmId, destination } = migration.facts;
  const text = `VM ${vmId}: this daemon failed at its migration to ${destination} and gave it up, its log says why; where the VM is was not seen; libvirt said: ${callSaid(migration)}`;
  return { ...unseen(migration, nowMs), message: text };
}

/** `unconfirmed`: why nobody on the destination has said so; null: it was said. */
function arrived(migration: Migration, unconfirmed: string | null, nowMs: number): Outcome {
  const { vmId, destination } = migration.facts;
  const seen = unconfirmed === null ? "" : `, not confirmed: ${unconfirmed}`;
  return {
    ...figures(migration, nowMs),
    outcome: "completed",
    reason: migration.stop === null ? "arrived" : tooLateReason(migration),
    code: 0,
    message: `VM ${vmId} completed on ${destination}${seen}${tooLate(migration)}`,
    where: "destination",
    confirmed: unconfirmed === null,
  };
}

/**
 * libvirt said that it has left, and the destination has it no more: it was switched off there, or has
 * gone on, before anybody asked.
 */
function arrivedAndEnded(migration: Migration, nowMs: number): Outcome {
  const { vmId, destination } = migration.facts;
  const has = "libvirt said that it arrived, and it is not active there any more";
  return {
    ...arrived(migration, NO_ANSWER, nowMs),
    message: `VM ${vmId} completed on ${destination}: ${has}${tooLate(migration)}`,
  };
}

/** The destination says at last that the guest is there. Only the record changes. */
export function confirmedLate(migration: Migration, outcome: Outcome): Outcome {
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

const SEEN_SINCE = {
  source: "it was seen here since",
  destination: "it was seen there since",
  image: "it is in its image",
  nowhere: "it has ended here, as was seen since",
} as const;

/** Where the guest is is seen at last. Only the record changes, and no word of how it ended. */
export function locatedLate(
  outcome: Outcome,
  where: Exclude<Outcome["where"], "unknown">,
): Outcome {
  const message = `${outcome.message}; ${SEEN_SINCE[where]}`;
  return { ...outcome, message, where, confirmed: true };
}

function lost(migration: Migration, nowMs: number): Outcome {
  const { call, evidence, facts, postCopy } = migration;
  const { destination, vmId } = facts;
  const { guestStopped } = evidence;
  const elsewhere =
    migration.facts.mode === "file" ? "was not saved" : `is not on ${destination} either`;
  const gone = { ...figures(migration, nowMs), where: "nowhere" } as const;
  if (postCopy.begun) {
    const text = `VM ${vmId} is lost: post-copy had begun, and one half of its memory is gone`;
    return { ...gone, ...failed("guestLost", text) };
  }
  if (guestStopped !== null) {
    const how = HOW_STOPPED[guestStopped];
    const doing =
      migration.facts.mode === "file" ? "while it was being saved" : "while it migrated";
    const text = `VM ${vmId} ${how.text} ${doing}, and ${elsewhere}`;
    return { ...gone, ...failed(how.reason, text) };
  }
  if (call.returned?.unwatched === "hostDown") {
    const text = `VM ${vmId} was migrating when this host was restarted; it is not active here and ${elsewhere}`;
    return { ...gone, ...failed("hostRestarted", text), where: "unknown" };
  }
  const text = `VM ${vmId} is not active here and ${elsewhere}; libvirt said: ${callSaid(migration)}`;
  return { ...gone, ...failed("guestLost", text) };
}

function stayed(migration: Migration, nowMs: number): Outcome {
  return {
    ...figures(migration, nowMs),
    ...whyStayed(migration, migration.call.returned?.refusal ?? null),
    where: "source",
  };
}

/** What can be said of a migration whose call nobody saw come back. */
const UNWATCHED: Readonly<Record<Unwatched, { readonly reason: EndReason; readonly why: string }>> =
  {
    daemonDown: {
      reason: "unknown",
      why: "its migration ended while the daemon was down, and libvirt keeps no record of why",
    },
    hostDown: { reason: "hostRestarted", why: "its migration ended with a restart of this host" },
    foreign: { reason: "unknown", why: "somebody else began its migration and knows why it ended" },
  };

export type Why = Pick<Outcome, "outcome" | "reason" | "code" | "message" | "confirmed">;

export function whyStayed(
  migration: Migration,
  refusal: Refusal | null,
  words = "libvirt said",
): Why {
  const vm = `VM ${migration.facts.vmId}`;
  const stop = effectiveStop(migration);
  if (stop?.why === "cancel") {
    return cancelled("cancelled", `${vm} was cancelled and stays here`);
  }
  if (stop?.why === "progressTimeout") {
    const seconds = Math.round(migration.limits.progressTimeoutMs / 1000);
    return failed(
      "progressTimeout",
      `${vm} did not advance for ${seconds} s (migrationProgressTimeout) and was aborted; it stays here`,
    );
  }
  if (stop?.why === "schedule") {
    return failed(
      "scheduleAbort",
      `${vm} did not converge and was aborted by its convergenceSchedule; it stays here`,
    );
  }
  if (refusal?.kind === "aborted") {
    return cancelled("byOther", `${vm} was cancelled by somebody else and stays here`);
  }
  const unwatched = migration.call.returned?.unwatched ?? null;
  if (refusal === null && unwatched !== null) {
    const { reason, why } = UNWATCHED[unwatched];
    return failed(reason, `${vm} stays here; ${why}`);
  }
  const code = refusal?.kind === "operationFailed" ? CODE_LIBVIRT_FAILED : endReasons.libvirt.code;
  if (migration.call.returned?.succeeded === true) {
    const text = `${vm} had left, as libvirt said, and is active here: it came back, or was started anew`;
    return { ...failed("libvirt", text), code };
  }
  return { ...failed("libvirt", `${vm} stays here; ${words}: ${said(refusal)}`), code };
}

/** A stop that came after the call's return and that libvirt never took has ended nothing. */
function effectiveStop({ stop, call }: Migration): Stop | null {
  const { returned } = call;
  if (stop === null || returned === null || stop.acceptedAtMs !== null) return stop;
  return stop.sinceMs > returned.sinceMs ? null : stop;
}

function cancelled(reason: EndReason, message: string): Why {
  return { outcome: "cancelled", reason, code: endReasons[reason].code, message, confirmed: true };
}

export function failed(reason: EndReason, message: string): Why {
  return { outcome: "failed", reason, code: endReasons[reason].code, message, confirmed: true };
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

function said(refusal: Refusal | null): string {
  return refusal === null ? "nothing" : refusalText(refusal);
}

export function figures(
  migration: Migration,
  nowMs: number,
): Pick<Outcome, "durationMs" | "downtimeMs" | "dataProcessedBytes" | "passes"> {
  const { advance, call, evidence, facts, sample } = migration;
  // Monotonic times of two boots are not comparable.
  const isTimed = call.madeAtMs !== null && call.returned?.unwatched !== "hostDown";
  return {
    durationMs: call.madeAtMs !== null && isTimed ? nowMs - call.madeAtMs : null,
    // A guest that is saved stands still throughout: libvirt's figure says nothing.
    downtimeMs: facts.mode === "file" ? null : actualDowntimeMs(migration),
    dataProcessedBytes:
      evidence.record?.dataProcessedBytes ?? sample.stats?.dataProcessedBytes ?? 0,
    passes: advance?.pass ?? 0,
  };
}

/**
 * How long the guest stood still, from the completed record: net of the network for pre-copy, the
 * gross figure for post-copy, where libvirt has no other. Source: VDSM, VM_migration_status.
 */
export function actualDowntimeMs(migration: Migration): number | null {
  const { record } = migration.evidence;
  if (record === null) return null;
  if (migration.postCopy.begun) return record.downtimeMs ?? null;
  return record.downtimeNetMs ?? record.downtimeMs ?? null;
}
