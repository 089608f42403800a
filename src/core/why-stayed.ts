/**
 * Why a guest stays on this host, in words: its migration was stopped, refused, failed or never began. That
 * it is here has been decided already (location.ts).
 */
import { CODE_LIBVIRT_FAILED, type EndReason, endReasons } from "./end-reasons.ts";
import type { Outcome } from "./event.ts";
import type { Migration, Stop, Unwatched, WaitingEnd } from "./migration.ts";
import { type Refusal, refusalText } from "./refusal.ts";

/** The most that can be said of a call whose return nobody saw. */
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

/** A stop decided after the call had returned, and never accepted by libvirt, has ended nothing. */
function effectiveStop({ stop, call }: Migration): Stop | null {
  const { returned } = call;
  // What was decided before a reboot is forgotten, and after it there was no job to stop.
  if (returned?.unwatched === "hostDown") return null;
  if (stop === null || returned === null || stop.acceptedAtMs !== null) return stop;
  return stop.sinceMs > returned.sinceMs ? null : stop;
}

function cancelled(reason: EndReason, message: string): Why {
  return { outcome: "cancelled", reason, code: endReasons[reason].code, message, confirmed: true };
}

export function failed(reason: EndReason, message: string): Why {
  return { outcome: "failed", reason, code: endReasons[reason].code, message, confirmed: true };
}

export function said(refusal: Refusal | null): string {
  return refusal === null ? "nothing" : refusalText(refusal);
}

/** Why libvirt's call was never made. */
export function whyNotBegun(migration: Migration, waitingEnd: WaitingEnd, nowMs: number): Why {
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
      const text = `VM ${vmId} was not admitted within ${seconds} s (asked ${destination} ${deferrals} times: ${last}); it stays here`;
      return failed("noSlot", text);
    }
    case "noDestination": {
      const { why, tries } = waitingEnd;
      const times = tries > 1 ? ` (tried ${tries} times)` : "";
      const text = `VM ${vmId} was not sent, it stays here: ${why}${times}`;
      return failed("noDestination", text);
    }
  }
}

/** The same for a guest that libvirt does not show at present. */
export function unseenHere(why: Why): Why {
  const unseen = "was here, but libvirt does not say where it is now";
  return { ...why, message: why.message.replace("stays here", unseen) };
}
