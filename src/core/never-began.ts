/**
 * How a migration that waits comes to an end without a call to libvirt: cancelled, not admitted, refused,
 * or with no daemon at its destination. That only says why. The VM may have been suspended, switched off,
 * saved or migrated by another party while it waited, so its guest is located first (location.ts).
 */
import type { Input } from "./input.ts";
import type { Migration, WaitingEnd } from "./migration.ts";
import { type Turn, ask } from "./turn.ts";

/** Locates the guest, since its location decides the outcome. */
export function endWaiting(migration: Migration, why: WaitingEnd, turn: Turn): Migration {
  ask(turn, { kind: "locateGuest" });
  const admission = { ...migration.admission, ending: { why, sinceMs: turn.nowMs } };
  return { ...migration, phase: "settling", admission };
}

/** vars.migration_admission_timeout is over. */
export function notAdmitted(migration: Migration, _: Input<"notAdmitted">, turn: Turn): Migration {
  return endWaiting(migration, { kind: "notAdmitted" }, turn);
}

/** It could not be begun, here or on the destination. */
export function notBegun(
  migration: Migration,
  { refusal }: Input<"notBegun">,
  turn: Turn,
): Migration {
  return endWaiting(migration, { kind: "notBegun", refusal }, turn);
}
