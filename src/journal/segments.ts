/**
 * The journal's files as they lie on disk, and what can be read of them. A segment is lines of JSON,
 * the first of which says whose it is. Reading never throws for what a file holds: a line that cannot
 * be read is counted and passed over, a segment of another format or host is named and not read. It
 * counts as any other when the oldest are removed: the folder has one bound, whoever wrote there. What
 * the records mean is not known here.
 */
import { readdirSync } from "node:fs";
import { lstat, open, readdir, unlink } from "node:fs/promises";
import * as path from "node:path";

/** Of the lines' shape. Another number is another daemon's journal. */
export const JOURNAL_FORMAT = 1;
/** A longer file is none of ours: it is read so far only. */
export const SEGMENT_READ_BYTES_MAX = 16 * 1_048_576;
/** No host has numbered more events; beyond, numbers are no longer exact. */
const SEQ_MAX = 2 ** 52;
const NAME_PATTERN = /^journal-([0-9]{8})\.jsonl$/;

/** The first line of a segment. */
export interface SegmentHeader {
  readonly format: typeof JOURNAL_FORMAT;
  /** Name of the host that wrote it. */
  readonly host: string;
  /** The kernel's boot id: monotonic times are comparable within one boot only. */
  readonly bootId: string;
  /** The run of numbers that events belong to. */
  readonly epoch: string;
  /** Number of the next event when the segment was begun. */
  readonly nextSeq: number;
  /** Wall time, ms since 1970. */
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
      /** Lines that are no records, without a last one that breaks off. */
      readonly unreadableLines: number;
      /** The last line breaks off: its writer was killed over it, and did nothing of it. */
      readonly cutOff: boolean;
    }
  | { readonly kind: "foreign"; readonly file: SegmentFile; readonly why: string };

export function segmentPath(folder: string, number: number): string {
  return path.join(folder, `journal-${String(number).padStart(8, "0")}.jsonl`);
}

/** Oldest first. Other files in the folder are not looked at. **Fails**: Error of the file system. */
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

/** The highest number in use, whatever has it; 0: none. **Fails**: Error of the file system. */
export function newestNumber(folder: string): number {
  return Math.max(
    0,
    ...readdirSync(folder).map((name) => Number(NAME_PATTERN.exec(name)?.[1] ?? 0)),
  );
}

/** Which lines are to be parsed at all: most of a journal is of no interest to one question. */
export type LineFilter = (line: string) => boolean;

/** `host`: whose journal is expected. **Fails**: never; a file that cannot be read is foreign. */
export async function readSegment(
  file: SegmentFile,
  host: string,
  wanted?: LineFilter,
): Promise<Segment> {
  try {
    return parseSegment(file, await readStart(file.path), host, wanted);
  } catch (error) {
    return { kind: "foreign", file, why: error instanceof Error ? error.message : String(error) };
  }
}

/** The same for a text that is at hand. Pure. */
export function parseSegment(
  file: SegmentFile,
  text: string,
  host: string,
  wanted: LineFilter = () => true,
): Segment {
  const [first = "", ...rest] = text.split("\n");
  const header = headerIn(first);
  if (header === null) return { kind: "foreign", file, why: "its first line is no header of ours" };
  if (header.host !== host) return { kind: "foreign", file, why: `written by host ${header.host}` };
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

/**
 * Removes the oldest until so many files and bytes are left, foreign ones as ours. **Fails**: Error of
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
  if (record === null || record["format"] !== JOURNAL_FORMAT) return null;
  const { host, bootId, epoch, nextSeq, wallMs } = record;
  if (typeof host !== "string" || typeof bootId !== "string" || typeof epoch !== "string") {
    return null;
  }
  if (!isCount(nextSeq) || nextSeq > SEQ_MAX || !isCount(wallMs)) return null;
  return { format: JOURNAL_FORMAT, host, bootId, epoch, nextSeq, wallMs };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

export function isRecord(value: unknown): value is JournalRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
