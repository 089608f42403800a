/** What the simulated hypervisor refuses with: kinds as libvirt's errors lead to, in words of its own. */
import type { Refusal, RefusalKind } from "../../core/refusal.ts";

export function refusal(kind: RefusalKind, message: string): Refusal {
  return { kind, code: null, message: `simulated: ${message}` };
}

export const NO_VM = refusal("noVm", "this host has no such VM");
export const NOT_RUNNING = refusal("invalidState", "the VM is not running");
export const NO_JOB = refusal("invalidState", "the VM has no job");
export const HAS_JOB = refusal("invalidState", "the VM has another job");
export const LOCKED = refusal("locked", "another call holds the VM's lock");
export const ABORTED = refusal("aborted", "the job was aborted by request");
export const TOO_LATE = refusal("invalidState", "the job is in its last phase");
export const IN_POST_COPY = refusal("invalidState", "the job is in post-copy");
export const NO_POST_COPY = refusal("invalidState", "the migration was begun without post-copy");
export const DESTINATION_GONE = refusal("operationFailed", "the destination's QEMU is gone");
export const CLIENT_CLOSED = refusal(
  "internalError",
  "the connection to the destination is closed",
);
export const UNREACHABLE = refusal("other", "the destination cannot be reached");
export const QEMU_GONE = refusal("operationFailed", "the VM's QEMU is gone");
export const NO_PAUSED_COPY = refusal("invalidState", "the VM is no paused copy");
export const TUNNELED_ALONE = refusal(
  "other",
  "a tunnelled migration takes no post-copy and one connection",
);
export const OWN_HOST = refusal("internalError", "the destination is this host");
export const ALREADY_THERE = refusal("operationFailed", "the VM runs on the destination already");
