/**
 * How a guest ended on this host, by libvirt's event or by the shut-off reason of its definition, and
 * what that is to a migration of it. A migration ends it here as `migrated`, a save to a file as
 * `saved`; any other end came from outside.
 */
import type { Input } from "./input.ts";
import type { GuestStopped, RunState } from "./run-state.ts";

export type GuestEnd = GuestStopped | "migrated";

const BY_STATE: Readonly<Partial<Record<RunState, GuestEnd>>> = {
  offShutDown: "shutDown",
  offDestroyed: "destroyed",
  offCrashed: "crashed",
  offMigrated: "migrated",
  offSaved: "saved",
  offFromSnapshot: "reverted",
  offFailed: "failed",
  offUnseen: "unseen",
};

/** What the definition of a guest that is off says; undefined: nothing, or it is not off. */
export function endOf(runState: RunState): GuestEnd | undefined {
  return BY_STATE[runState];
}

/** What the hypervisor says of how it ended, as an input of its migration; null: nothing follows. */
export function inputOfEnd(
  mode: "remote" | "file",
  how: GuestEnd | "unknown",
): Input<"stoppedByJob" | "guestStopped"> | null {
  const end = endFor(mode, how);
  if (end === null) return null;
  return end === "byOwnJob" ? { kind: "stoppedByJob" } : { kind: "guestStopped", how: end };
}

/**
 * `byOwnJob`: as this migration's own job ends it. null: it says nothing about this migration, such as
 * somebody else's migration about a save of ours, or an end that libvirt does not explain.
 */
export function endFor(
  mode: "remote" | "file",
  how: GuestEnd | "unknown",
): "byOwnJob" | GuestStopped | null {
  if (how === (mode === "file" ? "saved" : "migrated")) return "byOwnJob";
  return how === "migrated" || how === "unknown" ? null : how;
}
