/**
 * A convergenceSchedule as the engine writes it: actions by name with a list of parameters, numbers
 * often as strings. Action names that nobody knows are refused here: a schedule that is carried out
 * in part is worse than none. What the actions mean is the core's (schedule.ts).
 */
import * as v from "valibot";
import { ranges } from "../config.ts";
import type { ConvergenceSchedule, ScheduleAction } from "../core/schedule.ts";
import { migrateRanges } from "./migrate-params.ts";

const digits = /^[0-9]{1,9}$/;

/** A whole number, or one in digits. */
const wholeNumber = v.union([
  v.pipe(v.number(), v.integer()),
  v.pipe(v.string(), v.regex(digits), v.transform(Number)),
]);

const downtimeMs = v.pipe(
  wholeNumber,
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
      v.number(),
      v.integer(),
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
