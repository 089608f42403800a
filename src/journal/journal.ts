/**
 * What must outlive the process: an append-only journal in segments, one JSON line per record. A line is
 * written before its decision is carried out, so a daemon that is killed in between finds the decision
 * again; `durable` waits until the line is on disk. Segments are bounded, each new one starts with
 * everything that is still live (`carried`), and the oldest are removed.
 *
 * A full or broken disk stops no migration: the log and `failing` report it, and a new segment is tried
 * again later. Writes are synchronous, so a write that hangs blocks the daemon until it returns; only
 * `durable` has a deadline. What the records mean is not known here.
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
import { messageOf } from "../errors.ts";

export interface JournalLimits {
  /** Once a segment has grown by this much beyond what it started with, the next one is started. */
  readonly segmentBytes: number;
  /** Of all segments together. */
  readonly totalBytes: number;
  /**
   * Only against countless tiny segments: each start of the daemon creates one, and a daemon that systemd
   * starts again and again must not push out real records with empty segments.
   */
  readonly files: number;
  /** How long `durable` waits for the disk at most. */
  readonly durableMs: number;
  /** How long after a failed write a new segment is tried. */
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
  /** Called each time: part of it is known only once libvirt has been asked. */
  readonly host: () => HostIdentity;
  readonly bootId: string;
  readonly limits: JournalLimits;
  /** Monotonic. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
}

export interface Source {
  /** Identifies the current numbering of events. */
  readonly epoch: string;
  readonly nextSeq: () => number;
  /**
   * What a new segment starts with: complete records of everything live; after a period in which nothing
   * could be written, also of what may have ended during it.
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
  /** Appended and not written yet; null: each is written as it comes. */
  #held: JournalRecord[] | null = null;
  #failing: string | null = null;
  #retryAtMs = 0;
  #pruning: Promise<void> = Promise.resolve();
  #reading: Promise<unknown> = Promise.resolve();
  /** Settles with the last sync that is running or waiting. */
  #syncing: Promise<void> = Promise.resolve();
  /** A sync that has not started yet: it covers whatever is appended until then. */
  #waitingSync: Promise<void> | null = null;

  /** `lock` is the folder's: nothing is written while another daemon holds it. */
  constructor(options: JournalOptions, lock: FolderLock, log: Log) {
    this.#options = options;
    this.#lock = lock;
    this.#log = log.child({ component: "journal" });
  }

  /** Why nothing can be written at present; null: all is well. */
  get failing(): string | null {
    return this.#failing;
  }

  /**
   * Every segment, oldest first. One reader at a time, since a segment may take several MiB. **Fails**:
   * never; a missing folder counts as empty.
   */
  async read(wanted?: LineFilter): Promise<readonly Segment[]> {
    const segments: Segment[] = [];
    await this.readEach((segment) => segments.push(segment), wanted);
    return segments;
  }

  /** The same, one segment at a time; none is kept. **Fails**: with whatever `visit` throws. */
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

  /** Starts a new segment with everything live. To be called once, before the first `append`. */
  async begin(source: Source): Promise<void> {
    this.#source = source;
    try {
      this.#nextSegment(source);
    } catch (error) {
      this.#failed(error);
    }
  }

  /**
   * Writes one record; the kernel has it when this returns, or within `together` when that does.
   * **Fails**: never, see `failing`.
   */
  append(record: JournalRecord): void {
    if (this.#held === null) this.#append([record]);
    else this.#held.push(record);
  }

  /** What `work` appends is written at once, when it returns. **Fails**: with whatever `work` throws. */
  together<T>(work: () => T): T {
    const held: JournalRecord[] = [];
    this.#held = held;
    try {
      return work();
    } finally {
      this.#held = null;
      if (held.length > 0) this.#append(held);
    }
  }

  #append(records: readonly JournalRecord[]): void {
    const source = this.#source;
    if (source === null) return;
    try {
      if (this.#isGone()) this.#lost();
      if (this.#fd === null) {
        if (this.#options.nowMs() < this.#retryAtMs) return;
        // The complete records of everything live already include what these say.
        this.#nextSegment(source);
      } else if (this.#grownBytes > this.#options.limits.segmentBytes) {
        this.#nextSegment(source);
      }
      if (this.#fd !== null) this.#write(this.#fd, records);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Resolves once everything appended is on disk, or at the deadline (logged). */
  async durable(): Promise<void> {
    if (this.#fd === null) return;
    const { durableMs } = this.#options.limits;
    const synced = this.#synced();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#log.warn(
          { durableMs },
          "the journal is not on disk in time; carrying on without waiting",
        );
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
   * One at a time, and everybody who asks meanwhile shares the next one: a sync that hangs occupies one
   * of the four threads of Node's pool, which also resolves names.
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
        // By now another one: the segment was full and was closed, and the next one holds what is live.
        if (error !== null && this.#fd === fd) this.#failed(error);
        resolve();
      });
    });
  }

  #nextSegment(source: Source): void {
    const { folder, limits } = this.#options;
    const old = this.#fd;
    // Each time: since the last segment the folder may have appeared, vanished or been filled.
    this.#lock.take();
    this.#number = Math.max(this.#number, newestNumber(folder)) + 1;
    this.#fd = this.#newFile(segmentPath(folder, this.#number), source);
    if (old !== null) closeSync(old);
    this.#grownBytes = 0;
    if (this.#failing !== null) this.#log.warn({}, "the journal can be written again");
    this.#failing = null;
    this.#pruning = this.#pruning
      .then(() => pruneSegments(folder, { files: limits.files, bytes: limits.totalBytes }))
      .catch((err: unknown) => this.#log.warn({ err }, "old segments could not be removed"));
  }

  /** A segment with its header and what is live. One that cannot hold them is not left behind. */
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
      atMs: this.#options.nowMs(),
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

  /** The segment or its folder was removed or moved: the next daemon would not find it. */
  #isGone(): boolean {
    if (this.#fd === null) return false;
    const there = statSync(segmentPath(this.#options.folder, this.#number), {
      throwIfNoEntry: false,
    });
    const ours = fstatSync(this.#fd);
    return there?.ino !== ours.ino || there.dev !== ours.dev;
  }

  #lost(): void {
    this.#failing = "its segment was removed or moved";
    this.#log.warn({ why: this.#failing }, "the journal starts a new segment");
    this.#close();
  }

  #failed(error: unknown): void {
    const why = messageOf(error);
    if (this.#failing !== why) {
      this.#log.error(
        { why },
        "the journal cannot be written; a restarted daemon would not know what happens now",
      );
    }
    this.#failing = why;
    this.#retryAtMs = this.#options.nowMs() + this.#options.limits.retryMs;
    // Its last line may be half a record, so nothing more is appended to it.
    this.#close();
  }

  #close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}
