/**
 * VM.migrateChangeParams: what may be changed in which state. Checked as a whole; nothing is applied if
 * one part is impossible. The new values are stored at once; the next cycle asks libvirt for them, and
 * again each cycle until libvirt accepts.
 */
import { restartClock } from "./advance.ts";
import { downtimeByEngine } from "./downtime.ts";
import type { Changes, Input } from "./input.ts";
import type { Migration, PostCopyRecovery } from "./migration.ts";
import { postCopyStalled, resetRecovery } from "./post-copy.ts";
import { type Turn, decide } from "./turn.ts";

export type ChangeAnswer =
  | { readonly kind: "possible" }
  /** The state does not allow it; the text says which part and why. */
  | { readonly kind: "impossible"; readonly reason: string }
  /** There is no migration in progress any more. */
  | { readonly kind: "notMigrating" };

/** Whether the changes are possible now, as a whole. Asked before they are given as an input. */
export function mayChange(migration: Migration, changes: Changes): ChangeAnswer {
  if (migration.phase === "ended" || migration.phase === "settling") {
    return { kind: "notMigrating" };
  }
  const reason = whyImpossible(migration, changes);
  return reason === null ? { kind: "possible" } : { kind: "impossible", reason };
}

/** Stores the changes. Not possible after all, they change nothing. */
export function changed(
  migration: Migration,
  { changes, by }: Input<"change">,
  turn: Turn,
): Migration {
  if (mayChange(migration, changes).kind !== "possible") return migration;
  decide(turn, "change", "by the engine", { ...changes, ...(by === undefined ? {} : { by }) });
  return applyChanges(migration, changes, turn.nowMs);
}

function whyImpossible(migration: Migration, changes: Changes): string | null {
  // From post-copy on a stop is only remembered: nothing can be stopped any more.
  if (migration.stop !== null && migration.phase !== "postCopy") {
    const doing = migration.stop.why === "cancel" ? "being cancelled" : "being aborted";
    return `the migration is ${doing}`;
  }
  if (migration.admission.ending !== null) return "the migration is ending";
  const steering = steeringKey(changes);
  if (migration.facts.mode === "file" && steering !== null) {
    return `${steering} has no meaning while the VM is being saved to a file`;
  }
  if (migration.phase === "postCopy") {
    if (changes.migrationTechnique === "pre-copy") {
      return "migrationTechnique pre-copy: post-copy has begun and there is no way back";
    }
    if (steering !== null && steering !== "migrationTechnique") {
      return `${steering} cannot be changed in post-copy`;
    }
  }
  if (changes.migrationTechnique === "post-copy" && !migration.postCopy.possible) {
    return `migrationTechnique post-copy: ${migration.postCopy.unavailableReason ?? "not possible"}`;
  }
  return null;
}

function steeringKey(changes: Changes): string | null {
  if (changes.downtimeMs !== undefined) return "downtime";
  if (changes.maxBandwidthMiBps !== undefined) return "maxBandwidth";
  if (changes.migrationTechnique !== undefined) return "migrationTechnique";
  return null;
}

function applyChanges(migration: Migration, changes: Changes, nowMs: number): Migration {
  const { limits, downtime, advance } = migration;
  const raises =
    (changes.downtimeMs ?? 0) > (downtime?.wantedMs ?? 0) ||
    (changes.maxBandwidthMiBps ?? 0) > limits.maxBandwidthMiBps;
  return {
    ...migration,
    limits: {
      ...limits,
      progressTimeoutMs: changes.progressTimeoutMs ?? limits.progressTimeoutMs,
      // Who names the hard limit means the whole of it, schedule or not.
      timeoutJudgesPasses: limits.timeoutJudgesPasses || changes.progressTimeoutMs !== undefined,
      stallingLimitMs: changes.stallingLimitMs ?? limits.stallingLimitMs,
      maxBandwidthMiBps: changes.maxBandwidthMiBps ?? limits.maxBandwidthMiBps,
    },
    downtime:
      changes.downtimeMs === undefined ? downtime : downtimeByEngine(downtime, changes.downtimeMs),
    postCopy: {
      ...migration.postCopy,
      wanted: wantsPostCopy(migration, changes),
      recovery: recoveryAsked(migration, changes, nowMs),
    },
    advance: advance !== null && raises ? restartClock(advance, nowMs) : advance,
  };
}

/** Post-copy asked for while it has stalled: the engine wants recovery now. */
function recoveryAsked(migration: Migration, changes: Changes, nowMs: number): PostCopyRecovery {
  const { recovery } = migration.postCopy;
  const asks = changes.migrationTechnique === "post-copy" && postCopyStalled(migration, nowMs);
  return asks ? resetRecovery(recovery, true) : recovery;
}

function wantsPostCopy(migration: Migration, changes: Changes): boolean {
  if (migration.postCopy.begun) return false;
  if (changes.migrationTechnique === undefined) return migration.postCopy.wanted;
  return changes.migrationTechnique === "post-copy";
}
