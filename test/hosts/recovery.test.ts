/**
 * The daemon killed with SIGKILL and started again: what was running is taken over with its clocks and
 * plans, what was queued goes on in order, what ended meanwhile has its outcome, and nobody hears
 * anything twice.
 */
import { afterEach, describe, expect, inject, it } from "vitest";
import { startDaemon, type Daemon, type DaemonOptions } from "../lab/daemon.ts";
import { attachLab } from "../lab/lab.ts";
import { ENDLESS, ENDLESS_PARAMS, expectArrived, expectStayed, migrateRunning } from "./pair.ts";

const lab = attachLab(inject("lab"));
const OPTIONS: DaemonOptions = { vars: { min_migration_bandwidth: 1 } };
const daemons = new Set<Daemon>();

async function start(host = lab.a, options = OPTIONS): Promise<Daemon> {
  const daemon = await startDaemon(host, options);
  daemons.add(daemon);
  return daemon;
}

/** As a crash, then as systemd starts it again. */
async function killAndRestart(
  daemon: Daemon,
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
): Promise<Daemon> {
  daemon.hangUp();
  await daemon.process.kill();
  daemons.delete(daemon);
  await meanwhile();
  return start(daemon.host, { ...OPTIONS, keepJournal: true });
}

afterEach(async () => {
  await Promise.all([...daemons].map((daemon) => daemon.stop()));
  daemons.clear();
  await lab.clear();
});

describe("a daemon that was killed", () => {
  it("takes a running migration over, with its clock, limits and cap", async () => {
    const [a] = [await start(), await start(lab.b)];
    const guest = await lab.a.startGuest(ENDLESS);
    await migrateRunning(a, guest, {
      dst: "host-b",
      ...ENDLESS_PARAMS,
      stallingLimit: 2,
      migrationProgressTimeout: 60,
    });
    await a.event("VM_migration_stalling", guest.uuid);
    const before = await a.migration(guest.uuid);

    const again = await killAndRestart(a);
    const after = await again.migrationIs(guest.uuid, (each) => each["phase"] === "running");
    expect(after["migrationId"]).toBe(before["migrationId"]);
    expect(after["parameters"]).toEqual(before["parameters"]);
    expect(after).toMatchObject({ downtimeOwner: "engine", downtime: 1, cap: before["cap"] });
    expect(Number(after["stalledFor"])).toBeGreaterThanOrEqual(Number(before["stalledFor"]));

    await again.call("VM.migrateChangeParams", {
      vmID: guest.uuid,
      params: { downtime: 2000, maxBandwidth: 200 },
    });
    const ended = await again.ended(guest.uuid);
    expect(ended).toMatchObject({ outcome: "completed", reason: "arrived", confirmed: true });
    await expectArrived(guest, lab.b);
  });

  it("ends one that was cancelled by somebody meanwhile as failed, unknown", async () => {
    const [a] = [await start(), await start(lab.b)];
    const guest = await lab.a.startGuest(ENDLESS);
    await migrateRunning(a, guest, { dst: "host-b", ...ENDLESS_PARAMS });
    const again = await killAndRestart(a, () => lab.a.virsh("domjobabort", guest.uuid));
    expect(await again.migration(guest.uuid)).toMatchObject({
      phase: "ended",
      outcome: { outcome: "failed", reason: "unknown", where: "source" },
    });
    await expectStayed(guest, lab.a);
  });
});
