/**
 * Checks of arguments before they reach C++, which trusts what it gets. A wrong type is a TypeError, a
 * wrong value a RangeError; both name the argument and show the value. 64-bit values are `Int64`, so
 * that no digit is lost silently: a JavaScript number is exact only up to 2^53 - 1, while libvirt's
 * counters go up to 2^64 - 1.
 */

/** A 64-bit integer: a number where that is exact (|n| < 2^53), otherwise a bigint. */
export type Int64 = number | bigint;

/** The bounds of an integer argument, both inclusive. */
interface IntegerRange {
  readonly minimum: bigint;
  readonly maximum: bigint;
}

export const integerRanges = {
  /** C's int. */
  int: { minimum: -(2n ** 31n), maximum: 2n ** 31n - 1n },
  /** C's unsigned int: flags and counts. */
  uint: { minimum: 0n, maximum: 2n ** 32n - 1n },
  /** C's long long. */
  llong: { minimum: -(2n ** 63n), maximum: 2n ** 63n - 1n },
  /** C's unsigned long long, and unsigned long on the 64-bit machines that are supported. */
  ullong: { minimum: 0n, maximum: 2n ** 64n - 1n },
} as const satisfies Record<string, IntegerRange>;

export type IntegerKind = keyof typeof integerRanges;

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/**
 * The value unchanged, if it is an integer of that C type.
 * Fails: TypeError if it is neither a number nor a bigint; RangeError if it is fractional, not finite,
 * out of range, or a number of 2^53 or more, whose last digits may already be lost (pass a bigint).
 */
export function checkInteger(name: string, value: unknown, kind: IntegerKind): Int64 {
  if (typeof value !== "number" && typeof value !== "bigint") {
    throw new TypeError(`${name} must be an integer, not ${shown(value)} (${typeof value})`);
  }
  if (typeof value === "number" && !Number.isInteger(value)) {
    throw new RangeError(`${name} must be an integer, not ${shown(value)}`);
  }
  const { minimum, maximum } = integerRanges[kind];
  const exact = BigInt(value);
  if (exact < minimum || exact > maximum) {
    throw new RangeError(`${name} must be ${minimum} to ${maximum}, not ${shown(value)}`);
  }
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new RangeError(`${name} is not exact as a number of 2^53 or more; pass a bigint`);
  }
  return value;
}

/** checkInteger for 32-bit types, whose values fit in a number. */
export function checkInt32(name: string, value: unknown, kind: "int" | "uint"): number {
  return Number(checkInteger(name, value, kind));
}

/** Flags: an unsigned int. */
export function checkFlags(name: string, value: unknown): number {
  return checkInt32(name, value, "uint");
}

/**
 * A string that C can represent. Fails: TypeError if it is not a string; RangeError if it contains a
 * NUL character, at which it would end in C.
 */
export function checkString(name: string, value: unknown): string {
  if (typeof value !== "string") {
    throw new TypeError(`${name} must be a string, not ${shown(value)} (${typeof value})`);
  }
  if (value.includes("\0")) throw new RangeError(`${name} contains a NUL character`);
  return value;
}

/** The same, or undefined, which C sees as NULL. */
export function checkOptionalString(name: string, value: unknown): string | null {
  return value === undefined ? null : checkString(name, value);
}

/** Fails: TypeError if it is not a function. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== "function") {
    throw new TypeError(`${name} must be a function, not ${shown(value)}`);
  }
}
