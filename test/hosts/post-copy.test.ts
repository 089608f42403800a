/**
 * Stalled post-copy: it is reported, recovered by the host once the network is back or on the
 * engine's request, also after the daemon was killed, and never considered broken while data flows.
 * The guest's counter proves that no page is lost.
 */
import { afterEach, describe, expect, it } from "vitest";
import type { Guest } from "../lab/api.ts";
import { startDaemon, type Daemon, type DaemonOptions } from "../lab/daemon.ts";
import { until } from "../lab/until.ts";
import { sharedLab } from "../lab/shared-lab.ts";
import { expectRunsOn, migrateRunning, stallings } from "./pair.ts";

const lab = sharedLab();
const STALL_SECONDS = 1;
const OPTIONS: DaemonOptions = {
  vars: { migration_postcopy_bandwidth: 4, postcopy_stall_timeout: STALL_SECONDS },
};
const daemons = new Set<Daemon>();

async function start(host = lab.a, more: DaemonOptions = {}): Promise<Daemon> {
  const daemon = await startDaemon(host, { ...OPTIONS, ...more });
  daemons.add(daemon);
  return daemon;
}

async function kill(daemon: Daemon): Promise<void> {
  daemon.hangUp();
  await daemon.process.kill();
  daemons.delete(daemon);
}

afterEach(async () => {
  await Promise.all([...daemons].map((daemon) => daemon.stop()));
  daemons.clear();
  await lab.clear();
});

/** A guest in post-copy over the migration link, with seconds' worth of pages left. */
async function inPostCopy(a: Daemon, persistent = false): Promise<Guest> {
  const guest = await lab.a.startGuest({
    filledMiB: 10,
    workingSetMiB: 4,
    ratePagesPerSecond: 64,
    persistent,
  });
  await migrateRunning(a, guest, {
    dst: "host-b",
    dstqemu: lab.b.migrationAddress,
    maxBandwidth: 1,
    stallingLimit: 1,
    // The call that resumes it carries the same definitions as the first one.
    cpusets: ["0"],
  });
  await a.call("VM.migrateChangeParams", { vmID: guest.uuid, migrationTechnique: "post-copy" });
  // The daemon reports post-copy once libvirt has accepted the switch; here it has happened.
  await guest.counterAdvances({ on: lab.b });
  return guest;
}

async function stalled(a: Daemon, guest: Guest): Promise<void> {
  await a.event(
    "VM_migration_stalling",
    guest.uuid,
    (each) => each["reason"] === "postcopyStalled" && Number(each["stalledFor"]) >= STALL_SECONDS,
  );
}

describe("post-copy whose network is cut", () => {
  it.each([
    { kind: "swallow", persistent: false },
    { kind: "down", persistent: true },
  ] as const)("($kind) goes on once it is back", async ({ kind, persistent }) => {
    const [a] = [await start(), await start(lab.b)];
    const guest = await inPostCopy(a, persistent);
    await lab.cut("migration", kind);
    await stalled(a, guest);
    await expect(a.call("VM.migrateCancel", { vmID: guest.uuid })).rejects.toMatchObject({
      code: 47,
    });
    await lab.restore("migration");
    expect(await a.ended(guest.uuid)).toMatchObject({ outcome: "completed", reason: "arrived" });
    expect(stallings(a, guest.uuid).at(-1)).toMatchObject({ progressing: true });
    await expectRunsOn(guest, lab.b);
  });

  it("is recovered by the engine's word over a network that never answers a connect", async () => {
    const [a] = [await start(), await start(lab.b)];
    const guest = await inPostCopy(a);
    await lab.cut("migration", "swallow");
    await stalled(a, guest);
    await a.call("VM.migrateChangeParams", { vmID: guest.uuid, migrationTechnique: "post-copy" });
    // QEMU has given up; from here on a restored network helps only if something resumes it.
    await until(
      async () => /failed/.test(await lab.a.virsh("domstate", "--reason", guest.uuid)),
      10_000,
      "post-copy is paused",
    );
    await lab.restore("migration");
    expect(await a.ended(guest.uuid)).toMatchObject({ outcome: "completed" });
    await expectRunsOn(guest, lab.b);
  });

  it("is recovered by a daemon that was killed over it", async () => {
    const [a] = [await start(), await start(lab.b)];
    const guest = await inPostCopy(a);
    await lab.cut("migration", "swallow");
    await stalled(a, guest);
    await kill(a);
    await lab.restore("migration");
    const again = await start(lab.a, { keepJournal: true });
    expect(await again.ended(guest.uuid)).toMatchObject({ outcome: "completed" });
    await expectRunsOn(guest, lab.b);
  });
});

describe("libvirtd killed in post-copy", () => {
  it.each(["a", "b"] as const)("on host-%s: the guest arrives, and only there", async (name) => {
    const [a] = [await start(), await start(lab.b)];
    const guest = await inPostCopy(a, true);
    await lab[name].killLibvirtd();
    await lab[name].startLibvirtd();
    expect(await a.ended(guest.uuid)).toMatchObject({ outcome: "completed", where: "destination" });
    await expectRunsOn(guest, lab.b);
    expect(a.process.log()).not.toMatch(/"effect":"resumePostCopy"/);
  });
});

describe("post-copy with one half gone", () => {
  it.each(["a", "b"] as const)(
    "QEMU of host-%s killed: the guest is lost, and said so",
    async (name) => {
      const [a, b] = [await start(), await start(lab.b)];
      const guest = await inPostCopy(a);
      await guest.killQemu(lab[name]);
      expect(await a.ended(guest.uuid)).toMatchObject({
        outcome: "failed",
        reason: "guestLost",
        where: "nowhere",
      });
      const stats = await b.call<Record<string, unknown>>("Host.getStats");
      expect(stats).toMatchObject({ incomingVmMigrations: 0 });
    },
  );
});
