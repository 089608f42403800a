/**
 * The journal's files as they lie on disk, and what can be read of them. A segment is lines of JSON. The
 * first says who wrote it and in which format; it is written together with all that is live, so if it is
 * torn nothing was done after it, and the segments before hold everything. Reading never throws for what
 * a file holds: a line that cannot be read is counted and skipped, and a segment that is another host's,
 * of a newer format or without a readable first line is reported and skipped. Skipped segments count
 * when the oldest are removed: the folder has one size limit, whoever wrote there. What the records mean
 * is not known here; what each format changed is monitor/formats.ts's.
 */
import { readdirSync } from "node:fs";
import { lstat, open, readdir, unlink } from "node:fs/promises";
import * as path from "node:path";
import { hostInWords, isSameHost, type HostIdentity } from "./host-identity.ts";
import { messageOf } from "../errors.ts";
import { isRecord } from "../core/json.ts";

/** What this code writes. All formats from 1 to this one can be read. */
export const JOURNAL_FORMAT = 2;
/**
 * The oldest format whose readers can use what this code writes: they know every field that matters, and
 * ignore the others. A daemon that is downgraded goes by it.
 */
export const READABLE_SINCE = 2;
/** No segment of ours is longer; the rest of a longer file is not read. */
export const SEGMENT_READ_BYTES_MAX = 16 * 1_048_576;
/** No host numbers more events than this; beyond it integers are no longer exact. */
const SEQ_MAX = 2 ** 52;
const NAME_PATTERN = /^journal-([0-9]{8})\.jsonl$/;

/** The first line of a segment. Its shape is the same in all formats from 2 on. */
export interface SegmentHeader {
  readonly format: number;
  /** Readers of this format and later ones can use the records. */
  readonly readableSince: number;
  /** Who wrote it; format 1 knew the name alone. */
  readonly host: HostIdentity;
  /** The kernel's boot id: monotonic times can be compared within one boot only. */
  readonly bootId: string;
  /** The numbering that the events' numbers belong to. */
  readonly epoch: string;
  /** Number of the next event when the segment was started. */
  readonly nextSeq: number;
  /** When the segment was started: monotonic; null in format 1. */
  readonly atMs: number | null;
  /** The same by the wall clock, ms since 1970. */
  readonly wallMs: number;
}

export type JournalRecord = Readonly<Record<string, unknown>>;

export interface SegmentFile {
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
}

export type Segment =
  | {
      readonly kind: "read";
      readonly file: SegmentFile;
      readonly header: SegmentHeader;
      readonly records: readonly JournalRecord[];
      /** Lines that are not records, apart from a truncated last one. */
      readonly unreadableLines: number;
      /** The last line is truncated: its writer was killed while writing it and did none of it. */
      readonly cutOff: boolean;
    }
  | {
      readonly kind: "skipped";
      readonly file: SegmentFile;
      /**
       * - `otherHost`: none of this host's migrations is in it.
       * - `torn`: its writer was killed while writing the first line, and did nothing.
       * - `newer`, `unreadable`: what it says of this host's migrations is lost.
       */
      readonly reason: "otherHost" | "torn" | "newer" | "unreadable";
      /** In words. */
      readonly why: string;
    };

/** Whose journal is expected, and in which boot of that host. */
export interface JournalOwner {
  readonly host: HostIdentity;
  readonly bootId: string;
}

export function segmentPath(folder: string, number: number): string {
  return path.join(folder, `journal-${String(number).padStart(8, "0")}.jsonl`);
}

/** Oldest first. Other files in the folder are ignored. **Fails**: Error of the file system. */
export async function listSegments(folder: string): Promise<readonly SegmentFile[]> {
  const found: SegmentFile[] = [];
  for (const name of await readdir(folder)) {
    const number = NAME_PATTERN.exec(name)?.[1];
    if (number === undefined) continue;
    const file = path.join(folder, name);
    const info = await lstat(file).catch(() => null);
    if (info?.isFile() === true)
      found.push({ number: Number(number), path: file, bytes: info.size });
  }
  return found.toSorted((a, b) => a.number - b.number);
}

/** The highest number in use by any kind of file; 0: none. **Fails**: Error of the file system. */
export function newestNumber(folder: string): number {
  return Math.max(
    0,
    ...readdirSync(folder).map((name) => Number(NAME_PATTERN.exec(name)?.[1] ?? 0)),
  );
}

/** Which lines to parse at all: most of a journal is irrelevant to any one question. */
export type LineFilter = (line: string) => boolean;

/** **Fails**: never; a file that cannot be read is skipped. */
export async function readSegment(
  file: SegmentFile,
  owner: JournalOwner,
  wanted?: LineFilter,
): Promise<Segment> {
  try {
    return parseSegment(file, await readStart(file.path), owner, wanted);
  } catch (error) {
    const why = messageOf(error);
    return { kind: "skipped", file, reason: "unreadable", why };
  }
}

/** The same for a text already read. Pure. */
export function parseSegment(
  file: SegmentFile,
  text: string,
  owner: JournalOwner,
  wanted: LineFilter = () => true,
): Segment {
  const [first = "", ...rest] = text.split("\n");
  const header = headerIn(first);
  const objection = header === null ? noHeader(rest) : objectionTo(header, owner);
  if (header === null || objection !== null) {
    return { kind: "skipped", file, ...(objection ?? noHeader(rest)) };
  }
  const records: JournalRecord[] = [];
  let unreadableLines = 0;
  let cutOff = false;
  for (const [index, line] of rest.entries()) {
    if (line === "" || !wanted(line)) continue;
    const record = recordIn(line);
    if (record !== null) records.push(record);
    else if (index === rest.length - 1) cutOff = true;
    else unreadableLines += 1;
  }
  return { kind: "read", file, header, records, unreadableLines, cutOff };
}

type Objection = Pick<Extract<Segment, { kind: "skipped" }>, "reason" | "why">;

/** `rest`: the lines after the first; none: not even the first was written to its end. */
function noHeader(rest: readonly string[]): Objection {
  return rest.length === 0
    ? { reason: "torn", why: "its first line is truncated" }
    : { reason: "unreadable", why: "its first line is not a journal header" };
}

/** null: it can be read. */
function objectionTo(header: SegmentHeader, owner: JournalOwner): Objection | null {
  const { format, readableSince, host } = header;
  // Format 1 has only the host's name, and the host may have been renamed since.
  const sameBoot = format === 1 && header.bootId === owner.bootId;
  if (!isSameHost(host, owner.host) && !sameBoot) {
    return { reason: "otherHost", why: `written by another host: ${hostInWords(host)}` };
  }
  if (format > JOURNAL_FORMAT && readableSince > JOURNAL_FORMAT) {
    const why = `written in format ${format}; this daemon reads formats 1 to ${JOURNAL_FORMAT}`;
    return { reason: "newer", why };
  }
  return null;
}

/**
 * Removes the oldest until at most this many files and bytes are left, skipped ones like any other. **Fails**: Error of
 * the file system.
 */
export async function pruneSegments(
  folder: string,
  { files, bytes }: { readonly files: number; readonly bytes: number },
): Promise<void> {
  const segments = await listSegments(folder);
  let left = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  for (const [index, segment] of segments.entries()) {
    const isNewest = index === segments.length - 1;
    if (isNewest || (segments.length - index <= files && left <= bytes)) return;
    await unlink(segment.path);
    left -= segment.bytes;
  }
}

async function readStart(file: string): Promise<string> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(size, SEGMENT_READ_BYTES_MAX));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await handle.close();
  }
}

function recordIn(line: string): JournalRecord | null {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function headerIn(line: string): SegmentHeader | null {
  const record = recordIn(line);
  if (record === null) return null;
  const { format, bootId, epoch, nextSeq, wallMs } = record;
  if (!isCount(format) || format < 1) return null;
  const host = format === 1 ? onlyNamed(record["host"]) : identityIn(record["host"]);
  const readableSince = format === 1 ? 1 : record["readableSince"];
  const atMs = record["atMs"] ?? null;
  if (host === null || typeof bootId !== "string" || typeof epoch !== "string") return null;
  if (!isCount(readableSince) || !isCount(nextSeq) || nextSeq > SEQ_MAX || !isCount(wallMs)) {
    return null;
  }
  if (atMs !== null && !isTime(atMs)) return null;
  return { format, readableSince, host, bootId, epoch, nextSeq, atMs, wallMs };
}

function onlyNamed(name: unknown): HostIdentity | null {
  return typeof name === "string" ? { name, machineId: null, hostUuid: null } : null;
}

function identityIn(value: unknown): HostIdentity | null {
  if (!isRecord(value)) return null;
  const { name, machineId, hostUuid } = value;
  const known = isTextOrNull(machineId) && isTextOrNull(hostUuid);
  return typeof name === "string" && known ? { name, machineId, hostUuid } : null;
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Monotonic, ms. */
export function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
