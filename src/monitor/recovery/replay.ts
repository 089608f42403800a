/**
 * Reads a journal, whatever format it is in, into what its daemon last knew: each migration with its last
 * state, the events and their numbers, the reservations. Pure, and nothing is trusted unchecked: what
 * cannot be used is left out and reported, with what is wrong with it. What becomes of the rest is
 * restore.ts's.
 */
import * as v from "valibot";
import type { Decision } from "../../core/turn.ts";
import type { Migration } from "../../core/migration.ts";
import { contradictionIn } from "../../core/restore.ts";
import type { Reservation } from "../../core/reservations.ts";
import { type JournalRecord, type Segment, type SegmentHeader } from "../../journal/segments.ts";
import {
  comingSchema,
  decisionsSchema,
  eventsSchema,
  recordedSchema,
  reservationsSchema,
  uuid,
  wallMsSchema,
  type JournaledTarget,
} from "./schema.ts";
import { merged, upgraded, upgradedDecision, type RawMigration } from "./formats.ts";
import { inWords } from "./problem.ts";
import type { MigrateRequest, NumberedEvent } from "../service.ts";
import { isRecord } from "../../core/json.ts";

export interface ReplayedMigration {
  readonly id: string;
  readonly request: MigrateRequest;
  readonly target: JournaledTarget;
  readonly migration: Migration;
  readonly acceptedAtWallMs: number;
  /** Wall-clock time of its last record, for people. */
  readonly lastWallMs: number;
  /** Monotonic time of its last record, in that record's boot; null: it has none. */
  readonly lastAtMs: number | null;
  /** How long the host has been up since, according to the journal. */
  readonly uptimeSinceMs: number;
  /** Its last record is from this boot: its monotonic times are comparable with now. */
  readonly sameBoot: boolean;
}

/** A migration whose records cannot be used. */
export interface UnusableMigration {
  readonly id: string;
  /** null: not even this can be read. */
  readonly vmId: string | null;
  /** It had not ended and is of this boot, so it may still be running. */
  readonly live: boolean;
  /** What is wrong, with the field: `limits.progressTimeoutMs is missing`. */
  readonly why: string;
}

export interface Replay {
  /** In the order of their acceptance. */
  readonly migrations: readonly ReplayedMigration[];
  /** From this boot, oldest first, those after the last gap. */
  readonly events: readonly NumberedEvent[];
  /** The sequence of event numbers to continue; null: a new one begins. */
  readonly epoch: string | null;
  readonly nextSeq: number;
  /** Of this boot. */
  readonly reservations: readonly Reservation[];
  /** From this boot: VMs arriving on this host, whose arrival was not reported. */
  readonly coming: readonly string[];
  readonly unusable: readonly UnusableMigration[];
  /** What else could not be used, in words. */
  readonly troubles: readonly string[];
}

interface Trace {
  head: JournalRecord;
  raw: RawMigration;
  /** Of `raw`. */
  format: number;
  /** A later segment that cannot be read and may hold records of it; null: there is none. */
  overtakenBy: string | null;
  wallMs: number;
  atMs: number | null;
  bootId: string;
}

/** The times of one boot in the journal. */
interface Uptime {
  readonly firstMs: number;
  readonly lastMs: number;
}

/** Replays a whole journal. `nowMs`: monotonic, in the boot of that id; null: ages are not needed. */
export function replay(
  segments: readonly Segment[],
  bootId: string,
  nowMs: number | null = null,
): Replay {
  const replayer = new Replayer(bootId);
  for (const segment of segments) replayer.add(segment);
  return replayer.result(nowMs);
}

/** Segment by segment, oldest first; of each only what is still needed is kept. */
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
    if (segment.kind === "skipped") {
      this.#skip(segment);
      return;
    }
    const { header, file, records, unreadableLines } = segment;
    const ours = header.bootId === this.#bootId;
    if (unreadableLines > 0) {
      this.#troubles.push(`${file.path}: ${unreadableLines} unreadable lines`);
    }
    if (ours && header.epoch !== this.#epoch) this.#events = [];
    // Numbers on a lost line must not be reused: a new sequence begins.
    if (ours) this.#epoch = unreadableLines > 0 ? null : header.epoch;
    if (ours) this.#nextSeq = Math.max(this.#nextSeq, header.nextSeq);
    this.#upAt(header.bootId, header.atMs);
    for (const record of records) {
      this.#upAt(header.bootId, record["atMs"]);
      trace(this.#traces, record, header);
      if (ours) this.#ofThisBoot(record);
    }
  }

  /**
   * What it said about this host's migrations is lost: one that was queued may have been cancelled since,
   * and one that was running may have ended. So nothing is begun or steered by what was known before.
   */
  #skip({ file, reason, why }: Extract<Segment, { kind: "skipped" }>): void {
    if (reason === "torn") return;
    this.#troubles.push(`${file.path}: ${why}`);
    if (reason === "otherHost") return;
    // Event numbers that it used must not be used again.
    this.#epoch = null;
    for (const found of this.#traces.values()) found.overtakenBy = file.path;
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

  /** After the last segment. */
  result(nowMs: number | null = null): Replay {
    this.#upAt(this.#bootId, nowMs);
    // Sent while nothing could be written: the events before a gap are not complete.
    const events = this.#events.at(-1)?.seq === this.#nextSeq - 1 ? this.#events : [];
    const found = [...this.#traces].map(([id, each]) =>
      migrationOf(id, each, this.#bootId, this.#uptimeSince(each)),
    );
    return {
      migrations: found.filter((each) => "migration" in each),
      unusable: found.filter((each) => "why" in each),
      events,
      epoch: this.#epoch,
      nextSeq: this.#nextSeq,
      reservations: this.#reservations,
      coming: this.#coming,
      troubles: this.#troubles,
    };
  }
}

function trace(traces: Map<string, Trace>, record: JournalRecord, header: SegmentHeader): void {
  const { k, id, acceptedAtWallMs, request, target, state, d, wallMs, atMs } = record;
  const { bootId, format } = header;
  if (typeof id !== "string") return;
  if (k === "dropped") traces.delete(id);
  const known = traces.get(id);
  if (k === "migration") {
    const sinceMs = parsed(wallMsSchema, acceptedAtWallMs) ?? 0;
    const headAtMs = isTime(atMs) ? atMs : null;
    traces.set(id, {
      head: record,
      // What is not even an object has none of the fields, and each is missed by name.
      raw: { request, target, state: isRecord(state) ? state : {} },
      format,
      overtakenBy: null,
      wallMs: known?.wallMs ?? sinceMs,
      atMs: headAtMs ?? (known?.bootId === bootId ? known.atMs : null),
      bootId,
    });
  }
  if (k !== "step" || known === undefined) return;
  if (isRecord(d)) {
    // A daemon adds to a migration that had ended before its start, in its own format.
    if (known.format !== format) known.raw = upgraded(known.raw, known.format);
    known.format = format;
    known.raw = { ...known.raw, state: merged(known.raw.state, d, format) };
  }
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
): ReplayedMigration | UnusableMigration {
  const { head, wallMs: lastWallMs, atMs: lastAtMs, overtakenBy } = found;
  const raw = upgraded(found.raw, found.format);
  const checked = v.safeParse(recordedSchema, {
    acceptedAtWallMs: head["acceptedAtWallMs"],
    ...raw,
  });
  const vmId = vmIdIn(raw);
  const sameBoot = found.bootId === bootId;
  const live = sameBoot && raw.state["phase"] !== "ended";
  if (!checked.success) return { id, vmId, live, why: inWords(checked.issues) };
  if (raw.state["phase"] !== "ended" && overtakenBy !== null) {
    return { id, vmId, live, why: `what became of it was in ${overtakenBy}, which cannot be read` };
  }
  const { request, target, state: migration, acceptedAtWallMs } = checked.output;
  const why =
    migration.facts.vmId === request.vmId
      ? contradictionIn(migration)
      : `vmId: expected ${request.vmId}, as in the request, got ${vmId}`;
  if (why !== null) return { id, vmId, live, why };
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

/** Whichever of the two places has it: without it nobody can look after the VM. */
function vmIdIn({ request, state }: RawMigration): string | null {
  return idIn(state["facts"]) ?? idIn(request);
}

function idIn(part: unknown): string | null {
  return isRecord(part) ? parsed(uuid, part["vmId"]) : null;
}

/** null: some of them cannot be used. */
function eventsIn(record: JournalRecord): readonly NumberedEvent[] | null {
  return record["e"] === undefined ? [] : parsed(eventsSchema, record["e"]);
}

/** One entry of an explanation. */
export interface ExplainedDecision extends Decision {
  /** Wall time, ms since 1970. */
  readonly wallMs: number;
  /** Monotonic, comparable within one boot. */
  readonly atMs: number;
  readonly bootId: string;
}

/** Every decision of one migration in the segments, oldest first. */
export function decisionsIn(
  segments: readonly Segment[],
  id: string,
): readonly ExplainedDecision[] {
  return segments.flatMap((segment) => {
    if (segment.kind === "skipped") return [];
    const { bootId, format } = segment.header;
    return segment.records
      .filter((record) => record["id"] === id)
      .flatMap(({ x, wallMs, atMs }) => {
        const raw = Array.isArray(x) ? x.map((each) => upgradedDecision(each, format)) : null;
        const decisions = raw === null ? null : parsed(decisionsSchema, raw);
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
