/**
 * libvirt for Node: the package's exports. See README.md. Every function is one libvirt call as a
 * promise; nothing here decides anything about migrations.
 */
import { type NativeThreads, native } from "./abi.ts";

export type { Int64 } from "./arguments.ts";
export {
  type ActiveDomain,
  type CloseReason,
  type Connection,
  type GuestKind,
  type OpenOptions,
  open,
} from "./connection.ts";
export * from "./constants-domain.ts";
export * from "./constants-error.ts";
export * from "./constants-event.ts";
export * from "./constants-host.ts";
export * from "./constants-job.ts";
export type { Domain, DomainInfo, DomainStateView, SaveOptions } from "./domain.ts";
export { LibvirtError } from "./errors.ts";
export type { DomainEventKind, DomainEvents, EventDomain } from "./events.ts";
export { JobSamples, type JobSample, type SampledStats } from "./job-samples.ts";
export type { JobStats, JobStatsFields } from "./job-stats.ts";
export { type MigrateParams, migrateParams, type SaveParams, saveParams } from "./typed-params.ts";

/** Version of the libvirt.so that is loaded, as major * 1000000 + minor * 1000 + micro. */
export function libraryVersion(): number {
  return native.libraryVersion();
}

/** The addon's threads in this process, for diagnostics: a blocked call occupies one. */
export function threads(): NativeThreads {
  return native.threads();
}
