/**
 * The journal: segments with any content. Reading never throws; a truncated segment loses only its
 * last line; and what replay, recovery and explain make of the rest is numbers that can be
 * continued and states that the core can step. A journal can be continued after such segments, and
 * its own records are read back.
 */
import fc from "fast-check";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/clock.ts";
import { step } from "../../../src/core/step.ts";
import { FolderLock } from "../../../src/journal/folder-lock.ts";
import { defaultJournalLimits, Journal } from "../../../src/journal/journal.ts";
import { parseSegment, type Segment, segmentPath } from "../../../src/journal/segments.ts";
import { explain } from "../../../src/monitor/recovery/explain.ts";
import { replay } from "../../../src/monitor/recovery/replay.ts";
import { EventRing } from "../../../src/rpc/event-ring.ts";
import { watchedLog } from "../log.ts";
import { VM_IDS } from "../requests.ts";
import { claim, pure, show, type Target } from "../target.ts";
import { BOOT, HOST, MIGRATION_IDS, segmentBytes } from "./journal-lines.ts";

interface Segments {
  readonly segments: readonly Uint8Array[];
  /** Where the last segment is cut off. */
  readonly cut: number;
}

const input: fc.Arbitrary<Segments> = fc.record({
  segments: fc.array(segmentBytes, { minLength: 1, maxLength: 3 }),
  cut: fc.nat({ max: 0xffff }),
});

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

function parsed(text: string, number: number): Segment {
  const file = { number, path: `journal-${number}`, bytes: text.length };
  return parseSegment(file, text, { host: HOST, bootId: BOOT });
}

/** A kill at any byte leaves a prefix of the same records. **Fails**: Error. */
function claimCut(text: string, at: number): void {
  const whole = parsed(text, 1);
  const cut = parsed(text.slice(0, at % (text.length + 1)), 1);
  if (cut.kind === "skipped" || whole.kind === "skipped") return;
  const first = whole.records.slice(0, cut.records.length);
  // Compared by keys, because a record may be nested deeper than JSON.stringify supports.
  const keys = (records: readonly object[]): string =>
    records.map((record) => Object.keys(record).join(" ")).join("\n");
  claim(keys(cut.records) === keys(first), "different records after a cut");
  claim(cut.unreadableLines <= whole.unreadableLines, "more unreadable lines after a cut");
}

/** **Fails**: Error. */
function claimReplay(segments: readonly Segment[]): void {
  const replayed = replay(segments, BOOT);
  const { nextSeq, events, migrations, epoch } = replayed;
  claim(Number.isSafeInteger(nextSeq) && nextSeq > 0, `the next event number is ${nextSeq}`);
  claim(
    events.every(({ seq }) => seq < nextSeq),
    "an event beyond the next number",
  );
  const ring = new EventRing();
  ring.restore({ epoch, nextSeq, events });
  claim(ring.next === nextSeq, `the ring continues with ${ring.next}, not ${nextSeq}`);
  claim(JSON.stringify(ring.read(0)) !== "", "the ring cannot be read");
  for (const { migration } of migrations) {
    for (const after of ["daemonDown", "hostDown"] as const) {
      const { migration: restored } = step(
        migration,
        { kind: "restore", after, uptimeSinceMs: 0, lastAtMs: null },
        5000,
      );
      const cycle = {
        kind: "cycle",
        timer: true,
        sample: null,
        sourceMigrations: 1,
        destination: { kind: "unknown", silentQueries: 1 },
      } as const;
      const { migration: later } = step(restored, cycle, 6000);
      step(later, { kind: "cancel" }, 7000);
    }
  }
  for (const vmId of VM_IDS.slice(0, 2)) {
    for (const migrationId of [null, ...MIGRATION_IDS]) {
      JSON.stringify(explain(segments, { vmId, migrationId }, "ok"));
    }
  }
}

export const journalText = pure<Segments>(
  { name: "journal-text", input, share: 7 },
  ({ segments, cut }) => {
    const texts = segments.map(textOf);
    claimReplay(texts.map((text, index) => parsed(text, index + 1)));
    claimCut(texts.at(-1) ?? "", cut);
  },
);

const limits = { ...defaultJournalLimits, files: 4, totalBytes: 20_000, segmentBytes: 2000 };

const clock = {
  nowMs: () => systemClock.monotonicMs(),
  wallMs: () => systemClock.wallMs(),
};

export const journalFiles: Target<Segments> = {
  name: "journal-files",
  input,
  batch: 4,
  share: 1,
  start: async () => {
    const top = await mkdtemp(join(tmpdir(), "vdsm-fuzz-"));
    const journal = watchedLog();
    return {
      run: async ({ segments, cut }) => {
        const folder = await mkdtemp(join(top, "j-"));
        const numbers = segments.map((_bytes, index) => index * (1 + (cut % 3)) + 1);
        for (const [index, bytes] of segments.entries()) {
          await writeFile(segmentPath(folder, numbers[index] ?? 1), bytes);
        }
        const options = { folder, host: () => HOST, bootId: BOOT, limits, ...clock };
        const lock = new FolderLock(folder, { pid: process.pid, startedAt: "", listeners: [] });
        const written = new Journal(options, lock, journal.log);
        const before = await written.read();
        claim(before.length === segments.length, `${before.length} segments`);
        claimReplay(before);
        await written.begin({ epoch: "e", nextSeq: () => 7, carried: () => [{ k: "carried" }] });
        written.append({ k: "own", text: "a\nb\u2028\ud800" });
        await written.close();
        claim(written.failing === null, `failing: ${written.failing}`);
        const last = (await written.read()).at(-1);
        claim(
          last?.kind === "read" && last.header.nextSeq === 7,
          `cannot read its own segment: ${show(last)}`,
        );
        claim(last.records.length === 2 && last.unreadableLines === 0, `records ${show(last)}`);
        journal.claimClean();
        lock.release();
        await rm(folder, { recursive: true, force: true });
      },
      check: async () => await Promise.resolve(),
      stop: async () => await rm(top, { recursive: true, force: true }),
    };
  },
};
