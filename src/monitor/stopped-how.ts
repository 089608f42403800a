/** How libvirt says that a guest has ended on this host, and what that is to a migration of it. */
import { LIFECYCLE } from "../core/libvirt-codes.ts";
import type { GuestStopped } from "../core/run-state.ts";
import type { MigrationRun } from "./migration-run.ts";

const HOW: ReadonlyMap<number, GuestStopped | "migrated"> = new Map<
  number,
  GuestStopped | "migrated"
>([
  [LIFECYCLE.STOPPED_SHUTDOWN, "shutDown"],
  [LIFECYCLE.STOPPED_DESTROYED, "destroyed"],
  [LIFECYCLE.STOPPED_CRASHED, "crashed"],
  // Its QEMU is gone without a word.
  [LIFECYCLE.STOPPED_FAILED, "crashed"],
  [LIFECYCLE.STOPPED_MIGRATED, "migrated"],
  [LIFECYCLE.STOPPED_SAVED, "saved"],
  [LIFECYCLE.STOPPED_FROM_SNAPSHOT, "reverted"],
]);

/** By libvirt's STOPPED event; undefined: it does not say. */
export function stoppedHow(detail: number): GuestStopped | "migrated" | undefined {
  return HOW.get(detail);
}

/** By a job of the migration's own kind, or otherwise. */
export function noteStopped(run: MigrationRun, how: GuestStopped | "migrated"): void {
  const leaves = run.target.mode === "file" ? "saved" : "migrated";
  if (how === leaves) run.apply({ kind: "stoppedByJob" });
  else if (how !== "migrated") run.apply({ kind: "guestStopped", how });
}
