/**
 * What is learnt after the end. An end is told once, with what was known then: an arrival that nobody
 * had confirmed is confirmed in the record alone; where nobody could say where the guest is, the engine
 * still takes its VM for leaving, and is told what it is once that is seen. How it ended, and why, stays.
 */
import type { Effect } from "./effect.ts";
import { toldOf } from "./end.ts";
import type { Outcome } from "./event.ts";
import type { Location } from "./input.ts";
import type { JobStats } from "./job-stats.ts";
import { SURE_READS, countReads, noteEndHere } from "./location.ts";
import type { Migration } from "./migration.ts";
import { confirmedLate, locatedLate } from "./outcome.ts";
import type { Stepped } from "./turn.ts";
import { foundAt } from "./waiting.ts";

/** Where its guest is is still asked for. */
export function isOpen({ outcome, departureOver }: Migration): boolean {
  if (outcome === null) return false;
  return !outcome.confirmed || (outcome.where === "unknown" && departureOver === null);
}

/**
 * Whether locating it again can still tell anything. This host's libvirt can show a guest that nobody
 * had located; only the destination can confirm an arrival.
 */
export function mayLearnLate(migration: Migration, destinationAnswers: boolean): boolean {
  return isOpen(migration) && (migration.outcome?.where === "unknown" || destinationAnswers);
}

/** Asked once more, after the end. */
export function learntLate(
  before: Migration,
  { location, record }: { readonly location: Location; readonly record: JobStats | null },
  nowMs: number,
): Stepped {
  const { outcome } = before;
  const asked = { ...before, pending: before.pending.filter((kind) => kind !== "locateGuest") };
  if (outcome === null || !isOpen(before)) return { migration: asked, effects: [] };
  const migration = countReads(asked, location, nowMs);
  if (migration.waitingEnd === null && hasArrived(migration, location, record)) {
    const completedStats = migration.completedStats ?? record;
    const seen: Migration = { ...migration, completedStats, progressPercent: 100 };
    return corrected(seen, outcome, confirmedLate(seen, outcome), location);
  }
  // What has begun anew since, or has been given up, is spoken of as what it is now.
  if (outcome.where !== "unknown" || migration.departureOver !== null) {
    return { migration, effects: [] };
  }
  const where =
    migration.waitingEnd === null ? whereBegun(location) : whereWaiting(migration, location);
  return where === "unknown"
    ? { migration, effects: [] }
    : corrected(noteEndHere(migration, location), outcome, locatedLate(outcome, where), location);
}

function hasArrived(migration: Migration, location: Location, record: JobStats | null): boolean {
  const sure = location.destination === "left" || migration.thereReads >= SURE_READS;
  // After a reboot of this host it may have been started anew over there.
  const isArrival =
    migration.unwatched !== "hostDown" || (migration.completedStats ?? record) !== null;
  return sure && isArrival && location.source !== "active";
}

/** As judgeLocation has it of one that is asked for in time. */
function whereBegun({ source, sourceJob, destination }: Location): Outcome["where"] {
  return source === "active" && !sourceJob && destination !== "active" ? "source" : "unknown";
}

function whereWaiting(migration: Migration, location: Location): Outcome["where"] {
  const found = foundAt(migration, location);
  switch (found.kind) {
    case "here":
      return location.source === "active" ? "source" : "unknown";
    case "stopped":
      return "nowhere";
    case "left":
      return found.there && migration.thereReads >= SURE_READS ? "destination" : "unknown";
    case "absent":
    case "silent":
      return "unknown";
  }
}

/** The record; and, where nothing could be said of the VM until now, the VM's status, once. */
function corrected(before: Migration, was: Outcome, outcome: Outcome, location: Location): Stepped {
  const runState = location.runState ?? before.runState;
  const migration: Migration = { ...before, outcome, runState };
  if (was.where !== "unknown") return { migration, effects: [] };
  const { downtimeFoundMs, superseded } = before;
  const effects: Effect[] = [];
  if (outcome.where === "source" && downtimeFoundMs !== null && !superseded) {
    effects.push({ kind: "putBackDowntime", maxDowntimeMs: downtimeFoundMs });
  }
  effects.push(...toldOf(migration, outcome.where, location.job));
  return { migration, effects };
}
