/**
 * Which migrations were accepted, and how many ends were reported: exactly one for each. A call
 * whose answer was lost in a kill may or may not have been accepted, so it allows one more.
 *
 * Bookkeeping only; recorder.ts collects the events.
 */

interface Account {
  accepted: number;
  /** Calls whose answer was lost. */
  perhaps: number;
}

export class Ledger {
  readonly #accounts = new Map<string, Account>();
  #accepted = 0;

  accepted(siteName: string, vmId: string): void {
    this.#account(siteName, vmId).accepted += 1;
    this.#accepted += 1;
  }

  perhaps(siteName: string, vmId: string): void {
    this.#account(siteName, vmId).perhaps += 1;
  }

  get migrations(): number {
    return this.#accepted;
  }

  /** What is wrong with this number of ends; undefined if nothing is. */
  fault(siteName: string, vmId: string, endings: number): string | undefined {
    const { accepted, perhaps } = this.#account(siteName, vmId);
    if (endings >= accepted && endings <= accepted + perhaps) return undefined;
    const lost = perhaps === 0 ? "" : ` (and ${perhaps} whose answer was lost)`;
    return `${siteName} accepted ${accepted} migrations of ${vmId}${lost} and reported ${endings} ends`;
  }

  #account(siteName: string, vmId: string): Account {
    const key = `${siteName} ${vmId}`;
    const known = this.#accounts.get(key) ?? { accepted: 0, perhaps: 0 };
    this.#accounts.set(key, known);
    return known;
  }
}
