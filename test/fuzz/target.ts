/**
 * A fuzz target: how its inputs are generated, and what must hold for each of them. Also the two
 * ways to detect a defect: a claim that fails, and a deadline that passes. Does not know how many
 * inputs are run or by whom (see run.ts).
 */

import type fc from "fast-check";

export interface Target<T> {
  readonly name: string;
  readonly input: fc.Arbitrary<T>;
  /** Maximum number of concurrent inputs; `check` follows each batch. */
  readonly batch: number;
  /** Its share of all inputs of a run over all targets. */
  readonly share: number;
  start(): Promise<Running<T>>;
}

export interface Running<T> {
  /** Rejects if something that must hold does not. */
  run(input: T): Promise<void>;
  /** Run after each batch: the next valid request is answered, and nothing is left behind. */
  check(): Promise<void>;
  stop(): Promise<void>;
}

/** A target without state between inputs. */
export function pure<T>(
  target: Omit<Target<T>, "start" | "batch">,
  run: (input: T) => void,
): Target<T> {
  const running: Running<T> = {
    run: async (input) => {
      await Promise.resolve();
      run(input);
    },
    check: async () => await Promise.resolve(),
    stop: async () => await Promise.resolve(),
  };
  return { ...target, batch: 32, start: async () => await Promise.resolve(running) };
}

/** Generous: whatever takes longer has hung. */
export const DEADLINE_MS = 10_000;

export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`hangs: ${what}`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function claim(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** A value as messages show it: bytes as text, and not too long. */
export function show(value: unknown, length = 2000): string {
  const text = JSON.stringify(plain(value)) ?? String(value);
  return text.length <= length ? text : `${text.slice(0, length)}… (${text.length})`;
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `latin1:${Buffer.from(value).toString("latin1")}`;
  if (typeof value === "number" && (Object.is(value, -0) || !Number.isFinite(value))) {
    return Object.is(value, -0) ? "-0" : String(value);
  }
  if (value instanceof Map) return plain([...value]);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}
