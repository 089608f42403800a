/**
 * What the verbs may ask of the daemon: the one interface between `rpc/` (which checks, names and
 * carries) and `monitor/` (which knows VMs and migrations). Internal units: the wire's units are
 * turned into these by the verb schemas and back by the result builders, nowhere else.
 *
 * Every method rejects with `MonitorError` only.
 */
import type { Changes } from "../core/input.ts";
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

/** What VM.migrateChangeParams may change. */
export type ParamChanges = Changes;

/** An object as it goes on the wire: JSON values only, VDSM's names and units. */
export type WireObject = Readonly<Record<string, unknown>>;

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

/** `by`: who asks, in words for the log and the journal. */
export interface MigrationService {
  migrate(request: MigrateRequest, by: string): Promise<true>;
  changeParams(vmId: string, changes: ParamChanges, by: string): Promise<true>;
  cancel(vmId: string, by: string): Promise<true>;
  /** `source`: who asks, as it can be told from its connection. */
  migrationCreate(request: IncomingRequest, source: string): Promise<WireObject>;
  /** `onlyReservationOf`: frees this source's own reservation and touches nothing else. */
  destroy(vmId: string, options?: { readonly onlyReservationOf: string }): Promise<true>;
  /** What would stand in the way of this migration; nothing is done. */
  migrateCheck(request: MigrateRequest): Promise<readonly WireObject[]>;
  migrationStatus(vmId: string): Promise<WireObject>;
  explain(question: ExplainQuestion): Promise<WireObject>;
  /** Running, queued and lately ended migrations. */
  migrations(): Promise<readonly WireObject[]>;
  vmStats(vmId: string): Promise<WireObject>;
  allVmStats(): Promise<readonly WireObject[]>;
  vmList(): Promise<readonly WireObject[]>;
  hostStats(): Promise<WireObject>;
  capabilities(): Promise<WireObject>;
}

/** One notification to every client that listens: VDSM's name and envelope, integers only. */
export interface MonitorEvent {
  /** `|virt|<name>|<vmId>` */
  readonly method: string;
  /** `{ [vmId]: {…}, notify_time }` */
  readonly params: WireObject;
}

/** An event with its place among all events; no two have the same number in one epoch. */
export interface NumberedEvent extends MonitorEvent {
  readonly seq: number;
}

/** Who numbers events and who sends them: in between they are journaled. */
export interface EventSink {
  number(event: MonitorEvent): NumberedEvent;
  /** To every client that listens; never waits, never fails. */
  send(event: NumberedEvent): void;
}
