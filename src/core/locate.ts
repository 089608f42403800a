/**
 * Locating the guest: what the answers of this host's libvirt say about it, and whether the destination
 * has to be asked as well. Only facts come of it; what follows from them is location.ts's.
 */
import { endOf } from "./guest-end.ts";
import type { AnsweredJob } from "./host-count.ts";
import type { Location } from "./input.ts";
import { takesGuestAway } from "./job-stats.ts";
import type { Refusal, RefusalKind } from "./refusal.ts";
import { type RunState, runStateRow } from "./run-state.ts";

/** The VM's state here. `notHere`: libvirt has no such domain. `unknown`: it does not say. */
export type StateHere = RunState | "notHere" | "unknown";

/** No query was answered. */
export const NOT_LOCATED: Location = {
  source: "unknown",
  sourceJob: false,
  destination: "silent",
};

export function presenceOf(state: StateHere): Location["source"] {
  if (state === "notHere") return "notActive";
  return state === "unknown" ? "unknown" : runStateRow(state).presence;
}

/** There is a domain whose job can be asked for. */
export function mayHaveJob(state: StateHere): boolean {
  const presence = presenceOf(state);
  return presence !== "notActive" && presence !== "unknown";
}

/** Refusals that mean "no job"; any other says nothing about it. */
const NO_JOB: ReadonlySet<RefusalKind> = new Set<RefusalKind>(["invalidState", "noVm"]);

/** In doubt there is one. */
function hasJob(job: AnsweredJob): boolean {
  switch (job.kind) {
    case "stats":
      return takesGuestAway(job.stats);
    case "incoming":
      return false;
    case "noAnswer":
      return true;
    case "refused":
      return !NO_JOB.has(job.refusal.kind);
  }
}

/** As this host shows it; the destination is not asked yet. `job` null: not asked, see mayHaveJob. */
export function locatedHere(state: StateHere, job: AnsweredJob | null): Location {
  // A guest that is arriving here again has not returned yet.
  const arrives = job?.kind === "incoming";
  // Asked later: it has gone since its state was read, and the next look says where to.
  const hasGone = job?.kind === "refused" && job.refusal.kind === "noVm";
  const source = hasGone ? "unknown" : presenceOf(state);
  const stats = job?.kind === "stats" ? job.stats : null;
  const endedHere = state === "notHere" || state === "unknown" ? undefined : endOf(state);
  return {
    source: arrives ? "notActive" : source,
    sourceJob: job !== null && hasJob(job),
    destination: "notAsked",
    ...(stats === null || stats.type === "none" ? {} : { job: stats.operation }),
    ...(endedHere === undefined ? {} : { endedHere }),
    ...(state === "notHere" || state === "unknown" ? {} : { runState: state }),
  };
}

/**
 * Whether this host's answer alone settles it. `doubtful`: a guest that is active here may run at the
 * destination as well.
 */
export function isSurelyHere({ source, sourceJob }: Location, doubtful: boolean): boolean {
  if (source === "switching") return sourceJob;
  return source === "active" && (sourceJob || !doubtful);
}

/** Unless libvirt said that its job was aborted, or there never was one. */
export function isDoubtful(
  waitingEnd: object | null,
  callRefusal: Pick<Refusal, "kind"> | null,
): boolean {
  return waitingEnd === null && callRefusal?.kind !== "aborted";
}

/**
 * Located again before the next cycle of the timer: whoever cancelled a migration that never began is
 * waiting for the answer. There is no hurry while libvirt is silent.
 */
export function isHurried(waitingEnd: object | null, source: Location["source"]): boolean {
  return waitingEnd !== null && source !== "unknown";
}
