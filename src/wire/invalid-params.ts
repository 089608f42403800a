/**
 * The one way to report -32602: the message and `data.parameter` name the parameter, and a value is
 * shown only if it is short and simple, since it comes from outside and goes into a log.
 */

import { MonitorError } from "./errors.ts";

const SHOWN_LENGTH = 80;
const LONE_SURROGATE = /\p{Cs}/gu;

/** `expected` is a phrase such as `integer or string of digits, 1 to 2000000, ms`. */
export function invalidValue(parameter: string, value: unknown, expected: string): MonitorError {
  return new MonitorError(
    "invalidParams",
    value === undefined
      ? `${parameter} is missing: ${expected}`
      : `${parameter}: ${show(value)} is invalid; expected: ${expected}`,
    { details: { parameter } },
  );
}

export function invalidKey(parameter: string, why: string): MonitorError {
  return new MonitorError("invalidParams", `${clip(parameter)}: ${why}`, {
    details: { parameter: clip(parameter) },
  });
}

function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(clip(value));
    case "number":
    case "boolean":
      return String(value);
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? "an array" : "an object";
    case "bigint":
    case "function":
    case "symbol":
    case "undefined":
      return `a ${typeof value}`;
  }
}

/** Half a character, from outside or from the cut, would not be valid text for some readers. */
export function clip(text: string, length = SHOWN_LENGTH): string {
  const shown = text.length <= length ? text : `${text.slice(0, length)}…`;
  return shown.replaceAll(LONE_SURROGATE, "\u{fffd}");
}
