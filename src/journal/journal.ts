/**
 * What must outlive the process: an append-only journal in segments, one line of JSON a record. A
 * line is written before what it decides is done, so a daemon that is killed between the two finds
 * its decision again; `durable` waits until the disk has it. Segments are bounded, each new one
 * begins with what is still live (`carried`), and the oldest are removed.
 *
 * A disk that is full or broken stops no migration: it is said in the log and by `failing`, and a new
 * segment is tried again later. Writes are synchronous, so one that hangs holds the daemon up until it
 * goes on; only `durable` has a deadline. What the records mean is not known here.
 */
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  openSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { Log } from "../logger.ts";
import type { FolderLock } from "./folder-lock.ts";
import type { HostIdentity } from "./host-identity.ts";
import {
  JOURNAL_FORMAT,
  listSegments,
  newestNumber,
  pruneSegments,
  READABLE_SINCE,
  readSegment,
  segmentPath,
  type JournalRecord,
  type LineFilter,
  type Segment,
  type SegmentHeader,
} from "./segments.ts";

export interface JournalLimits {
  /** A segment that has grown by so much since its beginning is followed by the next. */
  readonly segmentBytes: number;
  /** All segments together. */
  readonly totalBytes: number;
  /**
   * Against a folder of countless tiny ones only: each start makes one, and a daemon that systemd
   * starts over and over must not push out what was known with nothing.
   */
  readonly files: number;
  /** The longest that `durable` waits for the disk. */
  readonly durableMs: number;
  /** After a failed write a new segment is tried this much later. */
  readonly retryMs: number;
}

export const defaultJournalLimits: JournalLimits = {
  segmentBytes: 4 * 1_048_576,
  totalBytes: 64 * 1_048_576,
  files: 4_096,
  durableMs: 2_000,
  retryMs: 5_000,
};

export interface JournalOptions {
  readonly folder: string;
  /** Asked for each time: not all of it is known before libvirt is. */
  readonly host: () => HostIdentity;
  readonly bootId: string;
  readonly limits: JournalLimits;
  /** Monotonic and wall time. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
}

export interface Source {
  /** Who numbers the events, and where it stands. */
  readonly epoch: string;
  readonly nextSeq: () => number;
  /**
   * What a new segment begins with: all that is live, whole; after a time in which nothing could be
   * written also what may have ended in it.
   */
  readonly carried: (afterFailure: boolean) => readonly JournalRecord[];
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #lock: FolderLock;
  readonly #log: Log;
  #source: Source | null = null;
  #fd: number | null = null;
  #number = 0;
  #grownBytes = 0;
  #failing: string | null = null;
  #retryAtMs = 0;
  #pruning: Promise<void> = Promise.resolve();
  #reading: Promise<unknown> = Promise.resolve();
  /** Ends with the last sync that was begun or waits. */
  #syncing: Promise<void> = Promise.resolve();
  /** One that has not begun: what is appended until then is its. */
  #waitingSync: Promise<void> | null = null;

  /** `lock` is the folder's: nothing is written while another daemon has it. */
  constructor(options: JournalOptions, lock: FolderLock, log: Log) {
    this.#options = options;
    this.#lock = lock;
    this.#log = log.child({ component: "journal" });
  }

  /** Why nothing is written at present; null: all is well. */
  get failing(): string | null {
    return this.#failing;
  }

  /**
   * Every segment, oldest first; one reader at a time, since each may take some MiB. **Fails**: never;
   * a folder that is not there is empty.
   */
  async read(wanted?: LineFilter): Promise<readonly Segment[]> {
    const segments: Segment[] = [];
    await this.readEach((segment) => segments.push(segment), wanted);
    return segments;
  }

  /** The same, one at a time: none is kept here. **Fails**: with what `visit` throws. */
  readEach(visit: (segment: Segment) => void, wanted?: LineFilter): Promise<void> {
    const { folder, host, bootId } = this.#options;
    const read = this.#reading.then(async () => {
      for (const file of await listSegments(folder).catch(() => [])) {
        visit(await readSegment(file, { host: host(), bootId }, wanted));
      }
    });
    this.#reading = read.catch(() => undefined);
    return read;
  }

  /** Begins a new segment with what is live; to be called once, before the first `append`. */
  async begin(source: Source): Promise<void> {
    this.#source = source;
    try {
      this.#nextSegment(source);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Writes one record; it is the kernel's when this returns. **Fails**: never, see `failing`. */
  append(record: JournalRecord): void {
    const source = this.#source;
    if (source === null) return;
    try {
      if (this.#isGone()) this.#lost();
      if (this.#fd === null) {
        if (this.#options.nowMs() < this.#retryAtMs) return;
        // What is live is written whole, this record's doing included.
        this.#nextSegment(source);
      } else if (this.#grownBytes > this.#options.limits.segmentBytes) {
        this.#nextSegment(source);
      }
      if (this.#fd !== null) this.#write(this.#fd, [record]);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Resolves when the disk has all that was appended, or does not answer in time (logged). */
  async durable(): Promise<void> {
    if (this.#fd === null) return;
    const { durableMs } = this.#options.limits;
    const synced = this.#synced();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#log.warn({ durableMs }, "the disk does not take the journal in time, going on");
        resolve();
      }, durableMs);
      void synced.then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** After the last record. */
  async close(): Promise<void> {
    await this.durable();
    await this.#pruning;
    this.#close();
    this.#source = null;
  }

  /**
   * One at a time, and one for all who ask while it goes on: each that hangs keeps a thread of Node's
   * pool, which has four and resolves names, too.
   */
  #synced(): Promise<void> {
    if (this.#waitingSync === null) {
      this.#waitingSync = this.#syncing.then(() => {
        this.#waitingSync = null;
        return this.#sync();
      });
      this.#syncing = this.#waitingSync;
    }
    return this.#waitingSync;
  }

  #sync(): Promise<void> {
    const fd = this.#fd;
    if (fd === null) return Promise.resolve();
    return new Promise((resolve) => {
      fdatasync(fd, (error) => {
        // Another one meanwhile: the segment was full and is closed, the next one holds what is live.
        if (error !== null && this.#fd === fd) this.#failed(error);
        resolve();
      });
    });
  }

  #nextSegment(source: Source): void {
    const { folder, limits } = this.#options;
    const old = this.#fd;
    // Each time: the folder may have come, gone or been filled since the last one.
    this.#lock.take();
    this.#number = Math.max(this.#number, newestNumber(folder)) + 1;
    this.#fd = this.#newFile(segmentPath(folder, this.#number), source);
    if (old !== null) closeSync(old);
    this.#grownBytes = 0;
    if (this.#failing !== null) this.#log.warn({}, "the journal is written again");
    this.#failing = null;
    this.#pruning = this.#pruning
      .then(() => pruneSegments(folder, { files: limits.files, bytes: limits.totalBytes }))
      .catch((err: unknown) => this.#log.warn({ err }, "old segments not removed"));
  }

  /** A segment with its header and what is live; one that does not take them is not left behind. */
  #newFile(file: string, source: Source): number {
    const { host, bootId } = this.#options;
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_APPEND;
    const fd = openSync(file, flags | constants.O_NOFOLLOW, 0o600);
    const header: SegmentHeader = {
      format: JOURNAL_FORMAT,
      readableSince: READABLE_SINCE,
      host: host(),
      bootId,
      epoch: source.epoch,
      nextSeq: source.nextSeq(),
      wallMs: this.#options.wallMs(),
    };
    try {
      this.#write(fd, [{ ...header }, ...source.carried(this.#failing !== null)]);
      return fd;
    } catch (error) {
      closeSync(fd);
      unlinkSync(file);
      throw error;
    }
  }

  #write(fd: number, records: readonly JournalRecord[]): void {
    const text = records.map((record) => `${JSON.stringify(record)}\n`).join("");
    const bytes = Buffer.from(text, "utf8");
    let written = 0;
    while (written < bytes.length) written += writeSync(fd, bytes, written);
    this.#grownBytes += bytes.length;
  }

  /** Somebody has removed or moved it, or its folder: the next daemon would not find it. */
  #isGone(): boolean {
    if (this.#fd === null) return false;
    const there = statSync(segmentPath(this.#options.folder, this.#number), {
      throwIfNoEntry: false,
    });
    const ours = fstatSync(this.#fd);
    return there?.ino !== ours.ino || there.dev !== ours.dev;
  }

  #lost(): void {
    this.#failing = "somebody has removed or moved its segment";
    this.#log.warn({ why: this.#failing }, "the journal is begun anew");
    this.#close();
  }

  #failed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    if (this.#failing !== why) {
      this.#log.error({ why }, "the journal cannot be written: a restart would not know of this");
    }
    this.#failing = why;
    this.#retryAtMs = this.#options.nowMs() + this.#options.limits.retryMs;
    // Its last line may be half a record: nothing more goes there.
    this.#close();
  }

  #close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}
