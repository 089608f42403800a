/**
 * From the lines of a journal to what was known when they ended: each migration with its last state,
 * the events and their numbers, the reservations. Pure, and it believes nothing that was not checked:
 * what cannot be read is left out and named. What becomes of it is recovery.ts's.
 */
import * as v from "valibot";
import type { Decision } from "../core/decision.ts";
import type { Migration } from "../core/migration.ts";
import type { Reservation } from "../core/reservations.ts";
import { isRecord, type JournalRecord, type Segment } from "../journal/segments.ts";
import {
  decisionsSchema,
  eventsSchema,
  migrationSchema,
  requestSchema,
  comingSchema,
  reservationsSchema,
  targetSchema,
  wallMsSchema,
  type JournaledTarget,
} from "./journal-schema.ts";
import type { MigrateRequest, NumberedEvent } from "./service.ts";

export interface ReplayedMigration {
  readonly id: string;
  readonly request: MigrateRequest;
  readonly target: JournaledTarget;
  readonly migration: Migration;
  readonly acceptedAtWallMs: number;
  /** Of its last record, for people. */
  readonly lastWallMs: number;
  /** Of its last record, monotonic in that record's boot; null: it has none. */
  readonly lastAtMs: number | null;
  /** How long the host was up since, as far as the journal has seen: no time when it was off. */
  readonly uptimeSinceMs: number;
  /** Its last record is of this boot: its monotonic times are comparable with now. */
  readonly sameBoot: boolean;
}

export interface Replay {
  /** In the order of their acceptance. */
  readonly migrations: readonly ReplayedMigration[];
  /** Of this boot, oldest first, the last ones in a row. */
  readonly events: readonly NumberedEvent[];
  /** The run of numbers to go on with; null: none that can be gone on with. */
  readonly epoch: string | null;
  readonly nextSeq: number;
  /** Of this boot. */
  readonly reservations: readonly Reservation[];
  /** Of this boot: VMs on their way to this host, whose arrival was not told. */
  readonly coming: readonly string[];
  /** What could not be used, in words. */
  readonly troubles: readonly string[];
}

interface Trace {
  head: JournalRecord;
  state: Record<string, unknown>;
  wallMs: number;
  atMs: number | null;
  bootId: string;
}

/** The times of one boot that the journal has seen. */
interface Uptime {
  readonly firstMs: number;
  readonly lastMs: number;
}

/** All of a journal that is at hand. */
export function replay(segments: readonly Segment[], bootId: string): Replay {
  const replayer = new Replayer(bootId);
  for (const segment of segments) replayer.add(segment);
  return replayer.result();
}

/** Segment by segment, the oldest first: of one that was added only what is still of use is kept. */
export class Replayer {
  readonly #bootId: string;
  readonly #traces = new Map<string, Trace>();
  /** By boot, in their order. */
  readonly #uptimes = new Map<string, Uptime>();
  readonly #troubles: string[] = [];
  #events: NumberedEvent[] = [];
  #epoch: string | null = null;
  #nextSeq = 1;
  #reservations: readonly Reservation[] = [];
  #coming: readonly string[] = [];

  constructor(bootId: string) {
    this.#bootId = bootId;
  }

  add(segment: Segment): void {
    if (segment.kind === "foreign") {
      this.#troubles.push(`${segment.file.path}: ${segment.why}`);
      return;
    }
    const { header, file, records, unreadableLines } = segment;
    const ours = header.bootId === this.#bootId;
    if (unreadableLines > 0) {
      this.#troubles.push(`${file.path}: ${unreadableLines} unreadable lines`);
    }
    if (ours && header.epoch !== this.#epoch) this.#events = [];
    // Numbers that were on a lost line must not be given again: a new run of numbers begins.
    if (ours) this.#epoch = unreadableLines > 0 ? null : header.epoch;
    if (ours) this.#nextSeq = Math.max(this.#nextSeq, header.nextSeq);
    for (const record of records) {
      this.#upAt(header.bootId, record["atMs"]);
      trace(this.#traces, record, header.bootId);
      if (ours) this.#ofThisBoot(record);
    }
  }

  #upAt(bootId: string, atMs: unknown): void {
    if (!isTime(atMs)) return;
    const { firstMs, lastMs } = this.#uptimes.get(bootId) ?? { firstMs: atMs, lastMs: atMs };
    this.#uptimes.set(bootId, {
      firstMs: Math.min(firstMs, atMs),
      lastMs: Math.max(lastMs, atMs),
    });
  }

  #uptimeSince({ bootId, atMs }: Trace): number {
    const boots = [...this.#uptimes];
    const later = boots.slice(boots.findIndex(([id]) => id === bootId) + 1);
    const lastMs = this.#uptimes.get(bootId)?.lastMs ?? 0;
    const rest = lastMs - (atMs ?? lastMs);
    return later.reduce((sum, [, uptime]) => sum + uptime.lastMs - uptime.firstMs, rest);
  }

  #ofThisBoot(record: JournalRecord): void {
    const told = eventsIn(record);
    if (told === null) this.#epoch = null;
    for (const event of told ?? []) {
      if (this.#events.at(-1)?.seq !== event.seq - 1) this.#events = [];
      this.#events.push(event);
      this.#nextSeq = Math.max(this.#nextSeq, event.seq + 1);
    }
    if (record["k"] === "slots") {
      this.#reservations = parsed(reservationsSchema, record["slots"]) ?? [];
      this.#coming = parsed(comingSchema, record["coming"]) ?? [];
    }
  }

  /** After the last. */
  result(): Replay {
    // Told while the disk took nothing: those before a gap are no longer all that there were.
    const events = this.#events.at(-1)?.seq === this.#nextSeq - 1 ? this.#events : [];
    const troubles = [...this.#troubles];
    const migrations = [...this.#traces].flatMap(([id, found]) => {
      const migration = migrationOf(id, found, this.#bootId, this.#uptimeSince(found));
      if (migration === null) troubles.push(`migration ${id}: its records cannot be used`);
      return migration === null ? [] : [migration];
    });
    return {
      migrations,
      events,
      epoch: this.#epoch,
      nextSeq: this.#nextSeq,
      reservations: this.#reservations,
      coming: this.#coming,
      troubles,
    };
  }
}

function trace(traces: Map<string, Trace>, record: JournalRecord, bootId: string): void {
  const { k, id, acceptedAtWallMs, state, d, wallMs, atMs } = record;
  if (typeof id !== "string") return;
  const known = traces.get(id);
  if (k === "migration" && isRecord(state)) {
    const sinceMs = parsed(wallMsSchema, acceptedAtWallMs) ?? 0;
    const lastMs = known?.wallMs ?? sinceMs;
    const headAtMs = isTime(atMs) ? atMs : null;
    const lastAtMs = headAtMs ?? (known?.bootId === bootId ? known.atMs : null);
    traces.set(id, { head: record, state: { ...state }, wallMs: lastMs, atMs: lastAtMs, bootId });
  }
  if (k !== "step" || known === undefined) return;
  if (isRecord(d)) known.state = { ...known.state, ...d };
  known.wallMs = parsed(wallMsSchema, wallMs) ?? known.wallMs;
  if (isTime(atMs)) known.atMs = atMs;
  known.bootId = bootId;
}

function isTime(atMs: unknown): atMs is number {
  return typeof atMs === "number" && Number.isFinite(atMs);
}

function migrationOf(
  id: string,
  found: Trace,
  bootId: string,
  uptimeSinceMs: number,
): ReplayedMigration | null {
  const { head, state, wallMs: lastWallMs, atMs: lastAtMs } = found;
  const migration = parsed(migrationSchema, { ...state, pending: [], sampled: false });
  const request = parsed(requestSchema, head["request"]);
  const target = parsed(targetSchema, head["target"]);
  const acceptedAtWallMs = parsed(wallMsSchema, head["acceptedAtWallMs"]);
  if (migration === null || request === null || target === null || acceptedAtWallMs === null) {
    return null;
  }
  if (migration.vmId !== request.vmId) return null;
  const sameBoot = found.bootId === bootId;
  return {
    id,
    request,
    target,
    migration,
    acceptedAtWallMs,
    lastWallMs,
    lastAtMs,
    uptimeSinceMs,
    sameBoot,
  };
}

/** null: there are some that cannot be used. */
function eventsIn(record: JournalRecord): readonly NumberedEvent[] | null {
  return record["e"] === undefined ? [] : parsed(eventsSchema, record["e"]);
}

/** One line of an explanation. */
export interface ExplainedDecision extends Decision {
  /** Wall time, ms since 1970. */
  readonly wallMs: number;
  /** Monotonic, comparable within one boot. */
  readonly atMs: number;
  readonly bootId: string;
}

/** Every decision of one migration that the segments still hold, oldest first. */
export function decisionsIn(
  segments: readonly Segment[],
  id: string,
): readonly ExplainedDecision[] {
  return segments.flatMap((segment) => {
    if (segment.kind === "foreign") return [];
    const { bootId } = segment.header;
    return segment.records
      .filter((record) => record["id"] === id)
      .flatMap(({ x, wallMs, atMs }) => {
        const decisions = x === undefined ? null : parsed(decisionsSchema, x);
        const time = parsed(wallMsSchema, wallMs);
        if (decisions === null || time === null || typeof atMs !== "number") return [];
        return decisions.map((decision) => ({ ...decision, wallMs: time, atMs, bootId }));
      });
  });
}

function parsed<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T | null {
  const result = v.safeParse(schema, value);
  return result.success ? result.output : null;
}
