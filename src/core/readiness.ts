/**
 * Whether a VM that has its slot can go now. Looked at twice: before the destination is asked, and right
 * before the call, since the destination may have taken a long time and anybody may have changed the VM.
 * A job that somebody else started is waited for, however it ends.
 */
import type { JobStats } from "./job-stats.ts";
import type { Refusal } from "./refusal.ts";
import { type RunState, isOff, runStateRow } from "./run-state.ts";

/** As just read from the hypervisor. */
export interface VmNow {
  readonly runState: RunState;
  readonly job: JobNow;
  /** Why the request's cpusets or numaNodesets do not match the VM; null: they do. */
  readonly placementFault: string | null;
}

export type JobNow =
  | { readonly kind: "stats"; readonly stats: Pick<JobStats, "type" | "operation"> }
  | { readonly kind: "incoming" }
  | { readonly kind: "noAnswer" }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export type Readiness =
  | { readonly kind: "ready" }
  /** Back into the queue. */
  | { readonly kind: "later"; readonly reason: string }
  /** Its migration ends. `isRequestAtFault`: it asks for what this VM does not have. */
  | { readonly kind: "never"; readonly message: string; readonly isRequestAtFault: boolean };

export const HYPERVISOR_SILENT = "libvirt does not answer";

export function readinessOf({ runState, job, placementFault }: VmNow): Readiness {
  if (isOff(runState)) return never("the VM is no longer running");
  const reason = inTheWay(job);
  if (reason !== null) return { kind: "later", reason };
  const { mayNotMigrate } = runStateRow(runState);
  if (mayNotMigrate !== null) return never(`the VM ${mayNotMigrate}`);
  return placementFault === null ? { kind: "ready" } : never(placementFault, true);
}

function never(message: string, isRequestAtFault = false): Readiness {
  return { kind: "never", message, isRequestAtFault };
}

function inTheWay(job: JobNow): string | null {
  switch (job.kind) {
    case "stats":
      return job.stats.type === "none" ? null : `the VM has a libvirt job: ${job.stats.operation}`;
    case "incoming":
      return "the VM is arriving on this host";
    case "noAnswer":
      return HYPERVISOR_SILENT;
    case "refused":
      return job.refusal.message;
  }
}
