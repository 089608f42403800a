/**
 * All name lookups of this process. A lookup cannot be canceled: it occupies one of libuv's four
 * threads until the system's resolver answers, and the journal and the files of saves need those
 * threads too. So lookups are made here: a few at a time, one per name, and every caller can stop
 * waiting. An answer that arrives after a caller gave up is kept for the next one who asks.
 *
 * Does not know what the addresses are for.
 */
import { lookup as dnsLookup, type LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { systemClock, type Clock } from "../clock.ts";

/** Concurrent lookups. libuv itself limits them to half of its threads. */
export const LOOKUPS_MAX = 2;
/** How long a late answer stays useful; destinations are retried well within this time. */
const LATE_KEPT_MS = 60_000;
/** Clients can submit any name, so beyond this many the oldest late answer is dropped. */
const LATE_KEPT_MAX = 256;

export type Resolved =
  | { readonly kind: "found"; readonly all: readonly LookupAddress[] }
  | { readonly kind: "failed"; readonly error: NodeJS.ErrnoException }
  /** The caller stopped waiting. */
  | { readonly kind: "gaveUp" };

type Answer = Exclude<Resolved, { kind: "gaveUp" }>;

interface PendingLookup {
  readonly host: string;
  readonly waiting: Set<(resolved: Resolved) => void>;
  isStarted: boolean;
  isAbandoned: boolean;
}

/** The system's lookup; it calls `tell` once. */
export type Lookup = (host: string, tell: (answer: Answer) => void) => void;

export class Resolver {
  readonly #lookup: Lookup;
  readonly #clock: Clock;
  /** By name; those not yet started start in this order. */
  readonly #pending = new Map<string, PendingLookup>();
  readonly #late = new Map<string, { readonly answer: Answer; readonly atMs: number }>();
  #inFlight = 0;

  constructor(lookup: Lookup = systemLookup, clock: Clock = systemClock) {
    this.#lookup = lookup;
    this.#clock = clock;
  }

  /** Settles no later than `signal` aborts; never rejects. */
  resolve(host: string, signal: AbortSignal): Promise<Resolved> {
    const family = isIP(host);
    if (family !== 0) return Promise.resolve({ kind: "found", all: [{ address: host, family }] });
    if (signal.aborted) return Promise.resolve({ kind: "gaveUp" });
    const late = this.#takeLate(host);
    if (late !== null) return Promise.resolve(late);
    return new Promise((resolve) => {
      const pending = this.#pendingFor(host);
      const tell = (resolved: Resolved): void => {
        signal.removeEventListener("abort", giveUp);
        resolve(resolved);
      };
      const giveUp = (): void => {
        this.#giveUp(pending, tell);
        tell({ kind: "gaveUp" });
      };
      pending.waiting.add(tell);
      signal.addEventListener("abort", giveUp, { once: true });
      this.#startNext();
    });
  }

  /** For the `lookup` option of net.connect. */
  forSocket(signal: AbortSignal): LookupFunction {
    return (host, options, callback) => {
      void this.resolve(host, signal).then((resolved) => {
        const all = resolved.kind === "found" ? [...resolved.all] : [];
        const [first] = all;
        if (resolved.kind === "failed") callback(resolved.error, "", 0);
        else if (first === undefined) callback(noAddress(host, resolved.kind), "", 0);
        else if (options.all === true) callback(null, all);
        else callback(null, first.address, first.family);
      });
    };
  }

  #pendingFor(host: string): PendingLookup {
    const asked = this.#pending.get(host);
    if (asked !== undefined) return asked;
    const pending: PendingLookup = {
      host,
      waiting: new Set(),
      isStarted: false,
      isAbandoned: false,
    };
    this.#pending.set(host, pending);
    return pending;
  }

  #giveUp(pending: PendingLookup, tell: (resolved: Resolved) => void): void {
    pending.waiting.delete(tell);
    pending.isAbandoned = true;
    if (!pending.isStarted && pending.waiting.size === 0) this.#pending.delete(pending.host);
  }

  #startNext(): void {
    for (const pending of this.#pending.values()) {
      if (this.#inFlight >= LOOKUPS_MAX) return;
      if (pending.isStarted) continue;
      pending.isStarted = true;
      this.#inFlight += 1;
      this.#lookup(pending.host, (answer) => this.#answered(pending, answer));
    }
  }

  #answered({ host, waiting, isAbandoned }: PendingLookup, answer: Answer): void {
    this.#inFlight -= 1;
    this.#pending.delete(host);
    if (isAbandoned) this.#keepLate(host, answer);
    for (const tell of waiting) tell(answer);
    this.#startNext();
  }

  #keepLate(host: string, answer: Answer): void {
    this.#late.delete(host);
    this.#late.set(host, { answer, atMs: this.#clock.monotonicMs() });
    const [oldest] = this.#late.keys();
    if (this.#late.size > LATE_KEPT_MAX && oldest !== undefined) this.#late.delete(oldest);
  }

  #takeLate(host: string): Answer | null {
    const late = this.#late.get(host);
    if (late === undefined) return null;
    this.#late.delete(host);
    return this.#clock.monotonicMs() - late.atMs < LATE_KEPT_MS ? late.answer : null;
  }
}

/** Shared by the process, because its threads are. */
export const resolver = new Resolver();

function systemLookup(host: string, tell: (answer: Answer) => void): void {
  try {
    dnsLookup(host, { all: true }, (error, all) => {
      tell(error === null ? { kind: "found", all } : { kind: "failed", error });
    });
  } catch (error) {
    // Node rejects some names without asking the system.
    tell({ kind: "failed", error: noAddress(host, "found", error) });
  }
}

function noAddress(host: string, kind: "found" | "gaveUp", cause?: unknown): NodeJS.ErrnoException {
  return kind === "found"
    ? Object.assign(new Error(`${host} has no address`, { cause }), { code: "ENOTFOUND" })
    : Object.assign(new Error(`looking up ${host} took too long`), { code: "EAI_AGAIN" });
}
