/**
 * A file that belongs to one save: kept open and locked (flock) until the save has ended, so that no
 * other save gets it under another spelling, through a bind mount, from another daemon or from another
 * host that shares the folder. The kernel releases the lock with the process; after a restart the daemon
 * takes it again. Ownership comes from exclusive creation or from the lock on the open file, never from
 * an earlier check, and only the file that is held is ever removed or truncated.
 */
import { constants } from "node:fs";
import { lstat, open, unlink, type FileHandle } from "node:fs/promises";
import { flock } from "posix";
import { MonitorError, messageOf } from "../../errors.ts";

export const FILE_MODE = 0o600;
const WRITES = constants.O_WRONLY | constants.O_NOFOLLOW;
/** A file that was removed before it was locked, because its save was undone, is taken again. */
const TRIES_MAX = 5;
const IN_USE = "is in use: a VM is being saved there";

export class HeldFile {
  readonly path: string;
  /** It was not there before. */
  readonly made: boolean;
  readonly #handle: FileHandle;
  /** Its content is this save's. */
  #filled: boolean;

  private constructor(path: string, made: boolean, handle: FileHandle, filled: boolean) {
    this.path = path;
    this.made = made;
    this.#handle = handle;
    this.#filled = filled;
  }

  /**
   * Creates it, or takes it if it exists, is empty and is not in use. **Fails**: invalidParams naming
   * `key`, the parameter that it came in; nothing is left behind then.
   */
  static async take(key: string, path: string): Promise<HeldFile> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const { handle, made } = await createOrOpen(key, path);
      try {
        if (!locked(key, path, handle)) throw refused(key, path, IN_USE);
        // Between open and lock another save may have been undone, and its file removed.
        if (!(await isAt(path, handle))) {
          await handle.close();
          continue;
        }
        if ((await handle.stat()).size > 0) throw refused(key, path, "exists and is not empty");
        return new HeldFile(path, made, handle, false);
      } catch (error) {
        await handle.close();
        throw error;
      }
    }
    throw refused(key, path, IN_USE);
  }

  /**
   * After a restart of the daemon. `filled`: it may have been filled before. Null: it is gone, or
   * somebody else holds it.
   */
  static async takeAgain(path: string, made: boolean, filled: boolean): Promise<HeldFile | null> {
    const handle = await open(path, WRITES | constants.O_NONBLOCK).catch(() => null);
    if (handle === null) return null;
    try {
      const isOurs = flock(handle.fd, { exclusive: true, nonBlocking: true });
      if (isOurs && (await isAt(path, handle))) return new HeldFile(path, made, handle, filled);
    } catch {
      // The file system has no locks, so nobody can tell whose it is.
    }
    await handle.close();
    return null;
  }

  /** The path still leads to it, and nobody else has written to it, which a lock does not prevent. */
  async isOurs(): Promise<boolean> {
    return (await isAt(this.path, this.#handle)) && !(await this.#isOthers());
  }

  /** From now on its content is this save's. */
  fills(): void {
    this.#filled = true;
  }

  async #isOthers(): Promise<boolean> {
    return !this.#filled && (await this.#handle.stat()).size > 0;
  }

  /** Replaces the content and syncs it to disk. */
  async write(content: string): Promise<void> {
    this.fills();
    await this.#handle.chmod(FILE_MODE);
    await this.#handle.truncate(0);
    await this.#handle.write(content, 0);
    await this.#handle.sync();
  }

  /**
   * Restores what was there before: removes a file that was created, truncates one that existed. One that
   * somebody else has written to stays, since that may be a guest's image.
   */
  async undo(): Promise<void> {
    try {
      if (await this.#isOthers()) return;
      if (!this.made) await this.#handle.truncate(0);
      else if (await isAt(this.path, this.#handle)) await unlink(this.path);
    } finally {
      await this.release();
    }
  }

  /** Lets another save have it. */
  async release(): Promise<void> {
    await this.#handle.close();
  }
}

async function createOrOpen(
  key: string,
  path: string,
): Promise<{ readonly handle: FileHandle; readonly made: boolean }> {
  try {
    const exclusively = WRITES | constants.O_CREAT | constants.O_EXCL;
    return { handle: await open(path, exclusively, FILE_MODE), made: true };
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw refused(key, path, messageOf(error));
  }
  const stat = await lstat(path).catch(() => null);
  if (stat !== null && (!stat.isFile() || stat.nlink !== 1)) {
    throw refused(key, path, "exists and is not a regular file with a single name");
  }
  try {
    return { handle: await open(path, WRITES | constants.O_NONBLOCK), made: false };
  } catch (error) {
    // Removed in between: its save was undone.
    if (codeOf(error) === "ENOENT") return createOrOpen(key, path);
    throw refused(key, path, messageOf(error));
  }
}

function locked(key: string, path: string, handle: FileHandle): boolean {
  try {
    return flock(handle.fd, { exclusive: true, nonBlocking: true });
  } catch (error) {
    throw refused(key, path, `the file system cannot lock it: ${messageOf(error)}`);
  }
}

/** The path leads to the open file, which has no other name. */
async function isAt(path: string, handle: FileHandle): Promise<boolean> {
  // One after the other: each may block a thread forever (file-turn.ts).
  const there = await lstat(path, { bigint: true }).catch(() => null);
  const held = await handle.stat({ bigint: true });
  const isSame = there?.dev === held.dev && there.ino === held.ino;
  return isSame && held.isFile() && held.nlink === 1n;
}

export function refused(key: string, file: string, why: string): MonitorError {
  return new MonitorError("invalidParams", `${key}: ${JSON.stringify(file)}: ${why}`);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
