/**
 * What is read of a segment: whose it is, its records in order, and what cannot be read, counted and
 * passed over. A file may be cut off anywhere, since its writer may be killed anywhere: then what
 * lies before the cut is all there, and nothing is there that was not written.
 */
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import {
  listSegments,
  parseSegment,
  pruneSegments,
  readSegment,
  SEGMENT_READ_BYTES_MAX,
  segmentPath,
  type JournalRecord,
  type Segment,
  type SegmentFile,
} from "../../src/journal/segments.ts";
import { explain } from "../../src/monitor/recovery/explain.ts";
import { replay } from "../../src/monitor/recovery/replay.ts";
import { bringTo } from "../core/fixtures.ts";
import { BOOT, desk, HOST, OTHER_HOST, OWNER, temporaryFolder, VM } from "./fixtures.ts";

const FILE: SegmentFile = { number: 1, path: "journal-00000001.jsonl", bytes: 0 };
const HEADER = {
  format: 2,
  readableSince: 2,
  atMs: 3,
  host: HOST,
  bootId: BOOT,
  epoch: "e",
  nextSeq: 1,
  wallMs: 5,
};
const NEWER = { format: 9, readableSince: 9 };
const FORMAT_1 = (host: string, bootId: string): string =>
  JSON.stringify({ ...HEADER, format: 1, readableSince: undefined, host, bootId });
const header = (fields: object = {}): string => JSON.stringify({ ...HEADER, ...fields });

function recordsOf(segment: Segment): readonly JournalRecord[] {
  return segment.kind === "read" ? segment.records : [];
}

describe("the first line says whose it is", () => {
  it("of this host and format: read", () => {
    const segment = parseSegment(FILE, `${header()}\n{"k":"a"}\n`, OWNER);
    expect(segment).toEqual({
      kind: "read",
      file: FILE,
      header: HEADER,
      records: [{ k: "a" }],
      unreadableLines: 0,
      cutOff: false,
    });
  });

  it.each([
    ["an empty file", "", "unreadable", "not a journal header"],
    ["no format", header({ format: undefined }), "unreadable", "not a journal header"],
    ["a format that is none", header({ format: 0 }), "unreadable", "not a journal header"],
    ["no host", header({ host: null }), "unreadable", "not a journal header"],
    ["half a host", header({ host: { name: "host1" } }), "unreadable", "not a journal header"],
    ["no boot", header({ bootId: 7 }), "unreadable", "not a journal header"],
    ["no epoch", header({ epoch: undefined }), "unreadable", "not a journal header"],
    ["a number of events that is none", header({ nextSeq: -1 }), "unreadable", "not a journal"],
    ["a time that is none", header({ wallMs: "now" }), "unreadable", "not a journal header"],
    ["a list", "[1]", "unreadable", "not a journal header"],
    ["null", "null", "unreadable", "not a journal header"],
    ["a line that breaks off", header().slice(0, -2), "unreadable", "not a journal header"],
    ["something else", "\u0000\u0001 not ours", "unreadable", "not a journal header"],
    ["another host's", header({ host: OTHER_HOST }), "otherHost", "host9 (machine-id 9999"],
    [
      "another host's in a newer format",
      header({ ...NEWER, host: OTHER_HOST }),
      "otherHost",
      "host9",
    ],
    ["a newer format", header(NEWER), "newer", `format 9; this daemon reads formats 1 to`],
    ["another host's in format 1", FORMAT_1("host9", "boot-9"), "otherHost", "host9"],
  ])("%s: reported and skipped", (_name, first, reason, why) => {
    const segment = parseSegment(FILE, `${first}\n{"k":"a"}\n`, OWNER);
    expect(segment).toMatchObject({ kind: "skipped", file: FILE, reason });
    if (segment.kind === "skipped") expect(segment.why).toContain(why);
  });

  it.each([
    ["of a newer format that this one's readers can use", header({ ...NEWER, readableSince: 2 })],
    ["with fields that are not known", header({ more: 1 })],
    ["of this host before it was renamed", header({ host: { ...HOST, name: "before" } })],
    ["in format 1, by the host's name", FORMAT_1(HOST.name, "boot-9")],
    ["in format 1, of a host renamed since, in this boot", FORMAT_1("before", BOOT)],
  ])("%s: read", (_name, first) => {
    expect(parseSegment(FILE, `${first}\n{"k":"a"}\n`, OWNER)).toMatchObject({
      kind: "read",
      records: [{ k: "a" }],
    });
  });

  it("a first line that breaks off, and nothing after it, is a writer that did nothing", () => {
    for (const first of ["", header().slice(0, 40)]) {
      expect(parseSegment(FILE, first, OWNER)).toMatchObject({ kind: "skipped", reason: "torn" });
    }
  });
});

describe("lines that are no records", () => {
  it.each<[string, string, readonly string[], number, boolean]>([
    ["none", '{"k":"a"}\n{"k":"b"}\n', ["a", "b"], 0, false],
    ["one in the middle", '{"k":"a"}\n{"k":\n{"k":"b"}\n', ["a", "b"], 1, false],
    ["values that are no objects", '{"k":"a"}\n7\n[]\nnull\n{"k":"b"}\n', ["a", "b"], 3, false],
    [
      "bytes of zero, as a lost block leaves",
      '{"k":"a"}\n\0\0\0\n{"k":"b"}\n',
      ["a", "b"],
      1,
      false,
    ],
    ["the last, which breaks off", '{"k":"a"}\n{"k":"b', ["a"], 0, true],
    ["the last, and one in the middle", '{"k":"a"}\n}\n{"k"', ["a"], 1, true],
    ["the last is whole but for its end of line", '{"k":"a"}\n{"k":"b"}', ["a", "b"], 0, false],
    ["the last is no record, yet ends", '{"k":"a"}\n{"k"\n', ["a"], 1, false],
    ["empty ones", '{"k":"a"}\n\n\n{"k":"b"}\n', ["a", "b"], 0, false],
  ])("%s", (_name, lines, ks, unreadableLines, cutOff) => {
    const segment = parseSegment(FILE, `${header()}\n${lines}`, OWNER);
    expect(segment).toMatchObject({ kind: "read", unreadableLines, cutOff });
    expect(recordsOf(segment).map(({ k }) => k)).toEqual(ks);
  });
});

describe("the files of a folder", () => {
  it("are listed by their number, the rest is not looked at", async () => {
    const folder = temporaryFolder();
    for (const name of ["journal-00000010.jsonl", "journal-00000002.jsonl", "other.jsonl"]) {
      writeFileSync(path.join(folder, name), "12345");
    }
    writeFileSync(path.join(folder, "journal-3.jsonl"), "");
    mkdirSync(path.join(folder, "journal-00000004.jsonl"));
    symlinkSync("/dev/zero", path.join(folder, "journal-00000005.jsonl"));
    symlinkSync(path.join(folder, "nothing"), path.join(folder, "journal-00000006.jsonl"));
    expect(await listSegments(folder)).toEqual([
      { number: 2, path: segmentPath(folder, 2), bytes: 5 },
      { number: 10, path: segmentPath(folder, 10), bytes: 5 },
    ]);
  });

  it("one that is gone meanwhile is skipped, and says why", async () => {
    const file = { number: 1, path: segmentPath(temporaryFolder(), 1), bytes: 0 };
    expect(await readSegment(file, OWNER)).toMatchObject({
      kind: "skipped",
      reason: "unreadable",
      why: expect.stringContaining("ENOENT"),
    });
  });

  it("one that is far too long is read so far only", async () => {
    const file = { number: 1, path: segmentPath(temporaryFolder(), 1), bytes: 0 };
    writeFileSync(file.path, `${header()}\n{"k":"a"}\n`);
    truncateSync(file.path, 4 * SEGMENT_READ_BYTES_MAX);
    expect(recordsOf(await readSegment(file, OWNER))).toEqual([{ k: "a" }]);
  });
});

describe("the oldest are removed", () => {
  it.each<[string, number, number, readonly number[]]>([
    ["nothing to remove", 9, 999, [1, 2, 3, 4]],
    ["as many as may be", 4, 40, [1, 2, 3, 4]],
    ["by count", 2, 999, [3, 4]],
    ["by bytes", 9, 25, [3, 4]],
    ["by bytes, one byte too many", 9, 39, [2, 3, 4]],
    ["never the newest, by count", 0, 999, [4]],
    ["never the newest, by bytes", 9, 1, [4]],
  ])("%s", async (_name, files, bytes, left) => {
    const folder = temporaryFolder();
    for (const number of [1, 2, 3, 4]) writeFileSync(segmentPath(folder, number), "0123456789");
    await pruneSegments(folder, { files, bytes });
    expect((await listSegments(folder)).map(({ number }) => number)).toEqual(left);
  });

  it("another host's and format's count and go as ours do: the folder has one bound", async () => {
    const folder = temporaryFolder();
    const firsts = [header({ host: OTHER_HOST }), header(NEWER), header(), header()];
    for (const [index, first] of firsts.entries()) {
      writeFileSync(segmentPath(folder, index + 1), `${first}\n`.padEnd(300));
    }
    await pruneSegments(folder, { files: 9, bytes: 900 });
    expect((await listSegments(folder)).map(({ number }) => number)).toEqual([2, 3, 4]);
  });
});

describe("cut off anywhere", () => {
  /** A whole migration with an umlaut in its name, then one of another VM in the queue. */
  async function journal(): Promise<Buffer> {
    const written = await desk();
    bringTo("ended", written.accept("m1", { vmName: "Gästin" }).run);
    written.accept("m2");
    return readFileSync(segmentPath(written.folder, 1));
  }

  it("replay never throws, keeps the order and invents nothing", async () => {
    const bytes = await journal();
    const whole = bytes.toString("utf8");
    const endsAt = Buffer.byteLength(whole.slice(0, whole.indexOf("\n", whole.indexOf('"ended"'))));
    const lines = whole.split("\n").slice(1);
    let records: readonly JournalRecord[] = [];
    for (let length = 0; length <= bytes.length; length += 1) {
      const segment = parseSegment(FILE, bytes.toString("utf8", 0, length), OWNER);
      const { migrations, events, nextSeq } = replay([segment], BOOT);
      const grown = recordsOf(segment);
      if (grown.length > records.length) {
        expect(grown.map((record) => JSON.stringify(record))).toEqual(lines.slice(0, grown.length));
        expect(migrations.map(({ id }) => id)).toEqual(["m1", "m2"].slice(0, migrations.length));
        expect(() => explain([segment], { vmId: VM, migrationId: null }, "ok")).not.toThrow();
      }
      records = grown;
      const outcome = migrations[0]?.migration.end?.outcome ?? null;
      const isWhole = length >= endsAt;
      const isTrue =
        (outcome !== null) === isWhole &&
        (migrations[0]?.migration.phase === "ended") === isWhole &&
        events.every(({ seq }, at) => seq === at + 1) &&
        nextSeq === events.length + 1;
      expect(isTrue, `cut off at ${length}`).toBe(true);
    }
    expect(records).toHaveLength(lines.length - 1);
  }, 30_000);

  it("what was told the engine in a line and what was decided in it stay together", async () => {
    const lines = (await journal()).toString("utf8").split("\n").slice(0, -1);
    for (let count = 1; count <= lines.length; count += 1) {
      const text = lines.slice(0, count).join("\n");
      const replayed = replay([parseSegment(FILE, text, OWNER)], BOOT);
      const ended = replayed.events.filter(({ method }) => method.includes("|ended|")).length;
      const outcomes = replayed.migrations.filter(({ migration }) => migration.end !== null);
      expect(outcomes).toHaveLength(ended);
    }
  });
});
