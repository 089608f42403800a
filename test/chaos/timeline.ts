/**
 * What happened when, and what must not have happened. One for each round: the acts, the answers to
 * verbs and every end of a migration, in order; a violation is a line of it and stands in a list of
 * its own too. Kept in memory, and printed when there is a violation.
 */

export class Timeline {
  readonly #lines: string[] = [];
  readonly #violations: string[] = [];
  readonly #startMs = performance.now();

  note(text: string): void {
    const seconds = (performance.now() - this.#startMs) / 1000;
    this.#lines.push(`${seconds.toFixed(2).padStart(7)} s  ${text}`);
  }

  /** The same violation is told once. */
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
