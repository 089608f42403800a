/**
 * Bandwidth shared by all migrations on either host: libvirt holds the caps that the rule gives,
 * and they follow when the number of migrations changes or the destination stops answering.
 */
import { expect, it } from "vitest";
import type { Guest, Host } from "../lab/api.ts";
import type { Daemon } from "../lab/daemon.ts";
import {
  cancelAll,
  ENDLESS,
  ENDLESS_CAP_MIBPS,
  ENDLESS_PARAMS,
  RESTLESS,
  useDaemons,
  startForTest,
} from "./pair.ts";

const MAX_MIBPS = ENDLESS_CAP_MIBPS;
const FLOOR_MIBPS = 2;
const options = {
  vars: { min_migration_bandwidth: FLOOR_MIBPS, max_outgoing_migrations: 4 },
};
const pair = useDaemons(options);

async function startEndless(from: Daemon, to: Host): Promise<Guest> {
  const guest = await from.host.startGuest(ENDLESS);
  await from.call("VM.migrate", {
    vmID: guest.uuid,
    params: { dst: to.name, ...ENDLESS_PARAMS },
  });
  return guest;
}

/** The cap that libvirt reports, once the daemon believes that libvirt holds it. */
async function heldMiBps(daemon: Daemon, guest: Guest, capMiBps: number): Promise<number> {
  await daemon.migrationIs(
    guest.uuid,
    (each) => each["phase"] === "running" && each["capApplied"] === capMiBps,
  );
  return Number((await daemon.host.virsh("migrate-getspeed", guest.uuid)).trim());
}

it("is shared equally by 1, 2 and 4 migrations, and grows again within two cycles when one ends", async () => {
  const guests: Guest[] = [];
  for (const [migrations, shareMiBps] of [
    [1, 16],
    [2, 8],
    [4, 4],
  ] as const) {
    while (guests.length < migrations) guests.push(await startEndless(pair.a, pair.lab.b));
    for (const guest of guests) expect(await heldMiBps(pair.a, guest, shareMiBps)).toBe(shareMiBps);
  }

  const [first, second, ...rest] = guests;
  if (first === undefined || second === undefined) throw new Error("no guests");
  await cancelAll(pair.a, rest);
  const endedAt = pair.a.events.length;
  expect(await heldMiBps(pair.a, first, 8)).toBe(8);
  const cycles = pair.a.events
    .slice(endedAt)
    .filter((event) => event.vmId === first.uuid && event.name === "VM_migration_status");
  expect(cycles.length).toBeLessThanOrEqual(3);
  await cancelAll(pair.a, [first, second]);
});

it("is shared by both directions at once", async () => {
  const there = await startEndless(pair.a, pair.lab.b);
  const back = await startEndless(pair.b, pair.lab.a);

  expect(await heldMiBps(pair.a, there, 8)).toBe(8);
  expect(await heldMiBps(pair.b, back, 8)).toBe(8);

  await cancelAll(pair.a, [there]);
  await cancelAll(pair.b, [back]);
});

it("counts a migration that somebody else started", async () => {
  const guest = await startEndless(pair.a, pair.lab.b);
  const other = await pair.lab.a.startGuest(RESTLESS);
  const args = ["migrate", "--live", "--p2p", "--bandwidth", "2", other.uuid];
  const foreign = pair.lab.a.tryExec("virsh", [...args, "qemu+tcp://host-b/system"]);

  expect(await heldMiBps(pair.a, guest, 8)).toBe(8);

  await pair.lab.a.virsh("domjobabort", other.uuid);
  expect((await foreign).status).not.toBe(0);
  expect(await heldMiBps(pair.a, guest, 16)).toBe(16);
  await cancelAll(pair.a, [guest]);
});

it("halves down to the floor while the destination's daemon is silent, and comes back at once", async () => {
  const guest = await startEndless(pair.a, pair.lab.b);
  expect(await heldMiBps(pair.a, guest, MAX_MIBPS)).toBe(MAX_MIBPS);

  const silenced = pair.a.events.length;
  await pair.b.process.kill();
  for (const capMiBps of [8, 4, FLOOR_MIBPS]) {
    await pair.a.migrationIs(guest.uuid, (each) => Number(each["capApplied"]) <= capMiBps);
  }
  expect(await heldMiBps(pair.a, guest, FLOOR_MIBPS)).toBe(FLOOR_MIBPS);
  expect(pair.a.events.length).toBeGreaterThan(silenced);

  await startForTest(pair.lab.b, options);
  expect(await heldMiBps(pair.a, guest, MAX_MIBPS)).toBe(MAX_MIBPS);
  await cancelAll(pair.a, [guest]);
});
