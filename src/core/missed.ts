/**
 * Inputs that the daemon could not process because its own step threw. Owns which of them are kept and
 * given again with each cycle, and when the migration is given up instead. What recurs by itself is not
 * kept; an answer or a call's return is, or it would be waited for forever.
 */
import type { Input } from "./input.ts";
import { NOT_LOCATED } from "./locate.ts";
import type { Call } from "./migration.ts";

/** For so long they are given again before the migration may be given up. */
export const MISSED_MAX_MS = 60_000;

const RECURRING: ReadonlySet<Input["kind"]> = new Set([
  "cycle",
  "passBegan",
  "admitted",
  "notAdmitted",
]);

export function isKept(kind: Input["kind"]): boolean {
  return !RECURRING.has(kind);
}

/** Where the guest was then is no evidence now, and newer answers may have said more; its record is. */
export function givenAgain(input: Input): Input {
  return input.kind === "location" ? { ...input, location: NOT_LOCATED } : input;
}

export interface MissedFacts {
  readonly call: Call;
  /** The call's return is among what was missed. */
  readonly missesCallEnded: boolean;
  /** Since when something has been missed without a break; null: nothing is. */
  readonly sinceMs: number | null;
}

/** Only if no call is out for it any more: then all that is left is to report its end. */
export function isToAbandon(
  { call, missesCallEnded, sinceMs }: MissedFacts,
  nowMs: number,
): boolean {
  const isOut = call.madeAtMs !== null && call.returned === null && !missesCallEnded;
  return !isOut && sinceMs !== null && nowMs - sinceMs >= MISSED_MAX_MS;
}
