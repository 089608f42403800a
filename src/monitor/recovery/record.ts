/**
 * What the monitor writes into the journal, in records of its own: a migration whole when it is
 * accepted, then what each step changed, decided and told; reservations; events of no migration. A
 * step is written before its effects begin, with its events in the same line, so that after a kill
 * at any point a decision and what the engine was told of it are both there, or neither.
 */
import { type Decision, decisionsOf } from "../../core/decision.ts";
import type { Effect } from "../../core/effect.ts";
import type { Input } from "../../core/input.ts";
import type { Migration } from "../../core/migration.ts";
import type { Reservations } from "../../core/reservations.ts";
import type { Clock } from "../../clock.ts";
import type { Journal } from "../../journal/journal.ts";
import type { JournalRecord, LineFilter, Segment } from "../../journal/segments.ts";
import type { JournaledTarget } from "./schema.ts";
import type { MigrateRequest, NumberedEvent } from "../service.ts";

/** Without the process's own half: what is in flight, and what the next sample shows anyway. */
const NOT_JOURNALED: ReadonlySet<string> = new Set<keyof Migration>(["pending", "sampled"]);
/** Changing in each sample: written along with something else. */
const VOLATILE: ReadonlySet<string> = new Set<keyof Migration>([
  "stats",
  "advance",
  "sourceMigrations",
  "destinationCount",
]);
/** Decisions that the disk is to have soon. */
const DECISIVE: ReadonlySet<string> = new Set([
  "accepted",
  "start",
  "stop",
  "cancel",
  "postcopy",
  "pausedCopy",
  "change",
  "outcome",
]);

/** What is fixed when a migration is accepted. */
export interface EntryFacts {
  readonly id: string;
  readonly acceptedAtWallMs: number;
  readonly request: MigrateRequest;
  readonly target: JournaledTarget;
}

export class MigrationJournal {
  readonly #journal: Journal;
  readonly #clock: Clock;
  #reservations: Reservations = new Map();
  #coming: readonly string[] = [];

  constructor(journal: Journal, clock: Clock) {
    this.#journal = journal;
    this.#clock = clock;
  }

  /** Why nothing is written; null: all is well. */
  get failing(): string | null {
    return this.#journal.failing;
  }

  entry(facts: EntryFacts, written: Migration): MigrationEntry {
    return new MigrationEntry(this, facts, written);
  }

  events(events: readonly NumberedEvent[]): void {
    this.append({ k: "events", wallMs: this.#clock.wallMs(), e: events });
  }

  slots(reservations: Reservations): void {
    this.#reservations = reservations;
    this.append(this.slotsRecord());
  }

  /** VMs on their way to this host, whose arrival is not told. */
  coming(vmIds: ReadonlySet<string>): void {
    this.#coming = [...vmIds];
    this.append(this.slotsRecord());
  }

  slotsRecord(): JournalRecord {
    return { k: "slots", slots: [...this.#reservations.values()], coming: this.#coming };
  }

  /** A migration whose records cannot be used, and that is not going on: later daemons forget it. */
  dropped(id: string): void {
    this.append({ k: "dropped", id });
  }

  /** The disk has it, or does not answer in time. */
  durable(): Promise<void> {
    return this.#journal.durable();
  }

  /** The lines that the journal holds and that are wanted. */
  read(wanted: LineFilter): Promise<readonly Segment[]> {
    return this.#journal.read(wanted);
  }

  append(record: JournalRecord): void {
    this.#journal.append(record);
  }

  times(): { readonly atMs: number; readonly wallMs: number } {
    return { atMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
  }
}

/** One migration's part of the journal. */
export class MigrationEntry {
  readonly #journal: MigrationJournal;
  #facts: EntryFacts;
  #written: Migration;

  constructor(journal: MigrationJournal, facts: EntryFacts, written: Migration) {
    this.#journal = journal;
    this.#facts = facts;
    this.#written = written;
  }

  get facts(): EntryFacts {
    return this.#facts;
  }

  /** The whole of it, as it begins or is carried into a new segment. */
  record(migration: Migration): JournalRecord {
    const { id, acceptedAtWallMs, request, target } = this.#facts;
    const state = changedKeys({}, migration);
    return { k: "migration", id, acceptedAtWallMs, request, target, state };
  }

  accepted(migration: Migration, by: string): void {
    const numbers = { ...limitsOf(migration), by };
    const why: Decision = { rule: "accepted", what: "in the queue", numbers };
    this.#written = migration;
    this.#journal.append({ ...this.record(migration), ...this.#journal.times(), x: [why] });
  }

  /** libvirt's call is to be another one: the whole of it again. */
  retargeted(target: JournaledTarget, migration: Migration): void {
    this.#facts = { ...this.#facts, target };
    this.#written = migration;
    this.#journal.append({ ...this.record(migration), ...this.#journal.times() });
  }

  /** One step, before its effects. */
  stepped(
    before: Migration,
    after: Migration,
    input: Input,
    effects: readonly Effect[],
    events: readonly NumberedEvent[],
  ): void {
    const { atMs } = this.#journal.times();
    this.decided(after, decisionsOf(before, after, input, effects, atMs), events);
  }

  /** A change and what it was decided by; nothing is written if it was only looked. */
  decided(
    after: Migration,
    decisions: readonly Decision[],
    events: readonly NumberedEvent[] = [],
  ): void {
    const changed = changedKeys(this.#written, after);
    const isNews = Object.keys(changed).some((key) => !VOLATILE.has(key));
    if (!isNews && decisions.length === 0 && events.length === 0) return;
    // An answer of libvirt is written only beside a decision: it is by far the longest part.
    if (decisions.length === 0) delete changed["stats"];
    this.#written = decisions.length === 0 ? { ...after, stats: this.#written.stats } : after;
    this.#append({
      d: changed,
      ...(decisions.length === 0 ? {} : { x: decisions }),
      ...(events.length === 0 ? {} : { e: events }),
    });
    if (decisions.some(({ rule }) => DECISIVE.has(rule))) void this.#journal.durable();
  }

  #append(fields: JournalRecord): void {
    this.#journal.append({ k: "step", id: this.#facts.id, ...this.#journal.times(), ...fields });
  }
}

function limitsOf({ limits, downtime, destination }: Migration): Decision["numbers"] {
  return {
    ...limits,
    destination,
    downtimeOwner: downtime?.owner ?? null,
    firstDowntimeMs: downtime?.wantedMs ?? null,
  };
}

/** By what it says: a part that was only looked at may be another object with the same fields. */
function changedKeys(before: Partial<Migration>, after: Migration): Record<string, unknown> {
  const was = new Map<string, unknown>(Object.entries(before));
  return Object.fromEntries(
    Object.entries(after).filter(
      ([key, value]) => !NOT_JOURNALED.has(key) && !deepEqual(was.get(key), value),
    ),
  );
}

function deepEqual(before: unknown, after: unknown): boolean {
  return before === after || JSON.stringify(before) === JSON.stringify(after);
}
