/**
 * A file that one save has for itself: open, and locked (flock) until the save has ended, whatever its
 * path is called elsewhere: by another spelling, a bind mount, another daemon or another host that
 * shares the folder. The kernel drops the lock with the process; the next daemon takes it again. What
 * decides is the exclusive creation or the lock on the open file, never a look before it; and nothing
 * is removed or emptied but the very file that is held.
 */
import { constants } from "node:fs";
import { lstat, open, unlink, type FileHandle } from "node:fs/promises";
import { flock } from "posix";
import { MonitorError } from "../errors.ts";

export const FILE_MODE = 0o600;
const WRITES = constants.O_WRONLY | constants.O_NOFOLLOW;
/** A file that is gone once it is locked, since its save was undone meanwhile: taken anew. */
const TRIES_MAX = 5;
const IN_USE = "is in use: a VM is being saved there";

export class HeldFile {
  readonly path: string;
  /** It was not there before. */
  readonly made: boolean;
  readonly #handle: FileHandle;
  /** What is in it is this save's. */
  #filled: boolean;

  private constructor(path: string, made: boolean, handle: FileHandle, filled: boolean) {
    this.path = path;
    this.made = made;
    this.#handle = handle;
    this.#filled = filled;
  }

  /**
   * Creates it, or takes it if it is there, empty and nobody else's. **Fails**: invalidParams, `key`
   * being the parameter that named it; then nothing is left behind.
   */
  static async take(key: string, path: string): Promise<HeldFile> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const { handle, made } = await createOrOpen(key, path);
      try {
        if (!locked(key, path, handle)) throw refused(key, path, IN_USE);
        // Between its opening and its lock another save may have been undone, and its file with it.
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
   * By the daemon after the one that took it; `filled`: that one may have filled it. Null: it is gone, or
   * somebody else has it.
   */
  static async takeAgain(path: string, made: boolean, filled: boolean): Promise<HeldFile | null> {
    const handle = await open(path, WRITES | constants.O_NONBLOCK).catch(() => null);
    if (handle === null) return null;
    try {
      const isOurs = flock(handle.fd, { exclusive: true, nonBlocking: true });
      if (isOurs && (await isAt(path, handle))) return new HeldFile(path, made, handle, filled);
    } catch {
      // A file system without locks: then nobody can tell whose it is.
    }
    await handle.close();
    return null;
  }

  /** Its path still leads to it, and nobody else has written there: a lock stops no other program. */
  async isOurs(): Promise<boolean> {
    return (await isAt(this.path, this.#handle)) && !(await this.#isOthers());
  }

  /** From here on what is in it is this save's. */
  fills(): void {
    this.#filled = true;
  }

  async #isOthers(): Promise<boolean> {
    return !this.#filled && (await this.#handle.stat()).size > 0;
  }

  /** All of its content, on the disk. */
  async write(content: string): Promise<void> {
    this.fills();
    await this.#handle.chmod(FILE_MODE);
    await this.#handle.truncate(0);
    await this.#handle.write(content, 0);
    await this.#handle.sync();
  }

  /**
   * As it was before: one that was made goes, one that was there is empty again; one that somebody else
   * has written to stays, since that may be a guest.
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

  /** The next one may have it. */
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
    throw refused(key, path, "exists and is no plain file of its own");
  }
  try {
    return { handle: await open(path, WRITES | constants.O_NONBLOCK), made: false };
  } catch (error) {
    // Gone between the two: its save was undone.
    if (codeOf(error) === "ENOENT") return createOrOpen(key, path);
    throw refused(key, path, messageOf(error));
  }
}

function locked(key: string, path: string, handle: FileHandle): boolean {
  try {
    return flock(handle.fd, { exclusive: true, nonBlocking: true });
  } catch (error) {
    throw refused(key, path, `its file system cannot lock it: ${messageOf(error)}`);
  }
}

/** The path leads to the open file, and no other name does. */
async function isAt(path: string, handle: FileHandle): Promise<boolean> {
  // One after the other: each may hold a thread for ever (file-turn.ts).
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
