/**
 * The one end of a migration: what is put back, then the last status, what the VM is now, and the
 * outcome, in this order, once. And what is learnt later: an arrival that nobody had confirmed is
 * confirmed in the record alone; where nobody could say where the guest is, the engine still takes its VM
 * for leaving, and is told what it is once that is seen. How it ended, and why, stays.
 */
import type { Outcome, VmStatus } from "./event.ts";
import { SURE_READS, countReads, noteEndHere } from "./evidence.ts";
import type { Input, Location } from "./input.ts";
import type { JobOperation, JobStats } from "./job-stats.ts";
import type { End, Migration } from "./migration.ts";
import { foundAt } from "./never-began.ts";
import { confirmedLate, locatedLate, outcomeOf } from "./outcome.ts";
import { statusEvent } from "./sample.ts";
import { type Turn, decide, tell } from "./turn.ts";
import { statusAfter } from "./vm-status.ts";

/** `othersJob`: what another party does with the VM meanwhile. */
export function end(
  before: Migration,
  outcome: Outcome,
  turn: Turn,
  othersJob?: JobOperation,
): Migration {
  const { call, evidence, facts, sample } = before;
  const progressPercent = outcome.outcome === "completed" ? 100 : sample.progressPercent;
  const migration: Migration = {
    ...before,
    phase: "ended",
    sample: { ...sample, progressPercent },
    end: { outcome, atMs: turn.nowMs, cleared: false, departureOver: null },
  };
  turn.pending.clear();
  const ours = outcome.where === "source" && !evidence.superseded;
  if (ours) putBackDowntime(before, turn);
  // An image that nobody can place may be the guest's only copy: it goes only where the guest is seen
  // here, or where no save was ever begun.
  if (facts.mode === "file" && (ours || call.madeAtMs === null)) {
    turn.effects.push({ kind: "removeImage" });
    decide(turn, "image", "removed");
  }
  if (call.madeAtMs !== null) {
    tell(turn, { ...statusEvent(migration), downtimeMs: outcome.downtimeMs });
  }
  tellStatus(migration, outcome.where, turn, othersJob);
  const { outcome: what, ...numbers } = outcome;
  decide(turn, "outcome", what, numbers);
  tell(turn, { kind: "ended", outcome });
  return migration;
}

/** This daemon failed at it. */
export function abandon(migration: Migration, _: Input<"abandoned">, turn: Turn): Migration {
  decide(turn, "outcome", "given up: this daemon failed at it");
  return end(migration, outcomeOf(migration, "abandoned", turn.nowMs), turn);
}

/** Nothing of the guest is left here. */
export function cleared(migration: Migration, _: Input<"cleared">, turn: Turn): Migration {
  decide(turn, "cleared", "nothing of the guest is left here");
  return withEnd(migration, { cleared: true });
}

/** From now on the VM is reported as what this host shows. */
export function departed(
  migration: Migration,
  { why }: Input<"departureOver">,
  turn: Turn,
): Migration {
  decide(turn, "departure", `spoken of no more: ${why}`);
  return withEnd(migration, { departureOver: why });
}

function withEnd(migration: Migration, changed: Partial<End>): Migration {
  return migration.end === null
    ? migration
    : { ...migration, end: { ...migration.end, ...changed } };
}

function putBackDowntime({ downtime }: Migration, turn: Turn): void {
  const foundMs = downtime?.foundMs ?? null;
  if (foundMs === null) return;
  turn.effects.push({ kind: "putBackDowntime", maxDowntimeMs: foundMs });
  decide(turn, "downtime", `${foundMs} ms put back`);
}

/** Of a guest that may run elsewhere nothing is said: "Down" would have the engine start it twice. */
function tellStatus(
  migration: Migration,
  where: Outcome["where"],
  turn: Turn,
  othersJob?: JobOperation,
): void {
  if (where === "unknown") return;
  const { evidence, postCopy } = migration;
  const { runState, guestStopped } = evidence;
  const staysLeaving = where === "source" && othersJob === "migrationOut";
  const status: VmStatus = staysLeaving
    ? { kind: "migrationSource" }
    : statusAfter(where, { runState, inPostCopy: postCopy.begun, guestStopped });
  tell(turn, { kind: "vmStatus", status });
}

/** Where its guest is is still asked for. */
export function isOpen({ end: ended }: Migration): boolean {
  if (ended === null) return false;
  const { departureOver, outcome } = ended;
  return !outcome.confirmed || (outcome.where === "unknown" && departureOver === null);
}

/**
 * Whether locating it again can still tell anything. This host's libvirt can show a guest that nobody
 * had located; only the destination can confirm an arrival.
 */
export function mayLearnLate(migration: Migration, destinationAnswers: boolean): boolean {
  const isUnknown = migration.end?.outcome.where === "unknown";
  return isOpen(migration) && (isUnknown || destinationAnswers);
}

/** An answer after the end. */
export function learntLate(
  before: Migration,
  { location, record }: Input<"location">,
  turn: Turn,
): Migration {
  if (before.end === null || !isOpen(before)) return before;
  const { departureOver, outcome } = before.end;
  const migration = countReads(before, location, turn.nowMs);
  const neverBegan = migration.admission.ending !== null;
  if (!neverBegan && hasArrived(migration, location, record)) {
    const { evidence, sample } = migration;
    const seen: Migration = {
      ...migration,
      evidence: { ...evidence, record: evidence.record ?? record },
      sample: { ...sample, progressPercent: 100 },
    };
    return corrected(seen, outcome, confirmedLate(seen, outcome), location, turn);
  }
  // What has begun again since, or has been given up, is reported as what it is now.
  if (outcome.where !== "unknown" || departureOver !== null) return migration;
  const where = neverBegan ? whereWaiting(migration, location) : whereBegun(location);
  if (where === "unknown") return migration;
  const noted = noteEndHere(migration, location);
  return corrected(noted, outcome, locatedLate(outcome, where), location, turn);
}

function hasArrived(migration: Migration, location: Location, record: JobStats | null): boolean {
  const { call, evidence } = migration;
  const sure = location.destination === "left" || evidence.thereReads >= SURE_READS;
  // After a reboot of this host the guest may have been started again over there.
  const isArrival = call.returned?.unwatched !== "hostDown" || (evidence.record ?? record) !== null;
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
      return found.there && migration.evidence.thereReads >= SURE_READS ? "destination" : "unknown";
    case "absent":
    case "silent":
      return "unknown";
  }
}

/** The record; and, where nothing could be said of the VM until now, the VM's status, once. */
function corrected(
  before: Migration,
  was: Outcome,
  outcome: Outcome,
  location: Location,
  turn: Turn,
): Migration {
  const { evidence } = before;
  decide(turn, "location", "where the guest is", { ...location });
  const runState = location.runState ?? evidence.runState;
  const migration = withEnd({ ...before, evidence: { ...evidence, runState } }, { outcome });
  if (was.where !== "unknown") return migration;
  if (outcome.where === "source" && !evidence.superseded) putBackDowntime(before, turn);
  tellStatus(migration, outcome.where, turn, location.job);
  return migration;
}
