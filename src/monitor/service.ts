/**
 * What the verbs may ask of the daemon: the one interface between `rpc/` (which checks, names and
 * carries) and `monitor/` (which knows VMs and migrations). Requests come in internal units: wire/
 * converts the wire's units into them, and back in results and events.
 *
 * Every method rejects with `MonitorError` only.
 */
import type { Changes } from "../core/input.ts";
import type { Check } from "../core/migrate-check.ts";
import type { EventMessage } from "../wire/event-message.ts";
import type { MigrationEntry, MigrationStatus } from "../wire/migration-answer.ts";
import type { ExplainQuestion, IncomingRequest, MigrateRequest } from "../wire/request.ts";
import type { Capabilities, Explanation, HostStats, MigrationCreated } from "../wire/results.ts";
import type { VmListEntry, VmStats } from "../wire/vm-answer.ts";

export {
  PLAIN_OPTIONS,
  type ExplainQuestion,
  type IncomingRequest,
  type MigrateRequest,
} from "../wire/request.ts";

/** What VM.migrateChangeParams may change. */
export type ParamChanges = Changes;

/** `by`: who asks, as text for the log and the journal. */
export interface MigrationService {
  migrate(request: MigrateRequest, by: string): Promise<true>;
  changeParams(vmId: string, changes: ParamChanges, by: string): Promise<true>;
  cancel(vmId: string, by: string): Promise<true>;
  /** `source`: who asks, by its connection. */
  migrationCreate(request: IncomingRequest, source: string): Promise<MigrationCreated>;
  /** `onlyReservationOf`: frees this source's own reservation and touches nothing else. */
  destroy(vmId: string, options?: { readonly onlyReservationOf: string }): Promise<true>;
  /** What would prevent this migration; changes nothing. */
  migrateCheck(request: MigrateRequest): Promise<readonly Check[]>;
  migrationStatus(vmId: string): Promise<MigrationStatus>;
  explain(question: ExplainQuestion): Promise<Explanation>;
  /** Running, queued and recently ended ones; without `vmId`: of every VM. */
  migrations(vmId?: string): Promise<readonly MigrationEntry[]>;
  vmStats(vmId: string): Promise<VmStats>;
  allVmStats(): Promise<readonly VmStats[]>;
  vmList(): Promise<readonly VmListEntry[]>;
  hostStats(): Promise<HostStats>;
  capabilities(): Promise<Capabilities>;
}

/** An event with its number, unique within one epoch. */
export interface NumberedEvent extends EventMessage {
  readonly seq: number;
}

/** Numbers events and sends them; in between they are journaled. */
export interface EventSink {
  number(event: EventMessage): NumberedEvent;
  /** To every listening client; never waits, never fails. */
  send(event: NumberedEvent): void;
}
