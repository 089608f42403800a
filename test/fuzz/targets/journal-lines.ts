/** Journals, valid and almost valid, as bytes for the reader. */

import fc from "fast-check";
import { tmpdir } from "node:os";
import { systemClock } from "../../../src/clock.ts";
import { downtimeByEngine, downtimeBySteps } from "../../../src/core/downtime.ts";
import type { Migration } from "../../../src/core/migration.ts";
import { newMigration } from "../../../src/core/new-migration.ts";
import { FolderLock } from "../../../src/journal/folder-lock.ts";
import { defaultJournalLimits, Journal } from "../../../src/journal/journal.ts";
import type { HostIdentity } from "../../../src/journal/host-identity.ts";
import { JOURNAL_FORMAT, READABLE_SINCE } from "../../../src/journal/segments.ts";
import { MigrationJournal } from "../../../src/monitor/recovery/record.ts";
import { mutated, rawBytes } from "../bytes.ts";
import { objectText, STRINGS, stringText, valueText } from "../json-text.ts";
import { VM_IDS } from "../requests.ts";
import { watchedLog } from "../log.ts";

export const HOST: HostIdentity = { name: "host-a", machineId: null, hostUuid: null };
export const BOOT = "this-boot";
export const MIGRATION_IDS = ["m1", "m2"];

const limits = {
  progressTimeoutMs: 10_000,
  timeoutJudgesPasses: true,
  stallingLimitMs: 0,
  maxBandwidthMiBps: 52,
  minBandwidthMiBps: 10,
  postcopyStallTimeoutMs: 10_000,
};

function migrationOf(vmId: string, isStepped: boolean): Migration {
  const request = {
    vmId,
    vmName: "guest",
    mode: "remote",
    destination: "host-b",
    memoryBytes: 2 ** 30,
    limits,
    downtime: isStepped ? downtimeBySteps(500, 5, 100, 2 ** 30) : downtimeByEngine(null, 500),
    schedule: null,
    postCopy: { possible: true, unavailableReason: null },
    runState: "running",
  } as const;
  return newMigration(request, 1000);
}

const flags = {
  compressed: false,
  autoConverge: false,
  abortOnError: false,
  encrypted: false,
  tunneled: false,
};
/** Never started, so nothing is written. */
const options = {
  folder: tmpdir(),
  host: () => HOST,
  bootId: BOOT,
  limits: defaultJournalLimits,
  nowMs: () => systemClock.monotonicMs(),
  wallMs: () => systemClock.wallMs(),
};

/** What the daemon writes when it accepts a migration. */
export function acceptedRecord(id: string, vmId: string, isStepped: boolean): string {
  const call = {
    destinationUri: "qemu+tls://host-b/system",
    postcopyBandwidthMiBps: 0,
    persistent: false,
    destinationHosts: ["host-b"],
    ...flags,
  };
  const facts = {
    id,
    acceptedAtWallMs: 1_700_000_000_000,
    request: { vmId, mode: "remote", dst: "host-b", unknownKeys: [], ...flags },
    target: { mode: "remote", host: "host-b", port: 54_321, call },
  } as const;
  const migration = migrationOf(vmId, isStepped);
  const lock = new FolderLock(options.folder, { pid: 0, startedAt: "", listeners: [] });
  const written = new Journal(options, lock, watchedLog().log);
  const journal = new MigrationJournal(written, systemClock);
  return JSON.stringify(journal.entry(facts, migration).record(migration));
}

const own = MIGRATION_IDS.flatMap((id) =>
  VM_IDS.slice(0, 2).flatMap((vmId) => [
    acceptedRecord(id, vmId, true),
    acceptedRecord(id, vmId, false),
  ]),
);

const STATE_KEYS = Object.keys(migrationOf(VM_IDS[0] ?? "", true));
const CHANGES = [
  ['"phase"', '"running"'],
  ['"phase"', '"ended"'],
  ['"phase"', '"postCopy"'],
  ['"phase"', '"settling"'],
  ['"call"', '{"madeAtMs":1500}'],
  ['"call"', '{"madeAtMs":1e300}'],
  ['"call"', '{"returned":{"sinceMs":1,"succeeded":true,"refusal":null,"unwatched":null}}'],
  ['"admission"', '{"acceptedAtMs":-1e300}'],
  ['"sample"', '{"progressPercent":1e300}'],
  ['"stop"', '{"why":"cancel","sinceMs":0,"acceptedAtMs":null,"refusal":null}'],
  [
    '"schedule"',
    '{"schedule":{"init":[],"stalling":[{"limitPasses":-1,"action":{"kind":"abort"}}]},"cursor":7,"seenPass":0}',
  ],
  ['"admission"', '{"retryAtMs":-1}'],
] as const;

const change = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...CHANGES) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constantFrom(...STATE_KEYS, "__proto__").map((key) => JSON.stringify(key)),
      valueText,
    ),
  },
);
const changes = fc
  .array(change, { maxLength: 4 })
  .map((each) => `{${each.map(([key, value]) => `${key}:${value}`).join(",")}}`);
const time = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 2e9 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom("1e300", "-1", "null", '"1"', "8640000000000001") },
);
const id = fc.constantFrom(...MIGRATION_IDS, "m3", "__proto__").map((each) => `"${each}"`);
const decision = fc.oneof(
  fc.constantFrom(
    '{"rule":"accepted","what":"in the queue","numbers":{"a":1}}',
    '{"rule":"stop","what":"x","numbers":{"a":null,"__proto__":"b"}}',
  ),
  valueText,
);
const event = fc
  .tuple(fc.oneof(time, fc.constantFrom("1", "2", "9007199254740991")), valueText)
  .map(([seq, value]) => `{"seq":${seq},"method":"|virt|x|v","params":{"v":${value}}}`);
const listOf = (items: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(items, { maxLength: 3 }).map((each) => `[${each.join(",")}]`);
const step = fc
  .tuple(id, time, time, changes, listOf(decision), listOf(event))
  .map(
    ([own_, atMs, wallMs, d, x, e]) =>
      `{"k":"step","id":${own_},"atMs":${atMs},"wallMs":${wallMs},"d":${d},"x":${x},"e":${e}}`,
  );
const slots = fc
  .tuple(fc.constantFrom(...VM_IDS), stringText(fc.constantFrom(...STRINGS)), time)
  .map(
    ([vmId, source, ms]) =>
      `{"k":"slots","slots":[{"vmId":"${vmId}","source":${source},"reservedAtMs":${ms}}]}`,
  );
const events = fc
  .tuple(time, listOf(event))
  .map(([wallMs, e]) => `{"k":"events","wallMs":${wallMs},"e":${e}}`);
const odd = fc.oneof(
  valueText,
  objectText(fc.array(fc.tuple(fc.constantFrom("k", "id", "d", "e", "state"), valueText))),
);

const header = fc
  .tuple(
    fc.constantFrom(
      `"format":${JOURNAL_FORMAT},"readableSince":${READABLE_SINCE}`,
      `"format":${JOURNAL_FORMAT},"readableSince":${READABLE_SINCE}`,
      '"format":1',
      '"format":9,"readableSince":2',
      '"format":9,"readableSince":9',
    ),
    fc.constantFrom(JSON.stringify(HOST), JSON.stringify(HOST), '"host-a"', "{}", '"__proto__"'),
    fc.constantFrom(BOOT, BOOT, "an older boot"),
    fc.constantFrom("epoch-1", "epoch-1", "epoch-2"),
    fc.oneof(fc.nat({ max: 9 }).map(String), time),
  )
  .map(
    ([format, host, bootId, epoch, nextSeq]) =>
      `{${format},"host":${host},"bootId":"${bootId}","epoch":"${epoch}","nextSeq":${nextSeq},"atMs":1,"wallMs":1}`,
  );

const line = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...own) },
  { weight: 6, arbitrary: step },
  { weight: 1, arbitrary: slots },
  { weight: 2, arbitrary: events },
  { weight: 1, arbitrary: odd },
);

export const segmentBytes: fc.Arbitrary<Buffer> = fc.oneof(
  {
    weight: 12,
    arbitrary: mutated(
      fc
        .tuple(header, fc.array(line, { maxLength: 6 }))
        .map(([first, lines]) => Buffer.from(`${[first, ...lines].join("\n")}\n`)),
    ),
  },
  { weight: 1, arbitrary: rawBytes.map((bytes) => Buffer.from(bytes)) },
);
