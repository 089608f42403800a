/**
 * The journal's folder belongs to one daemon at a time. The lock is flock(2) on the folder itself: it is
 * the same lock whatever path the folder is reached by, it needs no disk space, it works on a read-only
 * file system, and the kernel releases it with the process, however that ends. holder.json in the folder
 * says who holds it. That file is for people and decides nothing.
 *
 * It knows nothing of what else is in the folder.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { flock } from "posix";
import { makeFolder } from "../host/folders.ts";
import { isRecord } from "../core/json.ts";
import { messageOf } from "../errors.ts";

/** A daemon that is being stopped has ended by then (it takes at most a second). */
export const LOCK_WAIT_MS = 2_000;
const LOCK_RETRY_MS = 50;
const HOLDER_FILE = "holder.json";
const HOLDER_TEXT_MAX = 300;

/** Who holds the lock, as reported to a daemon that wants it. */
export interface Holder {
  readonly pid: number;
  /** ISO 8601. */
  readonly startedAt: string;
  /** The addresses and paths that it listens on. */
  readonly listeners: readonly string[];
}

/** Another daemon holds the folder; the message names both. */
export class FolderHeldError extends Error {
  override readonly name = "FolderHeldError";
}

/** The file system has no such locks, so nobody can tell whether another daemon holds the folder. */
export class FolderNotLockableError extends Error {
  override readonly name = "FolderNotLockableError";
}

export class FolderLock {
  readonly #folder: string;
  readonly #holder: Holder;
  #fd: number | null = null;

  constructor(folder: string, holder: Holder) {
    this.#folder = folder;
    this.#holder = holder;
  }

  /**
   * Creates the folder and locks it. Does nothing if it is locked by us already; locks again if another
   * folder is at its path by now. **Fails**: FolderHeldError, FolderNotLockableError; Error of the file
   * system.
   */
  take(): void {
    makeFolder(this.#folder, 0o700);
    if (this.#isOurs()) return;
    const fd = openSync(this.#folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      if (!this.#lock(fd)) {
        throw new FolderHeldError(`${this.#folder} is in use by ${holderIn(this.#folder)}`);
      }
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.release();
    this.#fd = fd;
    this.#sayWho();
  }

  /** The same, but waits for a holder that is about to stop. */
  async takeWithin(waitMs: number): Promise<void> {
    for (let triesLeft = Math.ceil(waitMs / LOCK_RETRY_MS); ; triesLeft -= 1) {
      try {
        this.take();
        return;
      } catch (error) {
        if (!(error instanceof FolderHeldError) || triesLeft <= 0) throw error;
      }
      await sleep(LOCK_RETRY_MS);
    }
  }

  release(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #lock(fd: number): boolean {
    try {
      return flock(fd, { exclusive: true, nonBlocking: true });
    } catch (cause) {
      const why = messageOf(cause);
      throw new FolderNotLockableError(`${this.#folder} cannot be locked: ${why}`, { cause });
    }
  }

  #isOurs(): boolean {
    if (this.#fd === null) return false;
    const [ours, there] = [fstatSync(this.#fd), statSync(this.#folder)];
    return ours.dev === there.dev && ours.ino === there.ino;
  }

  #sayWho(): void {
    const file = path.join(this.#folder, HOLDER_FILE);
    const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
    try {
      const fd = openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
      try {
        writeFileSync(fd, `${JSON.stringify({ ...this.#holder, folder: this.#folder })}\n`);
      } finally {
        closeSync(fd);
      }
    } catch {
      // The folder cannot be written: the journal reports that, and the lock works without the file.
    }
  }
}

/**
 * Written by another process, maybe of an older version that says nothing of its listeners: any part of
 * it may be missing.
 */
function holderIn(folder: string): string {
  let holder: unknown;
  try {
    holder = JSON.parse(readFileSync(path.join(folder, HOLDER_FILE), "utf8"));
  } catch {
    return "another daemon";
  }
  if (!isRecord(holder)) return "another daemon";
  const { pid, startedAt, listeners } = holder;
  const parts = [
    ...(typeof pid === "number" ? [`pid ${pid}`] : []),
    ...(typeof startedAt === "string" ? [`started ${startedAt}`] : []),
    ...(Array.isArray(listeners) ? [`listening on ${listeners.join(" and ")}`] : []),
    ...(holder["folder"] === folder ? [] : [`where it is ${String(holder["folder"])}`]),
  ];
  return `another daemon (${parts.join(", ").slice(0, HOLDER_TEXT_MAX)})`;
}
