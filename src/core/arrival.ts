/**
 * A guest that migrates to this host, whoever sends it: when it counts as arriving, as arrived, and as
 * gone again. libvirt has an event for one that continues running here; of a suspended one it says that
 * it is coming and that it is paused, both before all of it is here. So an event only says that the
 * guest is to be looked at, and a look decides: it was arriving, and its job is over. A lost event
 * costs time, never an arrival.
 */
import { type AnsweredJob, type Transfer, isIncoming } from "./host-count.ts";
import { type RunState, isHalfArrived } from "./run-state.ts";

/** For so long after an event that may be its last the guest is looked at in each woken cycle. */
export const LOOKED_AT_MS = 2_000;

export interface Arriving {
  readonly sinceMs: number;
  /** It may arrive any moment: until then it is looked at often. */
  readonly soonUntilMs: number;
  /** libvirt said that it continues running here. */
  readonly runsHere: boolean;
}

export interface ArrivalState {
  /** null: it is not on its way. */
  readonly arriving: Arriving | null;
  /** Its arrival was reported, and it is still here: a late event reports nothing new. */
  readonly reported: boolean;
}

export const NO_ARRIVAL: ArrivalState = { arriving: null, reported: false };

/** What libvirt's event says has changed. */
export type ArrivalEvent =
  | { readonly change: "started"; readonly incoming: boolean }
  | { readonly change: "suspended" | "stopped" | "other" }
  | { readonly change: "resumed"; readonly byMigration: boolean };

/** `ours`: a migration of this host's own from here is live. */
export function afterEvent(
  state: ArrivalState,
  event: ArrivalEvent,
  ours: boolean,
  nowMs: number,
): ArrivalState {
  const { arriving, reported } = state;
  switch (event.change) {
    case "started":
      return { arriving: event.incoming ? coming(arriving, nowMs, 0) : arriving, reported: false };
    case "stopped":
      return NO_ARRIVAL;
    case "resumed":
      // A guest of ours whose migration has failed continues here with the same event.
      if (reported || (arriving === null && (ours || !event.byMigration))) return state;
      return { ...state, arriving: coming(arriving, nowMs, LOOKED_AT_MS, event.byMigration) };
    case "suspended":
      if (arriving === null) return state;
      return { ...state, arriving: coming(arriving, nowMs, LOOKED_AT_MS) };
    case "other":
      return state;
  }
}

/** It is expected, or seen on its way, without an event. */
export function expected(state: ArrivalState, nowMs: number): ArrivalState {
  return { ...state, arriving: state.arriving ?? coming(null, nowMs, 0) };
}

function coming(
  known: Arriving | null,
  nowMs: number,
  soonForMs: number,
  runsHere = false,
): Arriving {
  return {
    sinceMs: known?.sinceMs ?? nowMs,
    soonUntilMs: nowMs + soonForMs,
    runsHere: runsHere || known?.runsHere === true,
  };
}

/** What a look at the host shows of one VM. */
export interface SeenGuest {
  readonly transfer: Transfer;
  readonly job: AnsweredJob;
  readonly runState: RunState;
}

/** `arrived` is to be reported now. `seen` null: it is not on this host. */
export function afterLook(
  state: ArrivalState,
  seen: SeenGuest | null,
  ours: boolean,
  nowMs: number,
): { readonly state: ArrivalState; readonly arrived: boolean } {
  const { arriving } = state;
  if (seen !== null && isIncoming(seen.transfer)) {
    return { state: expected(state, nowMs), arrived: false };
  }
  if (arriving === null) return { state, arrived: false };
  if (seen === null) {
    // Gone again, unless the look began before the guest was there.
    const gone = nowMs - arriving.sinceMs >= LOOKED_AT_MS;
    return { state: gone ? { ...state, arriving: null } : state, arrived: false };
  }
  const isWhole = seen.job.kind === "stats" && !isHalfArrived(seen.runState);
  // One that is back before the end of its departure was reported: first that.
  if (seen.transfer !== "none" || !isWhole || ours) return { state, arrived: false };
  return { state: { arriving: null, reported: true }, arrived: true };
}

/** It had arrived: its end here is known afterwards. One taken apart half arrived never was here. */
export function hadArrived({ arriving, reported }: ArrivalState): boolean {
  return reported || arriving?.runsHere === true;
}

export function isSoon({ arriving }: ArrivalState, nowMs: number): boolean {
  return arriving !== null && arriving.soonUntilMs > nowMs;
}

/**
 * Shown as arriving: on its way, or taken apart again by libvirt after its migration has failed. A
 * guest of ours in its own switchover looks just as half arrived.
 */
export function isShownArriving(
  { arriving }: ArrivalState,
  { transfer, runState }: Pick<SeenGuest, "transfer" | "runState">,
  ours: boolean,
): boolean {
  return isIncoming(transfer) || (isHalfArrived(runState) && arriving !== null && !ours);
}
