/** Inputs of one migration whose step threw, kept as core/missed.ts says. */
import type { Input } from "../../core/input.ts";
import { givenAgain, isKept } from "../../core/missed.ts";

export class MissedInputs {
  #inputs: readonly Input[] = [];
  #sinceMs: number | null = null;

  note(input: Input, nowMs: number): void {
    if (!isKept(input.kind)) return;
    this.#inputs = [...this.#inputs, input];
    this.#sinceMs ??= nowMs;
  }

  /** Gives all of them again, each to `apply`, which may note them anew. */
  giveAgain(apply: (input: Input) => void): void {
    const inputs = this.#inputs;
    this.#inputs = [];
    for (const input of inputs) apply(givenAgain(input));
    if (this.#inputs.length === 0) this.#sinceMs = null;
  }

  has(kind: Input["kind"]): boolean {
    return this.#inputs.some((input) => input.kind === kind);
  }

  /** Since when there have been some; null: there are none. */
  get sinceMs(): number | null {
    return this.#sinceMs;
  }
}
