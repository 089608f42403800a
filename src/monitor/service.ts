/**
 * What the verbs may ask of the daemon: the one interface between `rpc/` (which checks, names and
 * carries) and `monitor/` (which knows VMs and migrations). Requests come in internal units: wire/
 * converts the wire's units into them, and back in results and events.
 *
 * Every method rejects with `MonitorError` only.
 */
import type { Changes } from "../core/input.ts";
import type { ExplainQuestion, IncomingRequest, MigrateRequest } from "../wire/request.ts";

export {
  PLAIN_OPTIONS,
  type ExplainQuestion,
  type IncomingRequest,
  type MigrateRequest,
} from "../wire/request.ts";

/** What VM.migrateChangeParams may change. */
export type ParamChanges = Changes;

/** An object as it goes on the wire: JSON values only, VDSM's names and units. */
export type WireObject = Readonly<Record<string, unknown>>;

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
