/**
 * Who owns the maximum downtime, and what libvirt really holds: every value is read back from
 * libvirt.
 */
import { expect, it } from "vitest";
import type { Guest } from "../lab/api.ts";
import { until } from "../lab/until.ts";
import { migrateRunning, RESTLESS, RESTLESS_CAP_MIBPS, useDaemons } from "./pair.ts";

/** 500 ms in 5 steps; 48 MiB x 100 s/GiB / 5: almost 1 s between steps. */
const pair = useDaemons({
  vars: {
    min_migration_bandwidth: 1,
    migration_downtime: 500,
    migration_downtime_steps: 5,
    migration_downtime_delay: 100,
  },
});
const STEPS_MS = [101, 104, 120, 189, 500];
const DOMAINS_OWN_MS = 321;
const RESTLESS_TO_B = { dst: "host-b", maxBandwidth: RESTLESS_CAP_MIBPS };

/** A restless guest whose domain already has a maximum downtime set. */
async function startRestless(): Promise<Guest> {
  const guest = await pair.lab.a.startGuest(RESTLESS);
  await pair.lab.a.virsh("migrate-setmaxdowntime", guest.uuid, String(DOMAINS_OWN_MS));
  expect(await heldMs(guest)).toBe(DOMAINS_OWN_MS);
  return guest;
}

/** What libvirt holds. */
async function heldMs(guest: Guest): Promise<number> {
  return Number((await pair.lab.a.virsh("migrate-getmaxdowntime", guest.uuid)).trim());
}

async function passBegins(guest: Guest, pass: number): Promise<void> {
  await pair.a.migrationIs(guest.uuid, (each) => Number(each["pass"]) >= pass);
}

async function expectPutBack(guest: Guest): Promise<void> {
  await until(
    async () => (await heldMs(guest)) === DOMAINS_OWN_MS,
    5_000,
    () => `the domain has its own downtime of ${DOMAINS_OWN_MS} ms again`,
  );
}

it("goes up by the configured steps, and the domain's own is put back after a cancel", async () => {
  const guest = await startRestless();
  await pair.a.call("VM.migrate", { vmID: guest.uuid, params: RESTLESS_TO_B });

  const held: number[] = [];
  const goesOn = async (): Promise<boolean> => {
    const now = await heldMs(guest);
    if (now !== (held.at(-1) ?? DOMAINS_OWN_MS)) held.push(now);
    return now === STEPS_MS.at(-1);
  };
  await until(goesOn, 30_000, () => `all steps are taken; held so far: ${held.join(", ")}`);

  expect(held).toEqual(STEPS_MS);
  expect(await pair.a.migration(guest.uuid)).toMatchObject({ downtimeOwner: "steps" });
  await pair.a.call("VM.migrateCancel", { vmID: guest.uuid });
  await expectPutBack(guest);
});

it("given by the engine never takes a step, and the domain's own is put back after a failure", async () => {
  const guest = await startRestless();
  const params = { ...RESTLESS_TO_B, downtime: 50, migrationProgressTimeout: 3 };
  await migrateRunning(pair.a, guest, params);

  for (const pass of [1, 2]) {
    await passBegins(guest, pass);
    expect(await heldMs(guest)).toBe(50);
  }

  expect(await pair.a.migration(guest.uuid)).toMatchObject({
    downtimeOwner: "engine",
    downtime: 50,
  });
  expect(await pair.a.ended(guest.uuid)).toMatchObject({
    outcome: "failed",
    reason: "progressTimeout",
  });
  await expectPutBack(guest);
  expect(pair.a.process.log()).not.toMatch(
    new RegExp(`${guest.uuid}.*"maxDowntimeMs":(?!50\\b).*"max downtime set"`),
  );
});

it("given by the engine on the way ends the steps for good", async () => {
  const guest = await startRestless();
  await migrateRunning(pair.a, guest, RESTLESS_TO_B);
  await pair.a.migrationIs(guest.uuid, (each) => each["downtime"] === STEPS_MS[1]);

  await pair.a.call("VM.migrateChangeParams", { vmID: guest.uuid, params: { downtime: 60 } });

  const changed = await pair.a.migrationIs(guest.uuid, (each) => each["downtime"] === 60);
  expect(changed).toMatchObject({ downtimeOwner: "engine" });
  // Two passes of 1.5 s each are long enough for three steps.
  for (const pass of [1, 2]) {
    await passBegins(guest, Number(changed["pass"]) + pass);
    expect(await heldMs(guest)).toBe(60);
  }
  await pair.a.call("VM.migrateCancel", { vmID: guest.uuid });
  await expectPutBack(guest);
});
