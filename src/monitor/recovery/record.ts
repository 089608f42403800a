/**
 * The monitor's journal records: a migration complete when it is accepted, then what each step changed,
 * decided and reported; reservations; events that belong to no migration. A step is written before its
 * effects start, with its events in the same line, so that after a crash at any point a decision and
 * the event about it are both there, or neither.
 */
import type { Migration } from "../../core/migration.ts";
import type { Reservations } from "../../core/reservations.ts";
import type { Decision } from "../../core/turn.ts";
import type { Clock } from "../../clock.ts";
import type { Journal } from "../../journal/journal.ts";
import type { JournalRecord, LineFilter, Segment } from "../../journal/segments.ts";
import { isNews, stateChanges, wholeState } from "./state.ts";
import type { JournaledTarget } from "./schema.ts";
import type { MigrateRequest, NumberedEvent } from "../service.ts";

/** Decisions that are synced to disk. */
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

/** What never changes after acceptance. */
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

  /** Why nothing can be written; null: it can. */
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

  /** VMs arriving on this host, whose arrival is not reported yet. */
  coming(vmIds: ReadonlySet<string>): void {
    this.#coming = [...vmIds];
    this.append(this.slotsRecord());
  }

  slotsRecord(): JournalRecord {
    return { k: "slots", slots: [...this.#reservations.values()], coming: this.#coming };
  }

  /** A migration whose records cannot be used and that is no longer running: later daemons ignore it. */
  dropped(id: string): void {
    this.append({ k: "dropped", id });
  }

  /** Resolves once it is on disk, or the disk does not answer in time. */
  durable(): Promise<void> {
    return this.#journal.durable();
  }

  /** The lines that the filter selects. */
  read(wanted: LineFilter): Promise<readonly Segment[]> {
    return this.#journal.read(wanted);
  }

  append(record: JournalRecord): void {
    this.#journal.append(record);
  }

  /** What `work` appends is written at once, when it returns. */
  together<T>(work: () => T): T {
    return this.#journal.together(work);
  }

  times(): { readonly atMs: number; readonly wallMs: number } {
    return { atMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
  }
}

/** One migration's records. */
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

  /** A complete record, at acceptance and in a new segment. */
  record(migration: Migration): JournalRecord {
    const { id, acceptedAtWallMs, request, target } = this.#facts;
    const state = wholeState(migration);
    return { k: "migration", id, acceptedAtWallMs, request, target, state };
  }

  /** `first`: what was decided on the input that it began with. */
  accepted(migration: Migration, by: string, first: readonly Decision[] = []): void {
    const numbers = { ...limitsOf(migration), by };
    const why: Decision = { rule: "accepted", what: "in the queue", numbers };
    this.#written = migration;
    this.#journal.append({
      ...this.record(migration),
      ...this.#journal.times(),
      x: [why, ...first],
    });
  }

  /** libvirt's call has changed: a complete record again. */
  retargeted(target: JournaledTarget, migration: Migration): void {
    this.#facts = { ...this.#facts, target };
    this.#written = migration;
    this.#journal.append({ ...this.record(migration), ...this.#journal.times() });
  }

  /** A change and its decisions; nothing is written if nothing has changed. */
  decided(
    after: Migration,
    decisions: readonly Decision[],
    events: readonly NumberedEvent[] = [],
  ): void {
    const hasDecisions = decisions.length > 0;
    const written = hasDecisions ? after : withoutLooks(after, this.#written);
    const changes = stateChanges(this.#written, written);
    if (!isNews(changes) && !hasDecisions && events.length === 0) return;
    this.#written = written;
    this.#append({
      d: changes,
      ...(hasDecisions ? { x: decisions } : {}),
      ...(events.length === 0 ? {} : { e: events }),
    });
    if (decisions.some(({ rule }) => DECISIVE.has(rule))) void this.#journal.durable();
  }

  #append(fields: JournalRecord): void {
    this.#journal.append({ k: "step", id: this.#facts.id, ...this.#journal.times(), ...fields });
  }
}

/**
 * Without what each look changes, which is written only beside a decision: an answer of libvirt is by far
 * the longest part; and until when the job of an unwatched call was seen, the next daemon counts anew.
 */
function withoutLooks(migration: Migration, { call: was, sample: before }: Migration): Migration {
  const { call, sample } = migration;
  const { returned } = call;
  const sinceMs = was.returned?.sinceMs ?? returned?.sinceMs;
  return {
    ...migration,
    sample: { ...sample, stats: before.stats },
    call: {
      ...call,
      returned: returned === null || sinceMs === undefined ? returned : { ...returned, sinceMs },
    },
  };
}

function limitsOf({ facts, limits, downtime }: Migration): Decision["numbers"] {
  return {
    ...limits,
    destination: facts.destination,
    downtimeOwner: downtime?.owner ?? null,
    firstDowntimeMs: downtime?.wantedMs ?? null,
  };
}
