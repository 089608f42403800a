/**
 * Defects: code, ours or behind a port, that throws where it never should. Each is caught at the edge
 * of the one thing it concerns (a migration's step, a VM's event, a waiter), so that everything else is
 * still served, and is logged with its cause: at once, then at intervals with a count.
 */
import type { Clock } from "./clock.ts";
import type { Log } from "./logger.ts";

/** A repeat of the same defect within this time is only counted. */
export const DEFECT_LOGGED_EVERY_MS = 60_000;
/** So many different defects are counted separately. */
const COUNTED_APART_MAX = 256;

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

  /** The result of `work`, or null if it threw. `where` is a constant; `vmId` is null if no VM is concerned. */
  contained<T>(where: string, vmId: string | null, work: () => T): T | null {
    try {
      return work();
    } catch (err) {
      this.note(where, vmId, err);
      return null;
    }
  }

  /** The same for asynchronous work. Never rejects. */
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
    const key = this.#logged.has(own) || this.#logged.size < COUNTED_APART_MAX ? own : where;
    const nowMs = this.#clock.monotonicMs();
    const logged = this.#logged.get(key);
    if (logged !== undefined && nowMs - logged.atMs < DEFECT_LOGGED_EVERY_MS) {
      logged.repeated += 1;
      return;
    }
    const repeated = logged?.repeated ?? 0;
    this.#logged.set(key, { atMs: nowMs, repeated: 0 });
    this.#log.error(
      { err, where, ...(vmId === null ? {} : { vmId }), repeated },
      "unexpected error; continuing without the step that threw it",
    );
  }
}
