/**
 * `progress` as it goes on the wire: the percentage of data no longer remaining. It never falls
 * and reaches 100 only when the migration completed. Not to be confused with advance (advance.ts),
 * which decides whether a migration is stuck.
 */
import type { JobStats } from "./job-stats.ts";

/** Highest value while the migration is not known to have completed. */
export const PROGRESS_RUNNING_MAX = 99;

/**
 * 0 if the total is 0, else min(99, 100 - floor(100 x remaining / total)), at least `previous`.
 * Example: 33 of 100 remaining gives 67; 1 of 100 gives 99; 0 of 100 gives 99.
 */
export function progressPercent(
  stats: Pick<JobStats, "dataTotalBytes" | "dataRemainingBytes">,
  previousPercent: number,
): number {
  if (stats.dataTotalBytes === 0) return previousPercent;
  const sent = 100 - Math.floor((100 * stats.dataRemainingBytes) / stats.dataTotalBytes);
  return Math.max(previousPercent, Math.min(PROGRESS_RUNNING_MAX, Math.max(0, sent)));
}
