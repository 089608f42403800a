/**
 * Whether a migration can ever switch to post-copy, and if not, why. Decided when it is accepted, again
 * each time that its VM is seen while it waits, and once more if libvirt refuses the start for it
 * (post-copy-refusal.ts). When it does switch is post-copy.ts's.
 */
import { type RunState, runStateRow } from "./run-state.ts";

export interface PostCopyRequest {
  readonly mode: "remote" | "file";
  readonly tunneled: boolean;
  readonly parallel?: number;
}

/** The only reason that can pass: the guest may be resumed. */
export const PAUSED_GUEST = "the guest is paused";

/** Why it can never switch; null if it can. `allowed`: vars.migration_allow_postcopy. */
export function postCopyUnavailable(
  { mode, parallel, tunneled }: PostCopyRequest,
  runState: RunState,
  allowed: boolean,
): string | null {
  if (mode === "file") return "the VM is saved to a file";
  if (!allowed) return "vars.migration_allow_postcopy is false";
  // libvirt 9.0 accepts both flags; QEMU then aborts on the destination after the switch.
  if (parallel !== undefined) return "parallel connections lose the guest in post-copy";
  if (tunneled) return "libvirt does not tunnel post-copy";
  return unavailableAs(null, runState);
}

/** The reason once the VM has been seen in this state. */
export function unavailableAs(reason: string | null, runState: RunState): string | null {
  if (runStateRow(runState).standsStill) return reason ?? PAUSED_GUEST;
  return reason === PAUSED_GUEST ? null : reason;
}
