/**
 * What callers ask for once it has been read from the wire: checked, named as inside the daemon, in
 * milliseconds. How it is read is requests.ts's.
 */
import type { ConvergenceSchedule } from "../core/migration.ts";

export interface MigrateRequest {
  readonly vmId: string;
  readonly mode: "remote" | "file";
  /** remote: `host`, `host:port`, `[v6]:port` of the destination's daemon; file: the image's path. */
  readonly dst: string;
  /** file: path of the parameters file; ignored for remote. */
  readonly dstparams?: string;
  /** Address of the destination in the migration network; absent: the host of `dst`. */
  readonly dstqemu?: string;
  readonly consoleAddress?: string;
  readonly compressed: boolean;
  readonly autoConverge: boolean;
  readonly abortOnError: boolean;
  readonly encrypted: boolean;
  readonly tunneled: boolean;
  /** Number of parallel connections; absent: one, without libvirt's PARALLEL flag. */
  readonly parallel?: number;
  /** Present: the engine owns downtime from the start. */
  readonly downtimeMs?: number;
  readonly progressTimeoutMs?: number;
  /** 0 = no stall events. */
  readonly stallingLimitMs?: number;
  /** MiB/s; absent (the wire's 0 too): vars.migration_max_bandwidth. */
  readonly maxBandwidthMiBps?: number;
  /** The engine's plan; absent: the steps, or the given downtime. */
  readonly convergenceSchedule?: ConvergenceSchedule;
  /** Stands for max_outgoing_migrations in this migration's own admission. */
  readonly outgoingLimit?: number;
  /** Where its vCPUs run on the destination, one set for each; absent: as here. */
  readonly cpusets?: readonly string[];
  /** Where its NUMA nodes' memory is there, one set for each. */
  readonly numaNodesets?: readonly string[];
  /** Handed to the destination, where it stands for max_incoming_migrations. */
  readonly incomingLimit?: number;
  /** Keys that no verb knows, accepted and logged once. */
  readonly unknownKeys: readonly string[];
}

/** A request that asks for nothing special. */
export const PLAIN_OPTIONS = {
  compressed: false,
  autoConverge: false,
  abortOnError: false,
  encrypted: false,
  tunneled: false,
  unknownKeys: [],
} as const satisfies Partial<MigrateRequest>;

/** A source wants to send a VM here. */
export interface IncomingRequest {
  readonly vmId: string;
  readonly incomingLimit?: number;
  readonly xml?: string;
}

/** Which migration is to be explained; `migrationId` null: the VM's last one. */
export interface ExplainQuestion {
  readonly vmId: string;
  readonly migrationId: string | null;
}
