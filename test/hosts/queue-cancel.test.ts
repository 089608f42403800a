/**
 * The outgoing limit, cancels in each phase of a migration, and migrateChangeParams in the states
 * that allow or refuse it.
 */
import { describe, expect, it } from "vitest";
import type { Guest } from "../lab/api.ts";
import {
  cancelAll,
  cyclesOf,
  ENDLESS,
  ENDLESS_PARAMS,
  expectRunsOn,
  heard,
  migrateRunning,
  refusal,
  useDaemons,
} from "./pair.ts";

const pair = useDaemons({
  vars: {
    min_migration_bandwidth: 1,
    max_outgoing_migrations: 1,
    migration_postcopy_bandwidth: 4,
  },
});
const ENDLESS_TO_B = { dst: "host-b", ...ENDLESS_PARAMS };

function startEndless(): Promise<Guest> {
  return pair.lab.a.startGuest(ENDLESS);
}

function migrate(guest: Guest, params: Record<string, unknown> = {}): Promise<unknown> {
  return pair.a.call("VM.migrate", { vmID: guest.uuid, params: { ...ENDLESS_TO_B, ...params } });
}

function change(guest: Guest, params: Record<string, unknown>): Promise<unknown> {
  return pair.a.call("VM.migrateChangeParams", { vmID: guest.uuid, params });
}

function cancel(guest: Guest): Promise<unknown> {
  return pair.a.call("VM.migrateCancel", { vmID: guest.uuid });
}

async function phasesOf(guests: readonly Guest[]): Promise<readonly unknown[]> {
  return Promise.all(guests.map(async ({ uuid }) => (await pair.a.migration(uuid))["phase"]));
}

/** Reported once as cancelled, and the guest never noticed. */
async function expectCancelled(guest: Guest): Promise<void> {
  const ends = heard(pair.a, guest.uuid).filter((event) => event.name === "VM_migration_ended");
  expect(ends).toHaveLength(1);
  expect(ends[0]?.fields).toMatchObject({
    outcome: "cancelled",
    reason: "cancelled",
    code: 47,
    where: "source",
    confirmed: true,
  });
  expect(await pair.a.migration(guest.uuid)).toMatchObject({ phase: "ended" });
  const [domain] = await pair.lab.a.domains();
  expect(domain).toMatchObject({ uuid: guest.uuid, state: "running" });
  expect(await pair.lab.a.virsh("domjobinfo", guest.uuid)).toMatch(/None/);
  await expectRunsOn(guest, pair.lab.a);
}

describe("the queue", () => {
  it("lets one go at a time, in order, and no clock runs for those that wait", async () => {
    const [first, second, third] = await Promise.all([
      startEndless(),
      startEndless(),
      startEndless(),
    ]);
    await migrateRunning(pair.a, first, ENDLESS_TO_B);
    await migrate(second, { migrationProgressTimeout: 1, stallingLimit: 1 });
    await migrate(third);
    expect(await phasesOf([first, second, third])).toEqual(["running", "queued", "queued"]);
    expect(await pair.a.call("Host.getStats")).toMatchObject({ queuedVmMigrations: 2 });
    expect(await pair.a.call("VM.getMigrationStatus", { vmID: second.uuid })).toMatchObject({
      phase: "queued",
      progress: 0,
      stalledFor: 0,
    });

    // Ten cycles are twice its timeout of 1 s.
    const waited = cyclesOf(pair.a, first.uuid) + 10;
    await pair.a.migrationIs(first.uuid, () => cyclesOf(pair.a, first.uuid) >= waited);
    expect(await pair.a.migration(second.uuid)).toMatchObject({
      phase: "queued",
      stalledFor: 0,
      timeoutIn: 1,
    });
    expect(heard(pair.a, second.uuid).map(({ fields }) => fields)).toMatchObject([
      { status: "Migration Source" },
    ]);
    await change(second, { migrationProgressTimeout: 60 });

    await cancel(first);
    await pair.a.migrationIs(second.uuid, (each) => each["phase"] === "running");
    expect(await phasesOf([second, third])).toEqual(["running", "queued"]);
    await cancel(second);
    await pair.a.migrationIs(third.uuid, (each) => each["phase"] === "running");
    expect(await pair.a.call("Host.getStats")).toMatchObject({ queuedVmMigrations: 0 });
    await cancel(third);
  });

  it("hands what was changed in it to the start", async () => {
    const [first, second] = await Promise.all([startEndless(), startEndless()]);
    await migrateRunning(pair.a, first, ENDLESS_TO_B);
    await migrate(second, { downtime: 100 });

    expect(
      await change(second, { downtime: 77, maxBandwidth: 7, migrationProgressTimeout: 33 }),
    ).toBe(true);
    expect(await change(second, { stallingLimit: 5 })).toBe(true);
    await cancel(first);
    // Its share is 3 MiB/s as long as the destination still counts the one that was cancelled.
    await pair.a.migrationIs(
      second.uuid,
      (each) => each["phase"] === "running" && each["capApplied"] === 7,
    );

    expect(await pair.a.migration(second.uuid)).toMatchObject({
      downtime: 77,
      downtimeOwner: "engine",
      parameters: { maxBandwidth: 7, migrationProgressTimeout: 33, stallingLimit: 5 },
    });
    expect((await pair.lab.a.virsh("migrate-getspeed", second.uuid)).trim()).toBe("7");
    expect((await pair.lab.a.virsh("migrate-getmaxdowntime", second.uuid)).trim()).toBe("77");
    await cancel(second);
  });
});

describe("a cancel", () => {
  it("ends one that has only just been accepted", async () => {
    const guest = await startEndless();
    await migrate(guest);

    expect(await cancel(guest)).toBe(true);

    await expectCancelled(guest);
  });

  it("ends one whose call is out and that libvirt does not show yet", async () => {
    const guest = await startEndless();
    await migrate(guest);
    await pair.a.migrationIs(guest.uuid, (each) => each["phase"] === "starting");

    expect(await cancel(guest)).toBe(true);

    await expectCancelled(guest);
  });

  it("ends one that is running", async () => {
    const guest = await startEndless();
    await migrateRunning(pair.a, guest, ENDLESS_TO_B);

    expect(await cancel(guest)).toBe(true);

    await expectCancelled(guest);
  });
});

describe("post-copy", () => {
  it("cannot be cancelled nor steered, and only the clocks can be changed", async () => {
    // 20 MiB at 4 MiB/s: a few seconds in which to ask.
    const guest = await pair.lab.a.startGuest({ filledMiB: 20 });
    await migrateRunning(pair.a, guest, { dst: "host-b", maxBandwidth: 1 });
    await change(guest, { migrationTechnique: "post-copy" });
    await pair.a.migrationIs(guest.uuid, (each) => each["phase"] === "postCopy");

    await expect(cancel(guest)).rejects.toMatchObject(refusal(47, /post-copy/));
    await expect(change(guest, { migrationTechnique: "pre-copy" })).rejects.toMatchObject(
      refusal(102, /no way back/),
    );
    await expect(change(guest, { downtime: 100 })).rejects.toMatchObject(
      refusal(102, /downtime cannot be changed in post-copy/),
    );
    await expect(change(guest, { maxBandwidth: 100, stallingLimit: 9 })).rejects.toMatchObject(
      refusal(102, /maxBandwidth cannot be changed in post-copy/),
    );
    expect(await pair.a.migration(guest.uuid)).toMatchObject({ parameters: { stallingLimit: 0 } });
    expect(await change(guest, { migrationTechnique: "post-copy" })).toBe(true);
    expect(await change(guest, { stallingLimit: 7, migrationProgressTimeout: 70 })).toBe(true);
    expect(await pair.a.migration(guest.uuid)).toMatchObject({
      phase: "postCopy",
      parameters: { stallingLimit: 7, migrationProgressTimeout: 70 },
    });

    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
    await expectRunsOn(guest, pair.lab.b);
  });
});

describe("migrateChangeParams", () => {
  it("refuses what the state does not allow, and applies nothing of it", async () => {
    const guest = await startEndless();
    await migrateRunning(pair.a, guest, { ...ENDLESS_TO_B, parallel: 2 });
    expect(await pair.a.migration(guest.uuid)).toMatchObject({
      postcopyPossible: false,
      postcopyUnavailableReason: expect.stringContaining("parallel"),
    });

    const answer = change(guest, {
      migrationTechnique: "post-copy",
      downtime: 500,
      stallingLimit: 9,
    });

    await expect(answer).rejects.toMatchObject(refusal(102, /post-copy.*parallel/));
    expect(await pair.a.migration(guest.uuid)).toMatchObject({
      downtime: ENDLESS_PARAMS.downtime,
      parameters: { stallingLimit: 0 },
    });
    await cancelAll(pair.a, [guest]);
  });
});
