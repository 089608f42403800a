/**
 * VM.migrate and the getters end to end: which guests migrate and how, which are refused, and what
 * an engine hears and sees on both hosts during and after a migration.
 */
import { describe, expect, it } from "vitest";
import type { Guest } from "../lab/api.ts";
import type { Daemon } from "../lab/daemon.ts";
import { sharedLab } from "../lab/shared-lab.ts";
import { until } from "../lab/until.ts";
import {
  cancelAll,
  ENDLESS,
  ENDLESS_PARAMS,
  expectRunsOn,
  heard,
  logged,
  migrateRunning,
  refusal,
  RESTLESS,
  useDaemons,
  vmStats,
  startForTest,
} from "./pair.ts";

const ENDLESS_TO_B = { dst: "host-b", ...ENDLESS_PARAMS };

/** A healthy migration takes some fifteen log lines. */
const LOG_LINES_MAX = 16;

function expectStory(daemon: Daemon, guest: Guest): void {
  const story = logged(daemon, guest.uuid);
  expect(story.length).toBeLessThanOrEqual(LOG_LINES_MAX);
  expect(story[0]).toMatchObject({ msg: "migration accepted", by: expect.stringMatching(/^uid /) });
  const { migrationId } = story[0] ?? {};
  for (const line of story) expect(line).toMatchObject({ migrationId, vmName: guest.name });
}

describe("two daemons", () => {
  const pair = useDaemons({ vars: { min_migration_bandwidth: 1, max_outgoing_migrations: 1 } });

  it("move a transient guest, which lives only there, and tell it in order", async () => {
    const guest = await pair.lab.a.startGuest({ workingSetMiB: 4, ratePagesPerSecond: 256 });

    const accepted = await pair.a.call("VM.migrate", {
      vmID: guest.uuid,
      params: { dst: "host-b" },
    });

    expect(accepted).toBe(true);
    const ended = await pair.a.ended(guest.uuid);
    expect(ended).toMatchObject({
      outcome: "completed",
      reason: "arrived",
      code: 0,
      where: "destination",
      confirmed: true,
    });
    await expectRunsOn(guest, pair.lab.b);
    expect(await pair.lab.a.domains()).toEqual([]);
    expect(await pair.lab.b.domains()).toEqual([
      { name: guest.name, uuid: guest.uuid, state: "running", persistent: false },
    ]);

    expectStory(pair.a, guest);
    const all = heard(pair.a, guest.uuid);
    expect(all[0]).toMatchObject({ name: "VM_status", fields: { status: "Migration Source" } });
    expect(all.slice(-3)).toMatchObject([
      {
        name: "VM_migration_status",
        vmId: guest.uuid,
        fields: { progress: 100, postcopy: false, downtime: ended["downtime"] },
      },
      {
        name: "VM_status",
        vmId: guest.uuid,
        fields: {
          status: "Down",
          exitCode: 0,
          exitReason: 4,
          exitMessage: "Migration succeeded",
        },
      },
      { name: "VM_migration_ended", vmId: guest.uuid, fields: ended },
    ]);
    expect(Number(ended["downtime"])).toBeGreaterThanOrEqual(0);
    expect(all.filter((event) => event.name === "VM_migration_ended")).toHaveLength(1);
    const progress = all
      .filter((event) => event.name === "VM_migration_status")
      .map((event) => Number(event.fields["progress"]));
    expect(progress).toEqual(progress.toSorted((one, other) => one - other));
    // No event follows the end, and the record stays.
    expect(await pair.a.call("VM.getMigrationStatus", { vmID: guest.uuid })).toMatchObject({
      status: { code: 0 },
      progress: 100,
      outcome: "completed",
    });
    expect(await vmStats(pair.a, guest.uuid)).toMatchObject({
      status: "Down",
      exitCode: 0,
      exitReason: 4,
    });
    expect(await vmStats(pair.b, guest.uuid)).toMatchObject({ status: "Up" });
    expect(heard(pair.a, guest.uuid)).toEqual(all);
  });

  it("move a persistent guest with its definition, and leave none behind", async () => {
    const guest = await pair.lab.a.startGuest({ persistent: true });

    await pair.a.call("migrate", { vmID: guest.uuid, dst: "host-b" });

    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
    await expectRunsOn(guest, pair.lab.b);
    expect(await pair.lab.a.domains()).toEqual([]);
    expect(await pair.lab.b.domains()).toEqual([
      { name: guest.name, uuid: guest.uuid, state: "running", persistent: true },
    ]);
  });

  it("move a paused guest paused, without post-copy", async () => {
    const guest = await pair.lab.a.startGuest({ filledMiB: 16 });
    await pair.lab.a.virsh("suspend", guest.uuid);
    const counted = guest.counter().value;

    await migrateRunning(pair.a, guest, { dst: "host-b", maxBandwidth: 8 });

    expect(await pair.a.migration(guest.uuid)).toMatchObject({
      postcopyPossible: false,
      postcopyUnavailableReason: expect.stringContaining("paused"),
    });
    const wish = pair.a.call("VM.migrateChangeParams", {
      vmID: guest.uuid,
      migrationTechnique: "post-copy",
    });
    await expect(wish).rejects.toMatchObject(refusal(102, /post-copy.*paused/));
    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
    expect(await pair.lab.b.domains()).toMatchObject([{ uuid: guest.uuid, state: "paused" }]);
    expect(await vmStats(pair.b, guest.uuid)).toMatchObject({ status: "Paused" });
    expect(guest.counter().value).toBe(counted);

    await pair.lab.b.virsh("resume", guest.uuid);
    await expectRunsOn(guest, pair.lab.b);
  });

  it("refuse a VM that libvirt is busy with, and name the operation", async () => {
    const guest = await pair.lab.a.startGuest(RESTLESS);
    const args = ["migrate", "--live", "--p2p", "--bandwidth", "2", guest.uuid];
    const foreign = pair.lab.a.tryExec("virsh", [...args, "qemu+tcp://host-b/system"]);
    await until(
      async () => (await vmStats(pair.a, guest.uuid))["status"] === "Migration Source",
      10_000,
      "the migration by virsh is seen",
    );

    const mine = pair.a.call("VM.migrate", { vmID: guest.uuid, params: { dst: "host-b" } });

    await expect(mine).rejects.toMatchObject(refusal(51, /migrationOut/));
    expect(await pair.a.call("Host.getStats")).toMatchObject({
      outgoingVmMigrations: 1,
      queuedVmMigrations: 0,
    });
    expect(heard(pair.a, guest.uuid)).toEqual([]);
    await pair.lab.a.virsh("domjobabort", guest.uuid);
    expect((await foreign).status).not.toBe(0);
    await expectRunsOn(guest, pair.lab.a);
  });

  it("show a guest on its way, and one that waits, on both ends", async () => {
    const moving = await pair.lab.a.startGuest(ENDLESS);
    const waiting = await pair.lab.a.startGuest();
    await migrateRunning(pair.a, moving, ENDLESS_TO_B);
    await pair.a.call("VM.migrate", { vmID: waiting.uuid, params: { dst: "host-b" } });

    expect(await pair.a.call("Host.getStats")).toMatchObject({
      vmCount: 2,
      vmActive: 0,
      vmMigrating: 1,
      outgoingVmMigrations: 1,
      incomingVmMigrations: 0,
      queuedVmMigrations: 1,
    });
    expect(await pair.b.call("Host.getStats")).toMatchObject({
      vmCount: 1,
      vmActive: 0,
      vmMigrating: 1,
      outgoingVmMigrations: 0,
      incomingVmMigrations: 1,
      queuedVmMigrations: 0,
    });
    const source = { vmId: moving.uuid, status: "Migration Source" };
    const queued = { vmId: waiting.uuid, status: "Migration Source" };
    const inAnyOrder = (...all: object[]) =>
      expect.arrayContaining(all.map((each) => expect.objectContaining(each)));
    expect(await pair.a.call("Host.getVMList")).toEqual(inAnyOrder(source, queued));
    expect(await pair.a.call("Host.getAllVmStats")).toEqual(
      inAnyOrder({ ...source, vmName: moving.name }, { ...queued, vmName: waiting.name }),
    );
    expect(await vmStats(pair.a, moving.uuid)).toMatchObject({
      ...source,
      migrationProgress: expect.any(Number),
    });
    expect(await vmStats(pair.a, waiting.uuid)).toMatchObject({ migrationProgress: 0 });
    const destination = { vmId: moving.uuid, status: "Migration Destination" };
    // Guests of earlier tests that ended there are Down.
    expect(await pair.b.call("Host.getVMList")).toEqual(
      expect.arrayContaining([{ ...destination, statusTime: expect.stringMatching(/^\d+$/) }]),
    );
    expect(await pair.b.call("Host.getAllVmStats")).toEqual(inAnyOrder(destination));
    expect(await vmStats(pair.b, moving.uuid)).toMatchObject(destination);
    expect(await pair.a.call("VM.getMigrationStatus", { vmID: moving.uuid })).toMatchObject({
      status: { code: 0, message: "Migration in progress" },
      phase: "running",
    });
    expect(await pair.a.migration(moving.uuid)).toMatchObject({
      phase: "running",
      mode: "remote",
      dst: "host-b",
      downtimeOwner: "engine",
      downtime: 1,
      postcopyPossible: true,
      destination: "counted",
    });
    expect(await pair.a.migration(waiting.uuid)).toMatchObject({
      phase: "queued",
      stalledFor: 0,
      downtimeOwner: "steps",
    });
    await cancelAll(pair.a, [waiting, moving]);
  });
});

describe("a destination whose daemon goes away", () => {
  const lab = sharedLab();

  it("gets the guest all the same, and confirms it when its daemon is back", async () => {
    const a = await startForTest(lab.a);
    const gone = await startForTest(lab.b);
    const guest = await lab.a.startGuest(ENDLESS);
    await migrateRunning(a, guest, { dst: "host-b", ...ENDLESS_PARAMS });
    await gone.process.kill();

    await a.call("VM.migrateChangeParams", { vmID: guest.uuid, params: { downtime: 10_000 } });

    expect(await a.ended(guest.uuid)).toMatchObject({
      outcome: "completed",
      reason: "arrived",
      where: "destination",
      confirmed: false,
    });
    await expectRunsOn(guest, lab.b);
    await startForTest(lab.b);
    const confirmed = await a.migrationIs(
      guest.uuid,
      (each) => (each["outcome"] as Record<string, unknown>)["confirmed"] === true,
    );
    expect(confirmed).toMatchObject({ outcome: { outcome: "completed", where: "destination" } });
    expect(
      heard(a, guest.uuid).filter((event) => event.name === "VM_migration_ended"),
    ).toHaveLength(1);
    await lab.clear();
  });
});
