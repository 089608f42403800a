/**
 * Throttles log lines that clients can cause: the first of a kind is logged at once, and while more
 * follow, one line per interval with their number (`repeated`) and the fields of the last. A client
 * that is refused a thousand times a second must not fill the disk or hide what else is logged. The
 * caller says what a kind is; the number of kinds is bounded, and those beyond it count as one.
 */

import type { LogLevel } from "../wire/errors.ts";
import type { Log, LogFields } from "../logger.ts";

interface Said {
  repeated: number;
  latest: () => void;
}

/** Kinds that are counted separately at a time. */
const KINDS_MAX = 256;

export class LogThrottle {
  readonly #log: Log;
  readonly #intervalMs: number;
  readonly #said = new Map<string, Said>();

  constructor(log: Log, intervalMs: number) {
    this.#log = log;
    this.#intervalMs = intervalMs;
  }

  /** `message` is constant; it is counted separately for each `who`. **Fails**: never. */
  say(level: LogLevel, who: string, fields: LogFields, message: string): void {
    const own = `${message}\n${who}`;
    const kind = this.#said.has(own) || this.#said.size < KINDS_MAX ? own : message;
    const said = this.#said.get(kind);
    if (said === undefined) {
      this.#log[level](fields, message);
      this.#said.set(kind, { repeated: 0, latest: () => undefined });
      this.#wait(kind);
      return;
    }
    said.repeated += 1;
    said.latest = () => this.#log[level]({ ...fields, repeated: said.repeated }, message);
  }

  #wait(kind: string): void {
    setTimeout(() => {
      const said = this.#said.get(kind);
      if (said === undefined || said.repeated === 0) {
        this.#said.delete(kind);
        return;
      }
      said.latest();
      said.repeated = 0;
      this.#wait(kind);
    }, this.#intervalMs).unref();
  }
}
