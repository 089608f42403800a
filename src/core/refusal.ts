/**
 * Why the hypervisor refused a call, in words: a kind for each reason that matters to the daemon, and
 * `other` for the rest. The hypervisor's adapter translates its errors into these; no rule looks at the
 * hypervisor's own error number or text.
 */

/**
 * - `noVm`: this host has no such VM.
 * - `invalidState`: not in the present state of the VM or its job: there is no job to act on, or
 *   already another one.
 * - `locked`: another call holds the VM's lock, and the hypervisor stopped waiting for it.
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
  /** The error number of whoever refused, for people: no rule depends on it. null: there is none. */
  readonly code: number | null;
  readonly message: string;
  /** Of a migrate call with post-copy: it may succeed without post-copy. */
  readonly refusesPostCopy?: true;
}

/** As it stands in messages: `Domain not found (code 42)`. */
export function refusalText({ code, message }: Refusal): string {
  return code === null ? message : `${message} (code ${code})`;
}
