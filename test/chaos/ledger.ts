/**
 * Which migrations were accepted, and which ends were told: exactly one for each. A call whose answer
 * was lost to a kill may have been accepted or not, so it stands for none or one.
 *
 * Pure bookkeeping; where events come from is recorder.ts's.
 */

interface Account {
  accepted: number;
  /** The answer was lost. */
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

  /** What is wrong with so many ends; undefined: nothing. */
  fault(siteName: string, vmId: string, endings: number): string | undefined {
    const { accepted, perhaps } = this.#account(siteName, vmId);
    if (endings >= accepted && endings <= accepted + perhaps) return undefined;
    const lost = perhaps === 0 ? "" : ` (and ${perhaps} whose answer was lost)`;
    return `${siteName} accepted ${accepted} migrations of ${vmId}${lost} and told of ${endings} ends`;
  }

  #account(siteName: string, vmId: string): Account {
    const key = `${siteName} ${vmId}`;
    const known = this.#accounts.get(key) ?? { accepted: 0, perhaps: 0 };
    this.#accounts.set(key, known);
    return known;
  }
}
