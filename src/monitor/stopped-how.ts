/** What the end of a guest on this host means to a migration of it. */
import type { StoppedHow } from "../hypervisor/port.ts";
import type { MigrationRun } from "./migration-run.ts";

/** Ended by a job of the migration's own kind, or otherwise. */
export function noteStopped(run: MigrationRun, how: StoppedHow): void {
  const leaves = run.target.mode === "file" ? "saved" : "migrated";
  if (how === leaves) run.apply({ kind: "stoppedByJob" });
  else if (how !== "migrated" && how !== "unknown") run.apply({ kind: "guestStopped", how });
}
