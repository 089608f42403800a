/**
 * The books of an adapter's calls: at most one of a kind in flight for a VM, however many callers there
 * are and however long it hangs, and an answer within the deadline.
 *
 * A read that is requested while the same read is in flight shares its answer. A call that changes
 * something is `busy` instead, because it may carry another value. Past its deadline either kind is
 * `busy` until the hypervisor has returned from the call.
 */
import type { CallResult } from "./port.ts";

/** What a call that has ended came to. */
export type EndedCall<T> = Extract<CallResult<T>, { kind: "ok" | "refused" | "disconnected" }>;

/**
 * What the call came to within the deadline; it goes on after that. `settled` is called when the call
 * itself has ended, however late.
 */
export function withinDeadline<T>(
  ended: Promise<EndedCall<T>>,
  deadlineMs: number,
  settled: () => void = () => {},
): Promise<CallResult<T>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve({ kind: "noAnswer", late: ended }), deadlineMs);
    const end = (tell: () => void): void => {
      clearTimeout(timer);
      settled();
      tell();
    };
    ended.then(
      (result) => end(() => resolve(result)),
      // The caller is told of a defect, which must not leave the VM busy for ever.
      (error: unknown) => end(() => reject(error)),
    );
  });
}

/** Calls made, by what they are and the VM that they are for. `settled`: see `withinDeadline`. */
type MakeCall<T> = (settled: () => void) => Promise<CallResult<T>>;

/** Reads. A key stands for one type of answer. */
export class SharedReads {
  /** null: past its deadline. */
  readonly #inFlight = new Map<string, Promise<CallResult<unknown>> | null>();

  ask<T>(key: string, read: MakeCall<T>): Promise<CallResult<T>> {
    const known = this.#inFlight.get(key);
    if (known === null) return Promise.resolve({ kind: "busy" });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key has one type of answer.
    if (known !== undefined) return known as Promise<CallResult<T>>;
    const asked = this.#ask(key, read);
    this.#inFlight.set(key, asked);
    return asked;
  }

  async #ask<T>(key: string, read: MakeCall<T>): Promise<CallResult<T>> {
    const result = await read(() => this.#inFlight.delete(key));
    if (result.kind === "noAnswer") this.#inFlight.set(key, null);
    return result;
  }
}

/** Calls that change something. */
export class ExclusiveCalls {
  readonly #inFlight = new Set<string>();

  async make<T>(key: string, call: MakeCall<T>): Promise<CallResult<T>> {
    if (this.#inFlight.has(key)) return { kind: "busy" };
    this.#inFlight.add(key);
    return call(() => this.#inFlight.delete(key));
  }
}
