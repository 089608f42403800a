/**
 * Whether a migration has sent all that there was to send and only its end is missing: libvirt sets the
 * guest going on the destination, takes it away here and comes back. Bytes stand still then, and libvirt
 * may say nothing of the VM: that is no stall that an engine could do anything about. One that hangs
 * there is the hard limit's.
 */
import type { CycleInput } from "./input.ts";
import { dataFlow } from "./job-stats.ts";
import type { Migration } from "./migration.ts";

/** What one look shows of it. */
export type LastStepView = Pick<CycleInput, "sample" | "switchover" | "gone">;

/** `migration` has taken the look's sample in. */
export function isLastStep(migration: Migration, view: LastStepView): boolean {
  const { stoppedByJob, completedStats, stats, advance } = migration;
  if (stoppedByJob || completedStats !== null || view.gone === true) return true;
  // It stands for the switchover, and libvirt is busy with just that.
  if (view.switchover === true && view.sample === null) return true;
  // While bytes move it is only the end of a pass, and the next one may have begun already.
  const still = advance?.bytesMoving === false;
  return still && stats !== null && dataFlow(stats) && stats.dataRemainingBytes === 0;
}
