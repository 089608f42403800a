/**
 * A journal of which a part cannot be used: what is wrong with it is said once, with the field; what was
 * running is watched all the same, by the configured limits; nothing that waited is begun on a guess; and
 * the journal's other migrations are as if nothing had been.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import type { MigrationEntry } from "../../../src/wire/migration-answer.ts";
import { BOOT, HOST } from "../../journal/fixtures.ts";
import { SmallHost, WELCOMING } from "../small-host.ts";

const SPOILT = "11111111-1111-4111-8111-111111111111";
const SOUND = "22222222-2222-4222-8222-222222222222";
const WAITING = "33333333-3333-4333-8333-333333333333";
const VARS = { max_outgoing_migrations: 2, migration_progress_timeout: 77 };

/** Two that run and one that waits; their daemon is gone. */
async function migrating(): Promise<SmallHost> {
  const host = await SmallHost.up({ vars: VARS, destination: WELCOMING });
  for (const vmId of [SPOILT, SOUND, WAITING]) host.hypervisor.put(vmId);
  for (const vmId of [SPOILT, SOUND]) {
    await host.migrate(vmId, { progressTimeoutMs: 33_000 });
    await host.until(() => host.hypervisor.out.has(vmId) || undefined, "its call");
    host.hypervisor.flow(vmId);
    await runs(host, vmId);
  }
  await host.migrate(WAITING);
  await host.stop();
  return host;
}

/** What Host.getMigrations says of it once its data move. */
function runs(host: SmallHost, vmId: string): Promise<MigrationEntry> {
  return host.until(async () => {
    const found = await of(host, vmId);
    return found?.["phase"] === "running" ? found : undefined;
  }, `${vmId} running`);
}

function rewrite(host: SmallHost, change: (line: string) => string): void {
  for (const name of readdirSync(host.folder).filter((each) => each.endsWith(".jsonl"))) {
    const file = path.join(host.folder, name);
    const lines = readFileSync(file, "utf8").split("\n");
    writeFileSync(file, lines.map(change).join("\n"));
  }
}

/** A segment after all others. */
function append(host: SmallHost, text: string): void {
  writeFileSync(path.join(host.folder, "journal-00000099.jsonl"), text);
}

async function of(host: SmallHost, vmId: string): Promise<MigrationEntry | undefined> {
  return (await host.service.migrations()).find((each) => each["vmId"] === vmId);
}

function errors(host: SmallHost): readonly unknown[] {
  const lines = host.lines.map((line): Record<string, unknown> => JSON.parse(line));
  return lines.filter(({ level }) => level === "error");
}

it("a field that is missing: named once, and the migration goes on under the configured limits", async () => {
  const before = await migrating();
  const spoilt = await of(before, SPOILT);
  rewrite(before, (line) =>
    line.startsWith('{"k":"migration"') && line.includes(SPOILT)
      ? line.replace('"limits":{"progressTimeoutMs":33000,', '"limits":{')
      : line,
  );
  const host = await before.restarted();
  expect(errors(host)).toMatchObject([
    {
      msg: "a migration in the journal cannot be used",
      migrationId: spoilt?.["migrationId"],
      vmId: SPOILT,
      why: "limits.progressTimeoutMs is missing",
    },
  ]);
  expect(await runs(host, SPOILT)).toMatchObject({
    migrationId: spoilt?.["migrationId"],
    parameters: { migrationProgressTimeout: 77 },
  });
  expect(await of(host, SOUND)).toMatchObject({
    dst: "host2",
    parameters: { migrationProgressTimeout: 33 },
  });
  expect(await of(host, WAITING)).toMatchObject({ phase: "queued" });

  const next = await host.restarted();
  expect(errors(next)).toEqual([]);
  expect(await of(next, SPOILT)).toMatchObject({ parameters: { migrationProgressTimeout: 77 } });
  next.hypervisor.leave(SPOILT);
  expect(await next.event("VM_migration_ended", SPOILT)).toBeDefined();
});

it.each<[string, (line: string) => string, unknown]>([
  [
    "the VM's id",
    (line) => line.replace(`"facts":{"vmId":"${SPOILT}",`, '"facts":{'),
    "facts.vmId is missing",
  ],
  ["all of it", (line) => line.replace(/"state":\{.*\}/, '"state":null}'), expect.any(String)],
])("what its state misses is %s: the request names the VM too", async (_name, spoil, why) => {
  const before = await migrating();
  rewrite(before, (line) =>
    line.startsWith('{"k":"migration"') && line.includes(SPOILT) ? spoil(line) : line,
  );
  const host = await before.restarted();
  expect(errors(host)).toMatchObject([{ vmId: SPOILT, why }]);
  expect(await runs(host, SPOILT)).toMatchObject({
    parameters: { migrationProgressTimeout: 77 },
  });
});

it("one that runs no more is forgotten, and somebody else's later one is left alone", async () => {
  const before = await migrating();
  rewrite(before, (line) => line.replaceAll(`"vmName":"vm-1111"`, '"vmName":1'));
  before.hypervisor.put(SPOILT);
  const host = await before.restarted();
  expect(errors(host)).toMatchObject([
    { vmId: SPOILT, why: "facts.vmName: expected string, got 1" },
  ]);
  expect(await of(host, SPOILT)).toBeUndefined();
  await host.stop();
  const { vms } = host.hypervisor;
  const running = vms.get(SOUND);
  const idle = vms.get(SPOILT);
  if (running === undefined || idle === undefined) throw new Error("they are there");
  vms.set(SPOILT, { ...idle, job: running.job });
  const next = await host.restarted();
  expect(errors(next)).toEqual([]);
  expect(await of(next, SPOILT)).toMatchObject({ phase: "foreign" });
});

const newer = JSON.stringify({
  format: 9,
  readableSince: 9,
  host: HOST,
  bootId: BOOT,
  epoch: "e",
  nextSeq: 500,
  atMs: 1,
  wallMs: 1,
});

it.each([
  ["of a newer format", `${newer}\n{"k":"news"}\n`, "written in format 9"],
  ["without a first line", "\u0000\n{}\n", "not a journal header"],
])(
  "a later segment %s: what ran is watched, what waited is not begun",
  async (_name, text, why) => {
    const before = await migrating();
    append(before, text);
    const host = await before.restarted();
    expect(errors(host)).toMatchObject([
      { trouble: expect.stringContaining(why) },
      ...[SPOILT, SOUND, WAITING].map((vmId) => ({
        vmId,
        why: expect.stringContaining("00000099"),
      })),
    ]);
    for (const vmId of [SPOILT, SOUND]) {
      expect(await runs(host, vmId)).toMatchObject({
        parameters: { migrationProgressTimeout: 77 },
      });
    }
    expect(await of(host, WAITING)).toBeUndefined();
  },
);

it("a later segment of a newer format that this one's readers can use is gone on with", async () => {
  const before = await migrating();
  append(before, `${newer.replace('"readableSince":9', '"readableSince":2')}\n{"k":"news"}\n`);
  const host = await before.restarted();
  expect(errors(host)).toEqual([]);
  expect(await of(host, SOUND)).toMatchObject({ dst: "host2" });
  expect(await of(host, WAITING)).toMatchObject({ phase: "queued" });
});

it("a later segment that its writer was killed over changes nothing", async () => {
  const before = await migrating();
  append(before, newer.slice(0, 30));
  const host = await before.restarted();
  expect(errors(host)).toEqual([]);
  expect(await of(host, WAITING)).toMatchObject({ phase: "queued" });
});
