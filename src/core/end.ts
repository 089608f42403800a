/**
 * The one end of a migration: what is put back, what the engine is told of the VM and of the migration,
 * in this order, once. How it ended is outcome.ts's, and when is step.ts's.
 */
import { statusEvent } from "./cycle.ts";
import type { Effect } from "./effect.ts";
import type { Outcome, VmStatus } from "./event.ts";
import type { JobOperation } from "./job-stats.ts";
import type { Migration } from "./migration.ts";
import type { Stepped } from "./turn.ts";
import { type EndFacts, statusAfter } from "./vm-status.ts";

function vmStatus(status: VmStatus): Effect {
  return { kind: "event", event: { kind: "vmStatus", status } };
}

/**
 * The one end: the last status, then what the VM is now, then the outcome, once.
 * `othersJob`: what somebody else does with the VM meanwhile.
 */
export function end(
  before: Migration,
  outcome: Outcome,
  nowMs: number,
  othersJob?: JobOperation,
): Stepped {
  const completed = outcome.outcome === "completed";
  const migration: Migration = {
    ...before,
    phase: "ended",
    endedAtMs: nowMs,
    outcome,
    pending: [],
    progressPercent: completed ? 100 : before.progressPercent,
  };
  const effects: Effect[] = [];
  const ours = outcome.where === "source" && !before.superseded;
  if (ours && before.downtimeFoundMs !== null) {
    effects.push({ kind: "putBackDowntime", maxDowntimeMs: before.downtimeFoundMs });
  }
  // An image that nobody can place may be the guest's only copy: it goes only where the guest is seen
  // here, or where none was ever begun.
  if (before.mode === "file" && (ours || before.callAtMs === null)) {
    effects.push({ kind: "removeImage" });
  }
  if (before.callAtMs !== null) effects.push(lastStatus(migration, outcome));
  effects.push(...toldOf(migration, outcome.where, othersJob));
  effects.push({ kind: "event", event: { kind: "ended", outcome } });
  return { migration, effects };
}

/** What its VM is now. Of a guest that may run elsewhere nothing is said: "Down" would have it started twice. */
export function toldOf(
  migration: Migration,
  where: Outcome["where"],
  othersJob?: JobOperation,
): readonly Effect[] {
  if (where === "unknown") return [];
  const staysLeaving = where === "source" && othersJob === "migrationOut";
  return [
    vmStatus(staysLeaving ? { kind: "migrationSource" } : statusAfter(where, endFacts(migration))),
  ];
}

function endFacts({ runState, postCopy, guestStopped }: Migration): EndFacts {
  return { runState, inPostCopy: postCopy.begun, guestStopped };
}

function lastStatus(migration: Migration, outcome: Outcome): Effect {
  const status = statusEvent(migration);
  if (status.kind !== "event" || status.event.kind !== "migrationStatus") return status;
  return { kind: "event", event: { ...status.event, downtimeMs: outcome.downtimeMs } };
}
