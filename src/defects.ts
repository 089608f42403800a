/**
 * What nobody foresaw: code of ours, or behind a port, that throws where it never may. It is caught at
 * the edge of the one thing that it is about (a migration's step, one VM's event, one waiter), so that
 * all others are served, and is logged with its cause: at once, then once in a while with how often.
 */
import type { Clock } from "./clock.ts";
import type { Log } from "./logger.ts";

/** The same defect again within this long is only counted. */
export const DEFECT_LOGGED_EVERY_MS = 60_000;
/** Different ones that are counted apart. */
const PLACES_MAX = 256;

interface Logged {
  readonly atMs: number;
  repeated: number;
}

export class Defects {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #logged = new Map<string, Logged>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** What `work` gives; null if it threw. `where` is constant, `vmId` null if it is about no VM. */
  contained<T>(where: string, vmId: string | null, work: () => T): T | null {
    try {
      return work();
    } catch (err) {
      this.note(where, vmId, err);
      return null;
    }
  }

  /** The same for what ends later. Never rejects. */
  async containedLater<T>(
    where: string,
    vmId: string | null,
    work: () => Promise<T>,
  ): Promise<T | null> {
    try {
      return await work();
    } catch (err) {
      this.note(where, vmId, err);
      return null;
    }
  }

  note(where: string, vmId: string | null, err: unknown): void {
    const own = `${where} ${vmId ?? ""}`;
    const location = this.#logged.has(own) || this.#logged.size < PLACES_MAX ? own : where;
    const nowMs = this.#clock.monotonicMs();
    const logged = this.#logged.get(location);
    if (logged !== undefined && nowMs - logged.atMs < DEFECT_LOGGED_EVERY_MS) {
      logged.repeated += 1;
      return;
    }
    const repeated = logged?.repeated ?? 0;
    this.#logged.set(location, { atMs: nowMs, repeated: 0 });
    this.#log.error(
      { err, where, ...(vmId === null ? {} : { vmId }), repeated },
      "unexpected error, going on without what threw it",
    );
  }
}
