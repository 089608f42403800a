/**
 * The addresses of names, for everybody in this process. A look-up cannot be called off: it holds one
 * of libuv's four threads until the system's resolver has an answer or none, and the journal and the
 * files of saves need those threads, too. So all look-ups come here: few are out at a time, one of each
 * name, and whoever waits gives up when it wants to. An answer that comes after somebody has given up
 * is not thrown away: the next who asks has it.
 *
 * What an answer means is not known here.
 */
import { lookup, type LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { systemClock, type Clock } from "../clock.ts";

/** Names that are asked for at once. libuv itself gives no more than half of its threads to them. */
export const LOOKUPS_MAX = 2;
/** A late answer is of use for so long; destinations are tried again well within it. */
const LATE_KEPT_MS = 60_000;
/** Any client may name names: beyond so many the oldest late answer goes. */
const LATE_KEPT_MAX = 256;

export type Resolved =
  | { readonly kind: "found"; readonly all: readonly LookupAddress[] }
  | { readonly kind: "failed"; readonly error: NodeJS.ErrnoException }
  /** Who asked gave up. */
  | { readonly kind: "gaveUp" };

type Answer = Exclude<Resolved, { kind: "gaveUp" }>;

interface Question {
  readonly host: string;
  readonly waiting: Set<(resolved: Resolved) => void>;
  isOut: boolean;
  hasBeenGivenUp: boolean;
}

/** The system's: `tell` is called once. */
export type Look = (host: string, tell: (answer: Answer) => void) => void;

export class Resolver {
  readonly #look: Look;
  readonly #clock: Clock;
  /** By name; those that are not out yet go out in this order. */
  readonly #questions = new Map<string, Question>();
  readonly #late = new Map<string, { readonly answer: Answer; readonly atMs: number }>();
  #out = 0;

  constructor(look: Look = lookOfSystem, clock: Clock = systemClock) {
    this.#look = look;
    this.#clock = clock;
  }

  /** Settles at the latest when `signal` is aborted, and never rejects. */
  resolve(host: string, signal: AbortSignal): Promise<Resolved> {
    const family = isIP(host);
    if (family !== 0) return Promise.resolve({ kind: "found", all: [{ address: host, family }] });
    if (signal.aborted) return Promise.resolve({ kind: "gaveUp" });
    const late = this.#takeLate(host);
    if (late !== null) return Promise.resolve(late);
    return new Promise((resolve) => {
      const question = this.#questionFor(host);
      const tell = (resolved: Resolved): void => {
        signal.removeEventListener("abort", giveUp);
        resolve(resolved);
      };
      const giveUp = (): void => {
        this.#giveUp(question, tell);
        tell({ kind: "gaveUp" });
      };
      question.waiting.add(tell);
      signal.addEventListener("abort", giveUp, { once: true });
      this.#goOn();
    });
  }

  /** For net.connect's `lookup`. */
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

  #questionFor(host: string): Question {
    const asked = this.#questions.get(host);
    if (asked !== undefined) return asked;
    const question: Question = { host, waiting: new Set(), isOut: false, hasBeenGivenUp: false };
    this.#questions.set(host, question);
    return question;
  }

  #giveUp(question: Question, tell: (resolved: Resolved) => void): void {
    question.waiting.delete(tell);
    question.hasBeenGivenUp = true;
    if (!question.isOut && question.waiting.size === 0) this.#questions.delete(question.host);
  }

  #goOn(): void {
    for (const question of this.#questions.values()) {
      if (this.#out >= LOOKUPS_MAX) return;
      if (question.isOut) continue;
      question.isOut = true;
      this.#out += 1;
      this.#look(question.host, (answer) => this.#answered(question, answer));
    }
  }

  #answered({ host, waiting, hasBeenGivenUp }: Question, answer: Answer): void {
    this.#out -= 1;
    this.#questions.delete(host);
    if (hasBeenGivenUp) this.#keepLate(host, answer);
    for (const tell of waiting) tell(answer);
    this.#goOn();
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

/** One for all: the threads are the process's. */
export const resolver = new Resolver();

function lookOfSystem(host: string, tell: (answer: Answer) => void): void {
  try {
    lookup(host, { all: true }, (error, all) => {
      tell(error === null ? { kind: "found", all } : { kind: "failed", error });
    });
  } catch (error) {
    // A name that Node does not even ask for.
    tell({ kind: "failed", error: noAddress(host, "found", error) });
  }
}

function noAddress(host: string, kind: "found" | "gaveUp", cause?: unknown): NodeJS.ErrnoException {
  return kind === "found"
    ? Object.assign(new Error(`${host} has no address`, { cause }), { code: "ENOTFOUND" })
    : Object.assign(new Error(`no address of ${host} in time`), { code: "EAI_AGAIN" });
}
