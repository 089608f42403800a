/**
 * A convergenceSchedule as the engine writes it: actions by name with a list of parameters, numbers
 * often as strings. Action names that nobody knows are refused here: a schedule that is carried out
 * in part is worse than none. What the actions mean is the core's (schedule.ts).
 */
import * as v from "valibot";
import { ranges } from "../config/config.ts";
import type { ConvergenceSchedule, ScheduleAction } from "../core/migration.ts";
import { readDigits, readDigitsOrMinusOne } from "./digits.ts";
import { migrateRanges } from "./migrate-params.ts";

/** A whole number, or the text of one. */
function wholeNumber(read: (text: string) => number | undefined) {
  return v.pipe(
    v.union([v.number(), v.pipe(v.string(), v.transform(read))]),
    v.number(),
    v.integer(),
  );
}

const downtimeMs = v.pipe(
  wholeNumber(readDigits),
  v.minValue(ranges.downtimeMs.min),
  v.maxValue(ranges.downtimeMs.max),
);

const params = v.exactOptional(v.nullable(v.array(v.unknown())));

const setDowntime = v.pipe(
  v.object({ name: v.literal("setDowntime"), params: v.tuple([downtimeMs]) }),
  v.transform(
    ({ params: [value] }): ScheduleAction => ({ kind: "setDowntime", downtimeMs: value }),
  ),
);

const postcopy = v.pipe(
  v.object({ name: v.literal("postcopy"), params }),
  v.transform((): ScheduleAction => ({ kind: "postcopy" })),
);

const abort = v.pipe(
  v.object({ name: v.literal("abort"), params }),
  v.transform((): ScheduleAction => ({ kind: "abort" })),
);

const item = v.pipe(
  v.object({
    limit: v.pipe(
      wholeNumber(readDigitsOrMinusOne),
      v.minValue(migrateRanges.scheduleLimit.min),
      v.maxValue(migrateRanges.scheduleLimit.max),
    ),
    action: v.union([setDowntime, postcopy, abort]),
  }),
  v.transform(({ limit, action }) => ({ limitPasses: limit, action })),
);

const { max } = migrateRanges.scheduleItems;

/** An abort has no place in `init`: there is nothing to abort yet. */
export const convergenceSchedule: v.GenericSchema<unknown, ConvergenceSchedule> = v.object({
  init: v.exactOptional(v.pipe(v.array(v.union([setDowntime, postcopy])), v.maxLength(max)), []),
  stalling: v.exactOptional(v.pipe(v.array(item), v.maxLength(max)), []),
});
