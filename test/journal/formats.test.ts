/**
 * The journals of every format that a daemon ever wrote (formats/), read by this one: what comes out of
 * each is what the daemon that wrote it would itself have gone on with (known.jsonl beside it).
 *
 * When the format changes, `REWRITE_FORMATS=1 npx vitest run --config test/vitest.config.ts --project unit
 * test/journal/formats.test.ts` plays the scenes again and keeps their journals as those of the format that
 * the code now writes. Folders of older formats are never written again.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import {
  JOURNAL_FORMAT,
  listSegments,
  readSegment,
  type JournalOwner,
  type Segment,
} from "../../src/journal/segments.ts";
import { decisionsIn, replay } from "../../src/monitor/recovery/replay.ts";
import { SmallHost } from "../monitor/small-host.ts";
import { BOOT, HOST } from "./fixtures.ts";
import { known } from "./formats/known.ts";
import { afterSource, ARRIVING, copyOf, handClock, record, SCENES, vm } from "./formats/scenes.ts";

const FORMATS = path.join(import.meta.dirname, "formats");
const REWRITE = process.env["REWRITE_FORMATS"] === "1";

/** The real hosts of the laboratory have names of their own. */
function ownerOf(journal: string): JournalOwner {
  const name = journal.endsWith("real-hosts") ? "host-a" : HOST.name;
  return { host: { ...HOST, name }, bootId: BOOT };
}

async function segmentsOf(journal: string): Promise<readonly Segment[]> {
  const files = await listSegments(path.resolve(FORMATS, journal));
  return await Promise.all(files.map((file) => readSegment(file, ownerOf(journal))));
}

const numbers = Array.from({ length: JOURNAL_FORMAT }, (_, at) => String(at + 1));
const journalsOf = (format: string): readonly string[] => readdirSync(path.join(FORMATS, format));

/** As it is written: what is undefined is not there. */
const plain = (value: object): unknown => JSON.parse(JSON.stringify(value));

function writeAnew(): void {
  it.each(Object.entries(SCENES))("written anew: %s", async (name, scene) => {
    const journal = path.join(String(JOURNAL_FORMAT), name);
    await record(name, scene, path.join(FORMATS, String(JOURNAL_FORMAT)));
    const lines = known(await segmentsOf(journal), BOOT).map((each) => `${JSON.stringify(each)}\n`);
    writeFileSync(path.join(FORMATS, journal, "known.jsonl"), lines.join(""));
  });
}

function check(): void {
  describe.each(numbers)("a journal of format %s", (format) => {
    it.each(journalsOf(format))("%s is known as its daemon knew it", async (name) => {
      const journal = path.join(format, name);
      const kept = readFileSync(path.join(FORMATS, journal, "known.jsonl"), "utf8");
      const read = known(await segmentsOf(journal), BOOT);
      expect(read.map(plain)).toEqual(
        kept
          .trimEnd()
          .split("\n")
          .map((line): unknown => JSON.parse(line)),
      );
    });

    it("is gone on with by this daemon, whose own segment holds all that is live", async () => {
      const folder = copyOf(path.join(FORMATS, format, "source"));
      const clock = handClock(120_000);
      const { vms } = afterSource(clock);
      const vars = { max_outgoing_migrations: 1, migration_monitor_interval: 1 };
      const host = await SmallHost.up({ folder, clock, vms, vars, destination: ARRIVING });
      const answers = await host.service.migrations();
      expect(answers.map(({ vmId, phase }) => [vmId, phase])).toEqual([
        [vm(1), "running"],
        [vm(2), "postCopy"],
        [vm(7), "running"],
        [vm(6), "starting"],
        [vm(3), "queued"],
        [vm(4), "starting"],
        [vm(5), "queued"],
      ]);
      expect(answers[0]).toMatchObject({
        migrationId: "migration-1",
        stalledFor: 18,
        downtimeOwner: "engine",
        parameters: { migrationProgressTimeout: 60, stallingLimit: 2, maxBandwidth: 40 },
      });
      const newest = (await segmentsOf(folder)).at(-1);
      expect(newest).toMatchObject({
        kind: "read",
        header: { format: JOURNAL_FORMAT, host: HOST },
      });
      const carried = replay(newest === undefined ? [] : [newest], BOOT);
      expect(carried).toMatchObject({ unusable: [], troubles: [] });
      expect(carried.migrations.map(({ id }) => id)).toEqual(
        answers.map(({ migrationId }) => migrationId),
      );
    });
  });
}

it("format 1 named the cap of a stall as if it were the engine's maximum", async () => {
  const segments = await segmentsOf("1/source");
  const { migrations } = replay(segments, BOOT);
  const stalls = migrations
    .flatMap(({ id }) => decisionsIn(segments, id))
    .filter(({ rule }) => rule === "stalling");
  expect(stalls[0]?.numbers["capMiBps"]).toBeGreaterThan(0);
  for (const { numbers } of stalls) expect(numbers).not.toHaveProperty("maxBandwidthMiBps");
});

if (REWRITE) writeAnew();
else check();
