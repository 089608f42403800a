/**
 * The log: pino, one JSON object a line on standard output, where journald takes it.
 *
 * A message is a constant phrase; whatever varies is a field with its unit in the name. Units are
 * small enough that fractions carry no information, so numbers are rounded. A bigint never reaches
 * pino, which would print digits that JSON readers lose: it becomes a number where that is exact, else
 * a string. All loggers made from one root share its level, which can change at run time (pino's own
 * children would keep theirs). Nothing here knows what is logged.
 */

import { type DestinationStream, pino, stdSerializers, stdTimeFunctions } from "pino";
import type { LogLevel } from "./wire/errors.ts";

export type LogFields = Readonly<Record<string, unknown>>;

/** What modules are given. Errors go into the field `err`. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** The same log with additional fields on each line, such as `component` and `vmId`. */
  child(fields: LogFields): Log;
}

export interface RootLog extends Log {
  setLevel(level: LogLevel): void;
}

/** Deeper nesting is cut off, which also terminates cycles. */
const MAX_DEPTH = 8;

/** Writes to standard output unless a stream is given. **Fails**: never. */
export function createLog(options: {
  readonly level: LogLevel;
  readonly stream?: DestinationStream;
}): RootLog {
  const root = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => loggableFields(fields),
      },
      serializers: {
        err: (error: unknown) =>
          error instanceof Error ? loggable(stdSerializers.err(error), 0) : loggable(error, 0),
      },
    },
    options.stream ?? pino.destination({ fd: 1, sync: true }),
  );

  const wrap = (own: LogFields): Log => {
    const at = (level: LogLevel) => (fields: LogFields, message: string) => {
      if (root.isLevelEnabled(level)) root[level]({ ...own, ...fields }, message);
    };
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (fields) => wrap({ ...own, ...fields }),
    };
  };

  return {
    ...wrap({}),
    setLevel: (level) => {
      root.level = level;
    },
  };
}

function loggableFields(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, loggable(value, 0)]),
  );
}

/** A copy without bigints and fractions. Errors pass through: their serializer calls this on its result. */
function loggable(value: unknown, depth: number): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (typeof value === "number") return Math.round(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Error) return depth === 0 ? value : String(value);
  if (depth >= MAX_DEPTH) return "…";
  if (Array.isArray(value)) return value.map((each) => loggable(each, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, loggable(each, depth + 1)]),
  );
}
