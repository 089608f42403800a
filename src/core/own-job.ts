/**
 * Which of libvirt's jobs on a VM is a migration's own. libvirt allows one job at a time, and an abort
 * ends whichever there is: a backup or dump that somebody started meanwhile must not be mistaken for
 * the migration.
 */
import { type JobOperation, type JobStats, isOutgoing } from "./job-stats.ts";

type Job = Pick<JobStats, "type" | "operation">;

/** The operation of a job that is not this migration's; null: it is, or there is no job. */
export function othersJob({ type, operation }: Job, mode: "remote" | "file"): JobOperation | null {
  const own: JobOperation = mode === "file" ? "save" : "migrationOut";
  return type === "none" || operation === own ? null : operation;
}

/** Some migration or save, which may be the one that is looked for. */
export function takesGuestAway(stats: JobStats): boolean {
  return isOutgoing(stats) || (stats.operation === "save" && stats.type !== "none");
}
