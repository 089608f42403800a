/**
 * The configuration as the monitor needs it: in internal units, without VDSM's key names. Read anew
 * at each use, so that SIGHUP takes effect without a restart; a migration keeps the limits it was
 * accepted with.
 */
import type { Config } from "./config.ts";
import { secondsToMs } from "../core/units.ts";

export interface Settings {
  readonly monitorIntervalMs: number;
  readonly maxBandwidthMiBps: number;
  readonly minBandwidthMiBps: number;
  readonly postcopyBandwidthMiBps: number;
  readonly postcopyAllowed: boolean;
  readonly progressTimeoutMs: number;
  readonly postcopyStallTimeoutMs: number;
  readonly maxDowntimeMs: number;
  readonly downtimeSteps: number;
  readonly downtimeDelaySecondsPerGiB: number;
  readonly maxOutgoing: number;
  readonly maxIncoming: number;
  readonly retryAfterMs: number;
  /** 0 means no limit. */
  readonly admissionTimeoutMs: number;
  readonly reservationLapsesMs: number;
  readonly hibernationFolder: string;
  /** The destination's libvirt URI, with `{host}` as placeholder. */
  readonly hypervisorKind: "libvirt" | "simulated";
  readonly destinationUri: string;
  readonly managementPort: number;
  readonly peerMode: "daemon" | "none";
  /** null if ssl.enabled is false. */
  readonly tlsFiles: Config["ssl"] | null;
}

export function settingsFrom(config: Config): Settings {
  const { vars } = config;
  return {
    monitorIntervalMs: secondsToMs(vars.migration_monitor_interval),
    maxBandwidthMiBps: vars.migration_max_bandwidth,
    minBandwidthMiBps: vars.min_migration_bandwidth,
    postcopyBandwidthMiBps: vars.migration_postcopy_bandwidth,
    postcopyAllowed: vars.migration_allow_postcopy,
    progressTimeoutMs: secondsToMs(vars.migration_progress_timeout),
    postcopyStallTimeoutMs: secondsToMs(vars.postcopy_stall_timeout),
    maxDowntimeMs: vars.migration_downtime,
    downtimeSteps: vars.migration_downtime_steps,
    downtimeDelaySecondsPerGiB: vars.migration_downtime_delay,
    maxOutgoing: vars.max_outgoing_migrations,
    maxIncoming: vars.max_incoming_migrations,
    retryAfterMs: secondsToMs(vars.migration_retry_timeout),
    admissionTimeoutMs: secondsToMs(vars.migration_admission_timeout),
    reservationLapsesMs: secondsToMs(vars.migration_listener_timeout),
    hibernationFolder: vars.hibernation_dir,
    hypervisorKind: config.hypervisor.kind,
    destinationUri: config.libvirt.destination_uri,
    managementPort: config.addresses.management_port,
    peerMode: config.peer.mode,
    tlsFiles: config.ssl.enabled ? config.ssl : null,
  };
}
