/** Tells a migration that its guest has ended on this host. */
import { endFor } from "../../core/guest-end.ts";
import type { StoppedHow } from "../../hypervisor/port.ts";
import type { MigrationRun } from "./run.ts";

export function noteStopped(run: MigrationRun, how: StoppedHow): void {
  const end = endFor(run.migration.facts.mode, how);
  if (end === "byOwnJob") run.apply({ kind: "stoppedByJob" });
  else if (end !== null) run.apply({ kind: "guestStopped", how: end });
}
