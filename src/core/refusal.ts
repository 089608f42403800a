/**
 * Why the hypervisor refused a call, in words: a kind for each reason that a rule of the daemon
 * distinguishes, and `other` for the rest. The adapter that speaks to a hypervisor translates its
 * errors into these; no rule looks at the hypervisor's own error number or text.
 */

/**
 * - `noVm`: this host has no such VM.
 * - `invalidState`: the VM, or its job, is in no state for it: there is no job to act on, or there
 *   is another one already.
 * - `locked`: another call holds the VM, and the hypervisor gave up waiting for it.
 * - `aborted`: the job was aborted by request.
 * - `operationFailed`: the operation began and failed.
 * - `internalError`: the VM's own process rejected the command, or failed at it.
 * - `tooLarge`: the request or its answer does not fit in one message.
 */
export const REFUSAL_KINDS = [
  "noVm",
  "invalidState",
  "locked",
  "aborted",
  "operationFailed",
  "internalError",
  "tooLarge",
  "other",
] as const;

export type RefusalKind = (typeof REFUSAL_KINDS)[number];

export interface Refusal {
  readonly kind: RefusalKind;
  /** The error number of whoever refused, for people: shown, never compared. null: it has none. */
  readonly code: number | null;
  readonly message: string;
  /** Of a migrate call with post-copy: without post-copy it would not have been refused. */
  readonly refusesPostCopy?: true;
}

/** As it stands in messages: `Domain not found (code 42)`. */
export function refusalText({ code, message }: Refusal): string {
  return code === null ? message : `${message} (code ${code})`;
}
