/**
 * VM.migrate with mode file: the guest is saved to an image with a parameter file beside it; a save
 * that does not complete leaves the guest running and the folder unchanged.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import type { Guest } from "../lab/api.ts";
import { expectRunsOn, heard, refusal, useDaemons, vmStats } from "./pair.ts";

const pair = useDaemons();
const FOLDER = "/var/lib/vdsm-migrationd/images";
const IMAGE = `${FOLDER}/image`;
const PARAMETERS = `${FOLDER}/parameters`;
const TO_FILE = { mode: "file", dst: IMAGE, dstparams: PARAMETERS };

/** Its save takes a second. */
const LARGE = { memoryMiB: 1024, filledMiB: 1000 };

const outside = (file: string): string => pair.lab.a.outsidePath(file);
const files = (): readonly string[] => readdirSync(outside(FOLDER));

beforeEach(async () => {
  await pair.lab.a.exec("sh", ["-c", `rm -rf ${FOLDER}/* && mkdir -p ${FOLDER}`]);
});

function save(guest: Guest, params: Record<string, unknown> = {}): Promise<unknown> {
  return pair.a.call("VM.migrate", { vmID: guest.uuid, params: { ...TO_FILE, ...params } });
}

function change(guest: Guest, params: Record<string, unknown>): Promise<unknown> {
  return pair.a.call("VM.migrateChangeParams", { vmID: guest.uuid, params });
}

describe("a hibernated guest", () => {
  it("is in its image, with its parameters beside it, and wakes with its count unbroken", async () => {
    const guest = await pair.lab.a.startGuest({ workingSetMiB: 4, ratePagesPerSecond: 256 });

    expect(await save(guest)).toBe(true);

    expect(await pair.a.ended(guest.uuid)).toMatchObject({
      outcome: "completed",
      reason: "saved",
      code: 0,
      where: "image",
      confirmed: true,
    });
    const told = heard(pair.a, guest.uuid);
    expect(told[0]).toMatchObject({ name: "VM_status", fields: { status: "Saving State" } });
    expect(told.slice(-3)).toMatchObject([
      { name: "VM_migration_status", fields: { progress: 100, postcopy: false } },
      { name: "VM_status", fields: { status: "Down", exitCode: 0, exitReason: 5 } },
      { name: "VM_migration_ended" },
    ]);
    expect(await guest.residence()).toEqual([]);
    expect(await vmStats(pair.a, guest.uuid)).toMatchObject({ status: "Down", exitReason: 5 });
    expect(statSync(outside(IMAGE)).size).toBeGreaterThan(4 * 2 ** 20);
    expect(statSync(outside(PARAMETERS)).mode & 0o777).toBe(0o600);
    const parameters: unknown = JSON.parse(readFileSync(outside(PARAMETERS), "utf8"));
    expect(parameters).toEqual({
      formatVersion: 1,
      vmId: guest.uuid,
      name: guest.name,
      host: "host-a",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
      domainXml: expect.stringContaining(`<uuid>${guest.uuid}</uuid>`),
    });

    await pair.lab.a.virsh("restore", IMAGE);
    await expectRunsOn(guest, pair.lab.a);
  });

  it("is saved by VM.hibernate in the same way, under the one name that it gives", async () => {
    const guest = await pair.lab.a.startGuest();
    const hibernate = (hibernationVolHandle: string): Promise<unknown> =>
      pair.a.call("VM.hibernate", { vmID: guest.uuid, hibernationVolHandle });

    await expect(hibernate("/tmp/vdsm-test-image")).rejects.toMatchObject(
      refusal(-32602, /^hibernationVolHandle: .*below/),
    );
    await expect(hibernate("d1,p1,i1,v1,i2,v2")).rejects.toMatchObject(
      refusal(-32602, /^hibernationVolHandle: .*absolute path/),
    );
    expect(await hibernate(IMAGE)).toBe(true);

    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", where: "image" });
    expect(files()).toEqual(["image", "image.json"]);
    expect(await pair.a.call("VM.getMigrationStatus", { vmID: guest.uuid })).toMatchObject({
      progress: 100,
      outcome: "completed",
    });
    const hasKvm = (await pair.lab.a.virsh("capabilities")).includes("<domain type='kvm'");
    expect(await pair.a.call("Host.getCapabilities")).toMatchObject({
      kvmEnabled: String(hasKvm),
    });
  });

  it("goes into files that are there and empty", async () => {
    const guest = await pair.lab.a.startGuest();
    writeFileSync(outside(IMAGE), "");
    writeFileSync(outside(PARAMETERS), "", { mode: 0o644 });

    await save(guest);

    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", where: "image" });
    expect(statSync(outside(PARAMETERS)).mode & 0o777).toBe(0o600);
  });
});

it("of two to one path at once one is saved, and the other goes on", async () => {
  const guests = await Promise.all([pair.lab.a.startGuest(), pair.lab.a.startGuest()]);
  const both = await Promise.allSettled(guests.map((guest) => save(guest)));
  const won = both.findIndex(({ status }) => status === "fulfilled");
  const [saved, stays] = won === 0 ? guests : guests.toReversed();
  if (saved === undefined || stays === undefined) throw new Error("no guests");
  const refused = both.find((each) => each.status === "rejected");
  expect(refused?.reason).toMatchObject(refusal(-32602, /^dst: .*image.*in use/));
  expect(await pair.a.ended(saved.uuid)).toMatchObject({ reason: "saved", where: "image" });
  expect(JSON.parse(readFileSync(outside(PARAMETERS), "utf8"))).toMatchObject({
    vmId: saved.uuid,
  });
  await expectRunsOn(stays, pair.lab.a);
  await pair.lab.a.virsh("restore", IMAGE);
  await expectRunsOn(saved, pair.lab.a);
});

describe("a save on its way", () => {
  it("is no migration, takes only the clocks, and is undone by a cancel", async () => {
    const guest = await pair.lab.a.startGuest(LARGE);
    await save(guest);
    await pair.a.migrationIs(guest.uuid, (each) => each["phase"] === "running");
    // Stopped, so that the save stays in progress while we ask.
    await guest.stopQemu(pair.lab.a);

    const [stats, migration, host] = await Promise.all([
      vmStats(pair.a, guest.uuid),
      pair.a.migration(guest.uuid),
      pair.a.call("Host.getStats"),
    ]);
    expect(stats).toMatchObject({ status: "Saving State" });
    expect(migration).toMatchObject({
      mode: "file",
      dst: IMAGE,
      phase: "running",
      downtimeOwner: "none",
      postcopyPossible: false,
    });
    expect(host).toMatchObject({
      vmMigrating: 0,
      outgoingVmMigrations: 0,
      incomingVmMigrations: 0,
      queuedVmMigrations: 0,
    });
    for (const params of [
      { downtime: 100 },
      { maxBandwidth: 100 },
      { migrationTechnique: "post-copy" },
      { stallingLimit: 9, downtime: 100 },
    ]) {
      await expect(change(guest, params)).rejects.toMatchObject(refusal(102, /saved to a file/));
    }
    expect(await change(guest, { stallingLimit: 8, migrationProgressTimeout: 80 })).toBe(true);
    expect(await pair.a.migration(guest.uuid)).toMatchObject({
      parameters: { stallingLimit: 8, migrationProgressTimeout: 80 },
    });

    const cancelled = pair.a.call("VM.migrateCancel", { vmID: guest.uuid });
    await pair.a.migrationIs(guest.uuid, (each) => each["phase"] === "cancelling");
    await guest.contQemu(pair.lab.a);

    expect(await cancelled).toBe(true);
    expect(await pair.a.ended(guest.uuid)).toMatchObject({
      outcome: "cancelled",
      code: 47,
      where: "source",
    });
    expect(await pair.lab.a.domains()).toMatchObject([{ uuid: guest.uuid, state: "running" }]);
    await expectRunsOn(guest, pair.lab.a);
    expect(files()).toEqual([]);
  });

  it("is aborted by the timeout when nothing is written any more", async () => {
    const guest = await pair.lab.a.startGuest(LARGE);
    await save(guest, { stallingLimit: 1, migrationProgressTimeout: 2 });
    await pair.a.migrationIs(guest.uuid, (each) => each["phase"] === "running");
    await guest.stopQemu(pair.lab.a);

    const aborting = await pair.a.migrationIs(guest.uuid, (each) => each["phase"] === "aborting");
    expect(aborting).toMatchObject({ stopping: { why: "progressTimeout" } });
    await guest.contQemu(pair.lab.a);

    expect(await pair.a.ended(guest.uuid)).toMatchObject({
      outcome: "failed",
      reason: "progressTimeout",
      where: "source",
    });
    expect(await pair.lab.a.domains()).toMatchObject([{ uuid: guest.uuid, state: "running" }]);
    await expectRunsOn(guest, pair.lab.a);
    expect(files()).toEqual([]);
  });
});

it("a path that could hurt the host is refused by name, and nothing is touched", async () => {
  const guest = await pair.lab.a.startGuest();
  mkdirSync(outside(`${FOLDER}/folder`));
  writeFileSync(outside(`${FOLDER}/full`), "x");
  symlinkSync("folder", outside(`${FOLDER}/link`));
  symlinkSync("nowhere", outside(`${FOLDER}/dangling`));
  const before = files();

  for (const [params, why] of [
    [{ dst: "images/image" }, /^dst: "images.image"/],
    [{ dst: "/tmp/vdsm-test-image" }, /^dst: .*below/],
    [{ dst: `${FOLDER}-too/image` }, /^dst: .*below/],
    [{ dst: `${FOLDER}/../image` }, /^dst: .*\.\./],
    [{ dst: FOLDER }, /^dst: .*below/],
    [{ dst: `${FOLDER}/absent/image` }, /^dst: .*not a directory/],
    [{ dst: `${FOLDER}/link/image` }, /^dst: .*link/],
    [{ dst: `${FOLDER}/dangling` }, /^dst: .*not a regular file/],
    [{ dst: `${FOLDER}/folder` }, /^dst: .*not a regular file/],
    [{ dst: `${FOLDER}/full` }, /^dst: .*not empty/],
    [{ dstparams: IMAGE }, /^dstparams: .*another file/],
    [{ dstparams: undefined }, /^dstparams is missing/],
    [{ dstparams: "parameters" }, /^dstparams: "parameters"/],
    [{ dstparams: `${FOLDER}/link/parameters` }, /^dstparams: .*link/],
    [{ dstparams: `${FOLDER}/full` }, /^dstparams: .*not empty/],
  ] as const) {
    await expect(save(guest, params), String(why)).rejects.toMatchObject(refusal(-32602, why));
    expect(files()).toEqual(before);
  }

  expect(readdirSync(outside(`${FOLDER}/folder`))).toEqual([]);
  expect(readFileSync(outside(`${FOLDER}/full`), "utf8")).toBe("x");
  expect(heard(pair.a, guest.uuid)).toEqual([]);
  await expectRunsOn(guest, pair.lab.a);
});
