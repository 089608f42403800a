/**
 * QEMU's auto-converge: when a guest dirties more than half of what is sent, twice, its CPUs are slowed
 * down, and then a step more each time.
 *
 * Source: QEMU, migration/ram.c (migration_trigger_throttle, mig_throttle_guest_down), with its defaults.
 */

const CHECKED_EVERY_MS = 1000;
const DIRTY_SHARE = 0.5;
const HIGH_TIMES = 2;
const INITIAL = 0.2;
const INCREMENT = 0.1;
const MAX = 0.99;

export class AutoConverge {
  #checkedAtMs: number;
  #dirtyBytes = 0;
  #sentBytes = 0;
  #high = 0;
  #throttle = 0;

  constructor(nowMs: number) {
    this.#checkedAtMs = nowMs;
  }

  /**
   * A look at dirtied pages: what was dirtied since the last one, and sent since the job began. Returns
   * the share of the CPUs' time that is taken away from now on.
   */
  look(nowMs: number, dirtyBytes: number, sentBytes: number): number {
    this.#dirtyBytes += dirtyBytes;
    if (nowMs - this.#checkedAtMs <= CHECKED_EVERY_MS) return this.#throttle;
    const sent = sentBytes - this.#sentBytes;
    if (this.#dirtyBytes > sent * DIRTY_SHARE && ++this.#high >= HIGH_TIMES) {
      this.#high = 0;
      this.#throttle = this.#throttle === 0 ? INITIAL : Math.min(this.#throttle + INCREMENT, MAX);
    }
    this.#checkedAtMs = nowMs;
    this.#dirtyBytes = 0;
    this.#sentBytes = sentBytes;
    return this.#throttle;
  }
}
