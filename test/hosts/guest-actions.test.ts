/**
 * What a guest does, or what is done to it, during its migration: it shuts down, is destroyed,
 * resets, is suspended. Where libvirt makes a caller wait until the migration ends, that is
 * asserted too.
 */
import { describe, expect, it } from "vitest";
import type { ExecResult, Guest, GuestOptions } from "../lab/api.ts";
import { ARRIVED, expectTold, LOST_IN_POST_COPY, STOPPED } from "./dying.ts";
import { until } from "../lab/until.ts";
import { expectRunsOn, heard, migrateRunning, useDaemons, vmStats } from "./pair.ts";

const pair = useDaemons({
  vars: {
    min_migration_bandwidth: 1,
    max_outgoing_migrations: 1,
    migration_postcopy_bandwidth: 4,
    postcopy_stall_timeout: 1,
  },
});

/** Some seconds of pass 1. */
const SLOW: GuestOptions = { filledMiB: 16 };
const PARAMS = { dst: "host-b", maxBandwidth: 8 };

async function startRunning(options: GuestOptions = {}): Promise<Guest> {
  const guest = await pair.lab.a.startGuest({ ...SLOW, ...options });
  await migrateRunning(pair.a, guest, PARAMS);
  return guest;
}

/** Any exit status is an answer. */
function virsh(...args: readonly string[]): Promise<ExecResult> {
  return pair.lab.a.tryExec("virsh", ["--quiet", ...args]);
}

/** The guest writes to the keyboard controller, whose line resets the machine. */
function resetFromInside(guest: Guest): Promise<ExecResult> {
  return virsh("qemu-monitor-command", "--hmp", guest.uuid, "o /b 0x64 0xfe");
}

/** The machine has no power button: libvirt is told to destroy it on reset instead. */
async function resetsEnd(guest: Guest): Promise<void> {
  await pair.lab.a.virsh("set-lifecycle-action", guest.uuid, "reboot", "destroy", "--live");
}

describe("a guest in mid-transfer", () => {
  it("that is destroyed has failed, and the reason says so", async () => {
    const guest = await startRunning();

    expect(await virsh("destroy", guest.uuid)).toMatchObject({ status: 0 });

    await expectTold(pair.a, guest, STOPPED);
    expect(await guest.residence()).toEqual([]);
  });

  it("that is destroyed keeps its definition here, and only here", async () => {
    const guest = await startRunning({ persistent: true });

    expect(await virsh("destroy", guest.uuid)).toMatchObject({ status: 0 });

    await expectTold(pair.a, guest, STOPPED);
    expect(await pair.lab.a.domains()).toMatchObject([{ uuid: guest.uuid, state: "shut off" }]);
    expect(await pair.lab.b.domains()).toEqual([]);
  });

  it("that ends by itself has failed, and the reason says so", async () => {
    const guest = await pair.lab.a.startGuest(SLOW);
    await resetsEnd(guest);
    await migrateRunning(pair.a, guest, PARAMS);

    await resetFromInside(guest);

    await expectTold(pair.a, guest, STOPPED);
    expect(await guest.residence()).toEqual([]);
  });

  it("that starts anew arrives, and goes on with its new life", async () => {
    const guest = await startRunning({ persistent: true });

    await resetFromInside(guest);
    await pair.a.call("VM.migrateChangeParams", {
      vmID: guest.uuid,
      params: { maxBandwidth: 50, downtime: 2000 },
    });

    await expectTold(pair.a, guest, ARRIVED);
    expect(await guest.residence()).toEqual([pair.lab.b]);
    await guest.counterAdvances({ on: pair.lab.b });
  });

  it("that is suspended arrives and runs there, and whoever resumes it waits until then", async () => {
    const guest = await startRunning();

    expect(await virsh("suspend", guest.uuid)).toMatchObject({ status: 0 });
    const resumed = virsh("resume", guest.uuid);

    await expectTold(pair.a, guest, ARRIVED);
    expect((await resumed).status).not.toBe(0);
    expect(await pair.lab.b.domains()).toMatchObject([{ uuid: guest.uuid, state: "running" }]);
    await expectRunsOn(guest, pair.lab.b);
  });

  it("arrives before libvirt lets anybody shut it down, reset or undefine it", async () => {
    const guest = await startRunning({ persistent: true });

    const asked = ["shutdown", "reset", "undefine"].map((command) => virsh(command, guest.uuid));

    await expectTold(pair.a, guest, ARRIVED);
    for (const { status } of await Promise.all(asked)) expect(status).not.toBe(0);
    await expectRunsOn(guest, pair.lab.b);
    expect(await pair.lab.b.domains()).toMatchObject([{ persistent: true }]);
  });
});

describe("a guest that has arrived", () => {
  it.each([
    ["destroyed", false],
    ["destroyed, and persistent", true],
  ])("and is %s there before anybody here asked: completed", async (_name, persistent) => {
    const guest = await startRunning({ persistent });
    pair.a.process.signal("SIGSTOP");
    try {
      await guest.counterAdvances({ on: pair.lab.b });
      await until(
        async () => (await virsh("dominfo", guest.uuid)).status !== 0,
        10_000,
        () => `${guest.name} has left`,
      );
      await pair.lab.b.virsh("destroy", guest.uuid);
    } finally {
      pair.a.process.signal("SIGCONT");
    }

    await expectTold(pair.a, guest, ARRIVED);
    expect(await pair.a.ended(guest.uuid)).toMatchObject({ confirmed: true });
    expect(await pair.lab.a.domains()).toEqual([]);
    expect(await vmStats(pair.b, guest.uuid)).toMatchObject({ status: "Down", exitReason: 6 });
  });
});

describe("a guest in the queue", () => {
  it("that is destroyed never goes, and that is said", async () => {
    const first = await startRunning();
    const second = await pair.lab.a.startGuest();
    await pair.a.call("VM.migrate", { vmID: second.uuid, params: PARAMS });

    expect(await virsh("destroy", second.uuid)).toMatchObject({ status: 0 });

    await expectTold(pair.a, first, ARRIVED);
    const ended = await pair.a.ended(second.uuid);
    expect(ended).toMatchObject({ outcome: "failed", where: "nowhere", dataProcessed: 0 });
    expect(ended["message"]).toMatch(/destroyed by somebody before its migration began/);
    expect(await second.residence()).toEqual([]);
  });
});

describe("a guest in post-copy", () => {
  it("that is destroyed where it runs is lost", async () => {
    const guest = await pair.lab.a.startGuest(SLOW);
    await migrateRunning(pair.a, guest, { ...PARAMS, maxBandwidth: 1 });
    const params = { migrationTechnique: "post-copy" };
    await pair.a.call("VM.migrateChangeParams", { vmID: guest.uuid, params });
    await guest.counterAdvances({ by: 1, on: pair.lab.b });

    await pair.lab.b.virsh("destroy", guest.uuid);

    await expectTold(pair.a, guest, LOST_IN_POST_COPY);
    expect(heard(pair.a, guest.uuid).at(-1)?.name).toBe("VM_migration_ended");
  });
});
