/**
 * Guests that are neither running, paused nor off, on real libvirt: asleep (S3), or crashed and
 * preserved. They stay here, are refused, and none of them holds a migration or a slot for ever.
 */
import { describe, expect, it } from "vitest";
import type { Guest, GuestOptions } from "../lab/api.ts";
import { heard, migrateRunning, refusal, useDaemons, vmStats } from "./pair.ts";

const pair = useDaemons({ vars: { min_migration_bandwidth: 1, max_outgoing_migrations: 1 } });

const SLOW: GuestOptions = { filledMiB: 24, sleeps: true, preservedOnPanic: true };
const PARAMS = { dst: "host-b", maxBandwidth: 2 };

/** Writes to one of the machine's ports, as the guest would. */
async function port(guest: Guest, write: string, then: string): Promise<void> {
  await pair.lab.a.virsh("qemu-monitor-command", "--hmp", guest.uuid, `o ${write}`);
  await pair.lab.a.exec("sh", [
    "-c",
    `until virsh domstate ${guest.uuid} | grep -q ${then}; do :; done`,
  ]);
}

/** SLP_EN with type 1 into the power management's control register of machine "pc". */
const sleep = (guest: Guest): Promise<void> => port(guest, "/w 0x604 0x2400", "pmsuspended");
/** The panic device's port. */
const panic = (guest: Guest): Promise<void> => port(guest, "/b 0x505 1", "crashed");

const PAUSED = { status: "Paused", pauseCode: "NOERR" };
const CRASHED = { status: "Paused", pauseCode: "EOTHER" };

describe("asleep", () => {
  it("in mid-transfer: a cancel ends it, the slot is free, and nobody calls it up", async () => {
    const guest = await pair.lab.a.startGuest(SLOW);
    await migrateRunning(pair.a, guest, PARAMS);
    await sleep(guest);

    expect(await pair.a.call("VM.migrateCancel", { vmID: guest.uuid })).toBe(true);

    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "cancelled", where: "source" });
    const last = heard(pair.a, guest.uuid)
      .filter(({ name }) => name === "VM_status")
      .at(-1);
    expect(last?.fields).toMatchObject(PAUSED);
    expect(await vmStats(pair.a, guest.uuid)).toMatchObject(PAUSED);
    expect(await pair.a.call("Host.getStats")).toMatchObject({
      vmCount: 1,
      vmActive: 0,
      outgoingVmMigrations: 0,
    });
    await expect(
      pair.a.call("VM.migrate", { vmID: guest.uuid, params: PARAMS }),
    ).rejects.toMatchObject(refusal(12, /sleeps \(S3\)/));
    await pair.lab.a.virsh("qemu-monitor-command", "--hmp", guest.uuid, "system_wakeup");
    await migrateRunning(pair.a, guest, PARAMS);
    await pair.a.call("VM.migrateCancel", { vmID: guest.uuid });
  });
});

describe("crashed and preserved", () => {
  it("is here, is not up, and does not go", async () => {
    const guest = await pair.lab.a.startGuest(SLOW);
    await panic(guest);

    expect(await vmStats(pair.a, guest.uuid)).toMatchObject(CRASHED);
    await expect(
      pair.a.call("VM.migrate", { vmID: guest.uuid, params: PARAMS }),
    ).rejects.toMatchObject(refusal(12, /has crashed/));
  });
});

describe("saved while suspended, and restored", () => {
  it("is paused here, whatever libvirt calls it, and goes as such", async () => {
    const guest = await pair.lab.a.startGuest();
    const file = "/run/suspended.image";
    await pair.lab.a.virsh("suspend", guest.uuid);
    await pair.lab.a.virsh("save", guest.uuid, file);
    await pair.lab.a.virsh("restore", file);
    expect(await pair.lab.a.virsh("domstate", "--reason", guest.uuid)).toContain("migrating");

    expect(await vmStats(pair.a, guest.uuid)).toMatchObject(PAUSED);
    await pair.a.call("VM.migrate", { vmID: guest.uuid, params: { dst: "host-b" } });

    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed" });
    expect((await pair.b.event("VM_status", guest.uuid)).fields).toMatchObject(PAUSED);
    expect(await vmStats(pair.b, guest.uuid)).toMatchObject(PAUSED);
  });
});
