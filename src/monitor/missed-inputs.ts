/**
 * Inputs of one migration whose step threw. What comes again by itself is not kept; the others are
 * given again with each cycle, so that a call that came back, or an answer, is not waited for for ever.
 */
import type { Input } from "../core/input.ts";

/** For so long they are given again before the migration may be given up. */
export const MISSED_MAX_MS = 60_000;

const COME_AGAIN: ReadonlySet<Input["kind"]> = new Set([
  "cycle",
  "passBegan",
  "admitted",
  "notAdmitted",
]);

export class MissedInputs {
  #inputs: readonly Input[] = [];
  #sinceMs: number | null = null;

  note(input: Input, nowMs: number): void {
    if (COME_AGAIN.has(input.kind)) return;
    this.#inputs = [...this.#inputs, input];
    this.#sinceMs ??= nowMs;
  }

  /** Gives all of them again, each to `apply`, which may note them anew. */
  giveAgain(apply: (input: Input) => void): void {
    const inputs = this.#inputs;
    this.#inputs = [];
    for (const input of inputs) apply(input);
    if (this.#inputs.length === 0) this.#sinceMs = null;
  }

  has(kind: Input["kind"]): boolean {
    return this.#inputs.some((input) => input.kind === kind);
  }

  /** There have been some for MISSED_MAX_MS. */
  isOverdue(nowMs: number): boolean {
    return this.#sinceMs !== null && nowMs - this.#sinceMs >= MISSED_MAX_MS;
  }
}
