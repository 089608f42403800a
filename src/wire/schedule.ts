/**
 * A convergenceSchedule as the engine writes it: actions by name with a list of parameters, numbers
 * often as strings. Unknown action names are refused: a schedule that is carried out in part is worse
 * than none. What the actions mean is the core's (schedule.ts).
 */
import type { ConvergenceSchedule, ScheduleAction, ScheduleItem } from "../core/migration.ts";
import { isRecord } from "../core/json.ts";
import { readDigits, readDigitsOrMinusOne } from "./digits.ts";
import { ranges, verbRanges } from "./ranges.ts";

/** null: it is not as declared. */
export function readSchedule(value: unknown): ConvergenceSchedule | null {
  if (!isRecord(value)) return null;
  const { init, stalling } = value;
  const first = readList(init, readInitAction);
  const items = readList(stalling, readItem);
  return first === null || items === null ? null : { init: first, stalling: items };
}

/** Absent: none. */
function readList<T>(value: unknown, read: (each: unknown) => T | null): readonly T[] | null {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > verbRanges.scheduleItems.max) return null;
  const all = value.map((each) => read(each)).filter((each) => each !== null);
  return all.length === value.length ? all : null;
}

function readItem(value: unknown): ScheduleItem | null {
  if (!isRecord(value)) return null;
  const { limit, action } = value;
  const limitPasses = readNumber(limit, readDigitsOrMinusOne, verbRanges.scheduleLimit);
  const read = readAction(action);
  return limitPasses === null || read === null ? null : { limitPasses, action: read };
}

/** There is nothing to abort yet. */
function readInitAction(value: unknown): ScheduleAction | null {
  const action = readAction(value);
  return action?.kind === "abort" ? null : action;
}

function readAction(value: unknown): ScheduleAction | null {
  if (!isRecord(value)) return null;
  const { name, params } = value;
  if (params !== undefined && params !== null && !Array.isArray(params)) return null;
  switch (name) {
    case "setDowntime": {
      const downtimeMs = readNumber(params?.[0], readDigits, ranges.downtimeMs);
      return downtimeMs === null ? null : { kind: "setDowntime", downtimeMs };
    }
    case "postcopy":
    case "abort":
      return { kind: name };
    default:
      return null;
  }
}

/** A whole number, or the text of one. */
function readNumber(
  value: unknown,
  read: (text: string) => number | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): number | null {
  const number = typeof value === "string" ? read(value) : value;
  if (typeof number !== "number" || !Number.isInteger(number)) return null;
  return number >= min && number <= max ? number : null;
}
