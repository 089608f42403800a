/**
 * What follows from an outcome. At the end, once and in this order: what was changed is put back, then the
 * last status, what the VM is now, and the outcome. After it an outcome is only corrected: an arrival that
 * nobody had confirmed is confirmed in the record alone; of a VM that nobody could locate, which the engine
 * still shows as migrating, the status is sent once its guest is seen.
 */
import type { Outcome, VmStatus } from "./event.ts";
import type { Input } from "./input.ts";
import type { JobOperation } from "./job-stats.ts";
import type { End, Migration } from "./migration.ts";
import { outcomeOf } from "./outcome.ts";
import { type Turn, decide, tell } from "./turn.ts";
import { statusAfter } from "./vm-status.ts";

/** The end, or a correction of it. `job`: what libvirt shows on the VM. */
export function conclude(
  before: Migration,
  outcome: Outcome,
  job: JobOperation | undefined,
  turn: Turn,
): Migration {
  const { end: was, sample } = before;
  const progressPercent = outcome.outcome === "completed" ? 100 : sample.progressPercent;
  const migration: Migration = {
    ...before,
    phase: "ended",
    sample: { ...sample, progressPercent },
    end:
      was === null
        ? { outcome, atMs: turn.nowMs, cleared: false, departureOver: null }
        : { ...was, outcome },
  };
  if (was === null) end(migration, outcome, job, turn);
  else if (was.outcome.where === "unknown") {
    if (isOurs(migration, outcome)) putBackDowntime(migration, turn);
    tellStatus(migration, outcome.where, job, turn);
  }
  return migration;
}

function end(
  migration: Migration,
  outcome: Outcome,
  job: JobOperation | undefined,
  turn: Turn,
): void {
  const { call, facts } = migration;
  turn.pending.clear();
  const ours = isOurs(migration, outcome);
  if (ours) putBackDowntime(migration, turn);
  // An image may be the guest's only copy: it is removed only if the guest is seen here, or if no save was
  // ever begun.
  if (facts.mode === "file" && (ours || call.madeAtMs === null)) {
    turn.effects.push({ kind: "removeImage" });
    decide(turn, "image", "removed");
  }
  if (call.madeAtMs !== null) {
    const { progressPercent } = migration.sample;
    const { downtimeMs } = outcome;
    tell(turn, {
      kind: "migrationStatus",
      progressPercent,
      postCopy: migration.postCopy.begun,
      downtimeMs,
    });
  }
  tellStatus(migration, outcome.where, job, turn);
  const { outcome: what, ...numbers } = outcome;
  decide(turn, "outcome", what, numbers);
  tell(turn, { kind: "ended", outcome });
}

/** Its guest is here, and no other party's job is on it. */
function isOurs({ evidence }: Migration, { where }: Outcome): boolean {
  return where === "source" && !evidence.superseded;
}

/** This daemon has failed to handle it. */
export function abandon(migration: Migration, _: Input<"abandoned">, turn: Turn): Migration {
  decide(turn, "outcome", "given up: this daemon failed at it");
  const outcome = outcomeOf(migration, { kind: "ended", how: "abandoned" }, turn.nowMs);
  return conclude(migration, outcome, undefined, turn);
}

/** Nothing of the guest is left here. */
export function cleared(migration: Migration, _: Input<"cleared">, turn: Turn): Migration {
  decide(turn, "cleared", "nothing of the guest is left here");
  return withEnd(migration, { cleared: true });
}

/** From now on the VM is reported as this host shows it. */
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

/** A value that was set for the migration, and would hold for the next one as well. */
function putBackDowntime({ downtime }: Migration, turn: Turn): void {
  const foundMs = downtime?.foundMs ?? null;
  if (foundMs === null) return;
  turn.effects.push({ kind: "putBackDowntime", maxDowntimeMs: foundMs });
  decide(turn, "downtime", `${foundMs} ms put back`);
}

/** Of a guest that may run elsewhere nothing is said: "Down" would have the engine start it twice. */
function tellStatus(
  { admission, evidence, postCopy }: Migration,
  where: Outcome["where"],
  job: JobOperation | undefined,
  turn: Turn,
): void {
  if (where === "unknown") return;
  const { runState, guestStopped, superseded } = evidence;
  const isOthersJob = superseded || admission.ending !== null;
  const staysLeaving = where === "source" && isOthersJob && job === "migrationOut";
  const status: VmStatus = staysLeaving
    ? { kind: "migrationSource" }
    : statusAfter(where, { runState, inPostCopy: postCopy.begun, guestStopped });
  tell(turn, { kind: "vmStatus", status });
}
