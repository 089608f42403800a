/**
 * Which VMs a look at the host does not ask for their job, so that the cost of a look goes with what
 * migrates and not with what runs: those that had none when they were last asked, and of which nobody has
 * heard anything since. They are asked in turn, each within LOOK_AT_EACH_WITHIN_MS: if an event is lost, no
 * count is wrong for longer.
 */

export const LOOK_AT_EACH_WITHIN_MS = 10_000;

export interface LookedAt {
  readonly vmId: string;
  /** When it was last asked. */
  readonly askedAtMs: number;
  /** It had no job then, and is not one to be asked in every look. */
  readonly isIdle: boolean;
}

/** `sinceLookMs`: since the last look. The longest unasked are asked again. */
export function notAskedIn(vms: readonly LookedAt[], sinceLookMs: number): ReadonlySet<string> {
  const idle = vms.filter(({ isIdle }) => isIdle);
  const share = Math.min(1, sinceLookMs / LOOK_AT_EACH_WITHIN_MS);
  const due = Math.ceil(idle.length * share);
  const oldestFirst = idle.toSorted((one, other) => one.askedAtMs - other.askedAtMs);
  return new Set(oldestFirst.slice(due).map(({ vmId }) => vmId));
}
