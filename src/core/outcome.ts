/**
 * How a migration ended. *Where* the guest is decides; *why* comes from the call's code and from
 * what the host itself did. A call's return is never believed without the place: libvirt has
 * reported success for a guest that was nowhere.
 */
import { type Refusal, refusalText } from "./refusal.ts";
import { CODE_LIBVIRT_FAILED, endReasons, type EndReason } from "./end-reasons.ts";
import type { Outcome } from "./event.ts";
import type { Migration, Stop, Unwatched, WaitingEnd } from "./migration.ts";
import type { GuestStopped } from "./run-state.ts";

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

/** Never reached libvirt: cancelled, not admitted, or refused. Where its guest was found decides. */
export function neverBegan(
  migration: Migration,
  waitingEnd: WaitingEnd,
  found: Found,
  nowMs: number,
): Outcome {
  const vm = `VM ${migration.vmId}`;
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
      const to = found.there ? `; it is on ${migration.destination}` : "";
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
  const { vmId, destination, deferrals, deferralReason } = migration;
  switch (waitingEnd.kind) {
    case "stopped":
      return whyStayed(migration, null);
    case "notBegun":
      return whyStayed(migration, waitingEnd.refusal, "its migration could not begin");
    case "notAdmitted": {
      const seconds = Math.round((nowMs - migration.acceptedAtMs) / 1000);
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

/** The source has it no more: it went into its image. */
export function saved(migration: Migration, nowMs: number): Outcome {
  return {
    ...figures(migration, nowMs),
    outcome: "completed",
    reason: migration.stop === null ? "saved" : tooLateReason(migration),
    code: 0,
    message: `VM ${migration.vmId} is saved in ${migration.destination}${tooLate(migration)}`,
    where: "image",
    confirmed: true,
  };
}

/** The source has it no more, and nothing says that its image is whole. */
export function notSaved(migration: Migration, nowMs: number): Outcome {
  return {
    ...figures(migration, nowMs),
    ...failed(
      "unknown",
      `VM ${migration.vmId} is not active here and nobody said that it was saved; ${migration.destination} is kept; libvirt said: ${callSaid(migration)}`,
    ),
    where: "unknown",
    confirmed: false,
  };
}

/** On both hosts, read twice on each: nobody but an operator can say which one is to live. */
export function runsTwice(migration: Migration, nowMs: number): Outcome {
  const { vmId, destination } = migration;
  const text = `VM ${vmId} RUNS ON BOTH HOSTS, here and on ${destination}: stop one of them at once; libvirt said: ${callSaid(migration)}`;
  return {
    ...figures(migration, nowMs),
    ...failed("runsTwice", text),
    where: "source",
  };
}

/** This host was restarted, and the guest runs over there without a record of its arrival. */
export function startedAnew(migration: Migration, nowMs: number): Outcome {
  const text = `VM ${migration.vmId} runs on ${migration.destination}; this host was restarted, and whether it arrived or was started anew is not known`;
  return {
    ...figures(migration, nowMs),
    ...failed("hostRestarted", text),
    where: "destination",
  };
}

/** The source has it no more, and nobody on the destination says that it is there. */
export function unseen(migration: Migration, nowMs: number): Outcome {
  return {
    ...figures(migration, nowMs),
    outcome: "failed",
    reason: "unknown",
    code: endReasons.unknown.code,
    message: `VM ${migration.vmId} is not active here and ${migration.destination} does not say whether it is there; libvirt said: ${callSaid(migration)}`,
    where: "unknown",
    confirmed: false,
  };
}

/** This daemon failed at it, and can only say so. */
export function abandoned(migration: Migration, nowMs: number): Outcome {
  const { vmId, destination } = migration;
  const text = `VM ${vmId}: this daemon failed at its migration to ${destination} and gave it up, its log says why; where the VM is was not seen; libvirt said: ${callSaid(migration)}`;
  return { ...unseen(migration, nowMs), message: text };
}

/** `asked`: somebody could have confirmed it. */
export function arrived(
  migration: Migration,
  confirmed: boolean,
  nowMs: number,
  asked = true,
): Outcome {
  const why = asked ? "its daemon does not answer" : "nobody is asked there";
  const seen = confirmed ? "" : `, not confirmed: ${why}`;
  return {
    ...figures(migration, nowMs),
    outcome: "completed",
    reason: migration.stop === null ? "arrived" : tooLateReason(migration),
    code: 0,
    message: `VM ${migration.vmId} completed on ${migration.destination}${seen}${tooLate(migration)}`,
    where: "destination",
    confirmed,
  };
}

/**
 * libvirt said that it has left, and the destination has it no more: it was switched off there, or has
 * gone on, before anybody asked.
 */
export function arrivedAndEnded(migration: Migration, nowMs: number): Outcome {
  const { vmId, destination } = migration;
  const has = "libvirt said that it arrived, and it is not active there any more";
  return {
    ...arrived(migration, false, nowMs),
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
    message: `VM ${migration.vmId} completed on ${migration.destination}, confirmed later${tooLate(migration)}`,
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

export function lost(migration: Migration, nowMs: number): Outcome {
  const { destination, guestStopped, postCopy, unwatched, vmId } = migration;
  const elsewhere = migration.mode === "file" ? "was not saved" : `is not on ${destination} either`;
  const gone = { ...figures(migration, nowMs), where: "nowhere" } as const;
  if (postCopy.begun) {
    const text = `VM ${vmId} is lost: post-copy had begun, and one half of its memory is gone`;
    return { ...gone, ...failed("guestLost", text) };
  }
  if (guestStopped !== null) {
    const how = HOW_STOPPED[guestStopped];
    const doing = migration.mode === "file" ? "while it was being saved" : "while it migrated";
    const text = `VM ${vmId} ${how.text} ${doing}, and ${elsewhere}`;
    return { ...gone, ...failed(how.reason, text) };
  }
  if (unwatched === "hostDown") {
    const text = `VM ${vmId} was migrating when this host was restarted; it is not active here and ${elsewhere}`;
    return { ...gone, ...failed("hostRestarted", text), where: "unknown" };
  }
  const text = `VM ${vmId} is not active here and ${elsewhere}; libvirt said: ${callSaid(migration)}`;
  return { ...gone, ...failed("guestLost", text) };
}

export function stayed(migration: Migration, nowMs: number): Outcome {
  return {
    ...figures(migration, nowMs),
    ...whyStayed(migration, migration.callRefusal),
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

type Why = Pick<Outcome, "outcome" | "reason" | "code" | "message" | "confirmed">;

function whyStayed(migration: Migration, refusal: Refusal | null, words = "libvirt said"): Why {
  const vm = `VM ${migration.vmId}`;
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
  if (refusal === null && migration.unwatched !== null) {
    const { reason, why } = UNWATCHED[migration.unwatched];
    return failed(reason, `${vm} stays here; ${why}`);
  }
  const code = refusal?.kind === "operationFailed" ? CODE_LIBVIRT_FAILED : endReasons.libvirt.code;
  if (migration.callSucceeded) {
    const text = `${vm} had left, as libvirt said, and is active here: it came back, or was started anew`;
    return { ...failed("libvirt", text), code };
  }
  return { ...failed("libvirt", `${vm} stays here; ${words}: ${said(refusal)}`), code };
}

/** A stop that came after the call's return and that libvirt never took has ended nothing. */
function effectiveStop({ stop, callReturned, settlingSinceMs }: Migration): Stop | null {
  if (stop === null || !callReturned || stop.acceptedAtMs !== null) return stop;
  return stop.sinceMs > (settlingSinceMs ?? Number.POSITIVE_INFINITY) ? null : stop;
}

function cancelled(reason: EndReason, message: string): Why {
  return { outcome: "cancelled", reason, code: endReasons[reason].code, message, confirmed: true };
}

function failed(reason: EndReason, message: string): Why {
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
  return migration.callSucceeded ? "success" : said(migration.callRefusal);
}

function said(refusal: Refusal | null): string {
  return refusal === null ? "nothing" : refusalText(refusal);
}

function figures(
  migration: Migration,
  nowMs: number,
): Pick<Outcome, "durationMs" | "downtimeMs" | "dataProcessedBytes" | "passes"> {
  const record = migration.completedStats;
  return {
    // Monotonic times of two boots have nothing to do with each other.
    durationMs:
      migration.callAtMs === null || migration.unwatched === "hostDown"
        ? null
        : nowMs - migration.callAtMs,
    // A guest that is saved stands still throughout: libvirt's figure says nothing.
    downtimeMs: migration.mode === "file" ? null : actualDowntimeMs(migration),
    dataProcessedBytes: record?.dataProcessedBytes ?? migration.stats?.dataProcessedBytes ?? 0,
    passes: migration.advance?.pass ?? 0,
  };
}

/**
 * How long the guest stood still, from the completed record: net of the network for pre-copy, the
 * gross figure for post-copy, where libvirt has no other. Source: VDSM, VM_migration_status.
 */
export function actualDowntimeMs(migration: Migration): number | null {
  const record = migration.completedStats;
  if (record === null) return null;
  if (migration.postCopy.begun) return record.downtimeMs ?? null;
  return record.downtimeNetMs ?? record.downtimeMs ?? null;
}
