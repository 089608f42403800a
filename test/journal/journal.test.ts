/**
 * Writing: what is appended is the kernel's at once, segments are bounded and each begins with what is
 * live, and a disk that does not take it stops nothing: it is said, tried again, and what is live is
 * then written whole. The disks that fail here really do: a folder that is gone or no folder, and a
 * limit on the size of files.
 */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  JOURNAL_FORMAT,
  listSegments,
  READABLE_SINCE,
  segmentPath,
} from "../../src/journal/segments.ts";
import { bringTo } from "../core/fixtures.ts";
import { BOOT, Desk, desk, HOST, temporaryFolder, WALL_MS } from "./fixtures.ts";

async function numbersIn(folder: string): Promise<readonly number[]> {
  return (await listSegments(folder)).map(({ number }) => number);
}

/** The records of every segment, by their `n`. */
async function written(of: Desk): Promise<readonly unknown[]> {
  const segments = await of.segments();
  return segments.flatMap((segment) =>
    segment.kind === "read" ? segment.records.map(({ n }) => n) : [],
  );
}

function move(folder: string): void {
  const moved = `${folder}-moved`;
  renameSync(folder, moved);
  onTestFinished(() => rmSync(moved, { recursive: true }));
}

function replace(file: string): void {
  rmSync(file);
  writeFileSync(file, "");
}

const said = (of: Desk, text: string): number =>
  of.lines.filter((line) => line.includes(text)).length;

describe("what is appended together", () => {
  it("is written when all of it is there, also if something fails on the way", async () => {
    const own = await desk();
    const before = own.text(1);
    const work = (): void => {
      own.journal.append({ k: "slots", n: 1 });
      own.journal.append({ k: "slots", n: 2 });
      expect(own.text(1)).toBe(before);
      throw new Error("a defect");
    };
    expect(() => own.journal.together(work)).toThrow("a defect");
    own.journal.append({ k: "slots", n: 3 });
    expect((await written(own)).filter((n) => n !== undefined)).toEqual([1, 2, 3]);
  });

  it("is durable with what is appended alone", async () => {
    const own = await desk();
    own.journal.together(() => {
      own.journal.append({ k: "slots", n: 1 });
      void own.journal.durable();
    });
    await own.journal.durable();
    expect(await written(own)).toContain(1);
  });
});

describe("a segment", () => {
  it("begins with its header and what is live", async () => {
    const own = new Desk({ folder: temporaryFolder(), nextSeq: 7, nowMs: 9 });
    const live = own.accept("m1");
    await own.begin();
    const [header, record, ...more] = own.text(1).trimEnd().split("\n");
    expect(JSON.parse(header ?? "")).toEqual({
      format: JOURNAL_FORMAT,
      readableSince: READABLE_SINCE,
      host: HOST,
      bootId: BOOT,
      epoch: "epoch-1",
      nextSeq: 7,
      atMs: 9,
      wallMs: WALL_MS + 9,
    });
    expect(JSON.parse(record ?? "")).toEqual(JSON.parse(JSON.stringify(live.record())));
    expect(more).toEqual([]);
  });

  it("is for its owner alone", async () => {
    const own = await desk();
    expect(statSync(own.folder).mode & 0o777).toBe(0o700);
    expect(statSync(segmentPath(own.folder, 1)).mode & 0o777).toBe(0o600);
  });

  it("has what was appended when that returns, and the disk has it soon", async () => {
    const own = await desk();
    own.journal.append({ n: 1 });
    expect(own.text(1)).toContain('{"n":1}\n');
    await own.journal.durable();
    expect(own.lines).toEqual([]);
    expect(own.journal.failing).toBeNull();
  });

  it("nothing is written before the beginning and after the close", async () => {
    const own = new Desk({ folder: temporaryFolder() });
    own.journal.append({ n: 1 });
    await own.journal.durable();
    await own.begin();
    await own.journal.close();
    own.journal.append({ n: 2 });
    await own.journal.durable();
    expect(await written(own)).toEqual([]);
  });

  it("the next daemon's has the next number, and both are read in order", async () => {
    const first = await desk();
    first.journal.append({ n: 1 });
    await first.journal.close();
    const second = await first.restarted().begin();
    second.journal.append({ n: 2 });
    expect(await numbersIn(second.folder)).toEqual([1, 2]);
    expect(await written(second)).toEqual([1, 2]);
  });

  it("a folder that is not there is empty", async () => {
    const own = new Desk({ folder: path.join(temporaryFolder(), "nothing") });
    expect(await own.segments()).toEqual([]);
  });
});

describe("a full segment is followed by the next", () => {
  const limits = { segmentBytes: 200 };

  it("once it has grown beyond its bytes, with what is live at its head", async () => {
    const own = await desk({ limits });
    const live = own.accept("m1");
    bringTo("running", live.run);
    for (let n = 0; n < 20; n += 1) own.journal.append({ n });
    const segments = await own.segments();
    expect(segments.length).toBeGreaterThan(2);
    for (const segment of segments.slice(1)) {
      const first = segment.kind === "read" ? segment.records[0] : undefined;
      expect(first).toMatchObject({ k: "migration", id: "m1" });
    }
    const kept = await written(own);
    expect(kept.filter((n) => n !== undefined)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  it("what is live does not count: one with many live ones is not full at once", async () => {
    const own = await desk({ limits: { segmentBytes: 2_000 } });
    for (let n = 0; n < 10; n += 1) own.accept(`m${n}`);
    const before = (await numbersIn(own.folder)).length;
    own.journal.append({ n: 1 });
    own.journal.append({ n: 2 });
    expect((await numbersIn(own.folder)).length).toBeLessThanOrEqual(before + 1);
  });

  it("a daemon that is started over and over pushes out nothing of before", async () => {
    const own = await desk();
    own.journal.append({ n: 1 });
    const starts = 500;
    for (let number = 2; number <= starts; number += 1) {
      writeFileSync(segmentPath(own.folder, number), own.text(1).replace('{"n":1}\n', ""));
    }
    await own.journal.close();
    const next = await own.restarted().begin();
    await next.journal.close();
    expect(await numbersIn(own.folder)).toHaveLength(starts + 1);
    expect(await written(next)).toEqual([1]);
  });

  it.each([
    ["by count", { ...limits, files: 3 }],
    ["by bytes", { ...limits, totalBytes: 800 }],
  ])("the oldest go, %s, and what is live stays known", async (_name, bounds) => {
    const own = await desk({ limits: bounds });
    bringTo("running", own.accept("m1").run);
    for (let n = 0; n < 200; n += 1) own.journal.append({ n });
    await own.journal.close();
    const numbers = await numbersIn(own.folder);
    expect(numbers.length).toBeLessThanOrEqual(3);
    expect(Math.min(...numbers)).toBeGreaterThan(1);
    expect(await written(own)).toContain(199);
    const { migrations } = await own.replayed();
    expect(migrations.map(({ id, migration }) => [id, migration.phase])).toEqual([
      ["m1", "running"],
    ]);
  });

  it("bounds that one segment exceeds leave that one", async () => {
    const own = await desk({ limits: { segmentBytes: 0, files: 0, totalBytes: 0 } });
    for (let n = 0; n < 5; n += 1) own.journal.append({ n });
    await own.journal.close();
    expect(await written(own)).toEqual([4]);
  });
});

describe("a disk that does not take it", () => {
  const limits = { retryMs: 5_000 };

  /** No file of this process grows beyond so many bytes, until the test has ended. */
  function filesUpTo(bytes: number | "unlimited"): void {
    execFileSync("prlimit", ["--pid", String(process.pid), `--fsize=${bytes}:`]);
  }

  function limitedFiles(): void {
    const ignored = (): void => undefined;
    process.on("SIGXFSZ", ignored);
    onTestFinished(() => {
      filesUpTo("unlimited");
      process.off("SIGXFSZ", ignored);
    });
  }

  it("a path below a file: nothing throws, it says why, and recovers once there is a folder", async () => {
    const file = path.join(temporaryFolder(), "file");
    writeFileSync(file, "");
    const own = await new Desk({ folder: path.join(file, "journal"), limits }).begin();
    expect(own.journal.failing).toContain("ENOTDIR");
    expect(said(own, "cannot be written")).toBe(1);
    own.nowMs += 4_999;
    own.journal.append({ n: 1 });
    await own.journal.durable();
    rmSync(file);
    own.journal.append({ n: 2 });
    expect(own.journal.failing).toContain("ENOTDIR");
    own.nowMs += 1;
    own.journal.append({ n: 3 });
    expect(own.journal.failing).toBeNull();
    expect(said(own, "can be written again")).toBe(1);
    expect(await written(own)).toEqual([3]);
  });

  it("segments of before that come to light later come before, not after", async () => {
    const folder = path.join(temporaryFolder(), "journal");
    const before = await new Desk({ folder }).begin();
    before.journal.append({ n: 1 });
    await before.journal.close();
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, "");
    const own = await before.restarted({ limits }).begin();
    expect(own.journal.failing).not.toBeNull();
    rmSync(folder);
    renameSync(`${folder}.away`, folder);
    renameSync(segmentPath(folder, 1), segmentPath(folder, 5));
    own.nowMs += 5_000;
    own.journal.append({ n: 2 });
    expect(own.journal.failing).toBeNull();
    expect(await numbersIn(folder)).toEqual([5, 6]);
    expect(await written(own)).toEqual([1, 2]);
  });

  it.each([
    ["its folder deleted", (folder: string) => rmSync(folder, { recursive: true })],
    ["its folder moved", move],
    ["its segment deleted", (folder: string) => rmSync(segmentPath(folder, 1))],
    ["another in its place", (folder: string) => replace(segmentPath(folder, 1))],
  ])(
    "%s by somebody: the next record starts a new segment, with what is live",
    async (_what, act) => {
      const own = new Desk({ folder: temporaryFolder(), nextSeq: 7, nowMs: 9, limits });
      own.accept("m1");
      await own.begin();
      own.journal.append({ n: 1 });
      act(own.folder);
      own.journal.append({ n: 2 });
      own.journal.append({ n: 3 });
      expect(own.journal.failing).toBeNull();
      expect(said(own, "the journal starts a new segment")).toBe(1);
      expect((await written(own)).slice(-2)).toEqual([2, 3]);
      expect(JSON.stringify(await own.segments())).toContain('"id":"m1"');
      expect(statSync(own.folder).mode & 0o777).toBe(0o700);
    },
  );

  it("a full one: the line is truncated, the next segment holds complete records of what is live", async () => {
    limitedFiles();
    const own = await desk({ limits });
    const run = bringTo("starting", own.accept("m1").run);
    filesUpTo(statSync(segmentPath(own.folder, 1)).size + 10);
    own.journal.append({ n: 1, text: "longer than ten bytes" });
    expect(own.journal.failing).toContain("EFBIG");
    run.give({ kind: "cancel" });
    expect(said(own, "cannot be written")).toBe(1);
    filesUpTo("unlimited");
    own.nowMs += 5_000;
    own.journal.append({ n: 2 });
    expect(own.journal.failing).toBeNull();
    const [first, second] = await own.segments();
    expect(first).toMatchObject({ cutOff: true, unreadableLines: 0 });
    expect(second).toMatchObject({
      records: [{ id: "m1", state: { stop: { why: "cancel" } } }, { n: 2 }],
    });
  });

  it("one that takes no header leaves no empty segments behind, however often it is tried", async () => {
    limitedFiles();
    const own = await desk({ limits });
    own.journal.append({ n: 1 });
    filesUpTo(20);
    for (let tries = 0; tries < 5; tries += 1) {
      own.journal.append({ n: 0 });
      own.nowMs += 5_000;
    }
    expect(own.journal.failing).toContain("EFBIG");
    filesUpTo("unlimited");
    own.journal.append({ n: 2 });
    expect(await written(own)).toEqual([1, 2]);
    expect(await numbersIn(own.folder)).toHaveLength(2);
    expect((await own.replayed()).troubles).toEqual([]);
  });

  it("what lies in the next segment's location is not written to", async () => {
    const own = await desk({ limits: { ...limits, segmentBytes: 0 } });
    const elsewhere = path.join(temporaryFolder(), "elsewhere");
    symlinkSync(elsewhere, segmentPath(own.folder, 2));
    mkdirSync(segmentPath(own.folder, 3));
    for (let n = 0; n < 4; n += 1) {
      own.nowMs += 5_000;
      own.journal.append({ n });
    }
    expect(own.journal.failing).toBeNull();
    expect(existsSync(elsewhere)).toBe(false);
    expect(await written(own)).toContain(3);
  });
});
