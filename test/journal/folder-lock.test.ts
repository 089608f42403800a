/**
 * The lock of the journal's folder: one holder by whatever path, also where nothing can be written,
 * gone with the process, and of the folder that lies there now. Real folders; a real process that is
 * killed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { FolderHeldError, FolderLock } from "../../src/journal/folder-lock.ts";
import { Desk, desk, HOLDER, temporaryFolder } from "./fixtures.ts";

const LOCK_HOLDER = path.resolve(import.meta.dirname, "../posix/lock-holder.mjs");

function lockOf(folder: string): FolderLock {
  const lock = new FolderLock(folder, HOLDER);
  onTestFinished(() => lock.release());
  return lock;
}

function refusalOf(lock: FolderLock): string {
  try {
    lock.take();
  } catch (error) {
    if (error instanceof FolderHeldError) return error.message;
    throw error;
  }
  return "taken";
}

describe("the lock", () => {
  it("makes the folder, for its owner alone, and says in it who holds it", () => {
    const folder = path.join(temporaryFolder(), "one/two");
    lockOf(folder).take();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const holder = path.join(folder, "holder.json");
    expect(JSON.parse(readFileSync(holder, "utf8"))).toEqual({ ...HOLDER, folder });
    expect(statSync(holder).mode & 0o777).toBe(0o600);
  });

  it("is refused by every path to the folder, naming folder and holder, until it is released", () => {
    const folder = path.join(temporaryFolder(), "journal");
    const alias = path.join(temporaryFolder(), "alias");
    symlinkSync(folder, alias);
    const first = lockOf(folder);
    first.take();
    const who = "pid 4242, started 2023-11-14T22:13:20.000Z, listening on /run/x/rpc.sock";
    expect(refusalOf(lockOf(folder))).toBe(`${folder} is in use by another daemon (${who})`);
    expect(refusalOf(lockOf(`${folder}/../journal`))).toContain(`${who}, where it is ${folder}`);
    expect(refusalOf(lockOf(alias))).toBe(
      `${alias} is in use by another daemon (${who}, where it is ${folder})`,
    );
    first.take();
    first.release();
    expect(refusalOf(lockOf(alias))).toBe("taken");
  });

  it.each(["", "[]", "{", '{"pid":"x","listeners":7,"startedAt":{}}'])(
    "names the folder also where the holder has not said who it is: %j",
    (text) => {
      const folder = temporaryFolder();
      lockOf(folder).take();
      writeFileSync(path.join(folder, "holder.json"), text);
      expect(refusalOf(lockOf(folder))).toMatch(/journal-\w+ is in use by another daemon/);
    },
  );

  it("of a killed process is free at once, and one that is about to end is waited for", async () => {
    const folder = temporaryFolder();
    const holder = spawn(process.execPath, [LOCK_HOLDER, folder]);
    await once(holder.stdout, "data");
    expect(refusalOf(lockOf(folder))).toContain("is in use");
    const next = lockOf(folder);
    const taken = next.takeWithin(20_000);
    holder.kill("SIGKILL");
    await taken;
    expect(refusalOf(lockOf(folder))).toContain("is in use");
  });

  it("is refused in the end by one that stays", async () => {
    const folder = temporaryFolder();
    lockOf(folder).take();
    await expect(lockOf(folder).takeWithin(60)).rejects.toThrowError(FolderHeldError);
  });

  it("holds where the file of the holder cannot be written", () => {
    const folder = temporaryFolder();
    mkdirSync(path.join(folder, "holder.json"));
    lockOf(folder).take();
    expect(refusalOf(lockOf(folder))).toBe(`${folder} is in use by another daemon`);
  });
});

describe("a journal", () => {
  const limits = { segmentBytes: 0, retryMs: 5_000 };

  it("whose folder was deleted locks the one that it makes in its place", async () => {
    const own = await desk({ limits });
    rmSync(own.folder, { recursive: true });
    expect(refusalOf(lockOf(own.folder))).toBe("taken");
  });

  it("does not write in a folder that became another daemon's, and says whose", async () => {
    const own = await desk({ limits });
    renameSync(own.folder, `${own.folder}.away`);
    const other = lockOf(own.folder);
    other.take();
    own.journal.append({ n: 1 });
    own.journal.append({ n: 2 });
    expect(own.journal.failing).toContain(`${own.folder} is in use by another daemon (pid 4242`);
    expect(own.lines.filter((line) => line.includes("cannot be written"))).toHaveLength(1);
    other.release();
    own.nowMs += 5_000;
    own.journal.append({ n: 3 });
    expect(own.journal.failing).toBeNull();
    expect(refusalOf(lockOf(own.folder))).toContain("is in use");
  });

  it("whose folder could not be made locks it when it can be", async () => {
    const folder = path.join(temporaryFolder(), "journal");
    writeFileSync(folder, "");
    const own = await new Desk({ folder, limits }).begin();
    expect(own.journal.failing).toContain("EEXIST");
    rmSync(folder);
    own.nowMs += 5_000;
    own.journal.append({ n: 1 });
    expect(own.journal.failing).toBeNull();
    expect(refusalOf(lockOf(folder))).toContain("is in use");
  });

  it("below a folder that takes none is tried again, and said once", async () => {
    const own = await new Desk({ folder: "/proc/no/journal", limits }).begin();
    for (let n = 0; n < 5; n += 1) {
      own.nowMs += 5_000;
      own.journal.append({ n });
    }
    expect(own.journal.failing).toContain("ENOENT");
    expect(own.lines).toHaveLength(1);
  });
});
