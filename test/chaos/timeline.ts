/**
 * What happened when, and what should not have happened. One per round: the acts, the answers to
 * verbs and the end of every migration, in order. A violation is a line in it and also in a list of
 * its own. Kept in memory, and printed if there is a violation.
 */

export class Timeline {
  readonly #lines: string[] = [];
  readonly #violations: string[] = [];
  readonly #startMs = performance.now();

  note(text: string): void {
    const seconds = (performance.now() - this.#startMs) / 1000;
    this.#lines.push(`${seconds.toFixed(2).padStart(7)} s  ${text}`);
  }

  /** Each violation is recorded once. */
  violation(text: string): void {
    if (this.#violations.includes(text)) return;
    this.#violations.push(text);
    this.note(`VIOLATION ${text}`);
  }

  get violations(): readonly string[] {
    return this.#violations;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }
}
