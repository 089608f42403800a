/**
 * Migrations that make no progress, on two real hosts: what the engine hears, what the host does by
 * itself, and how the engine's answers save the migration (with post-copy: tls.test.ts).
 */
import { describe, expect, it } from "vitest";
import type { Guest } from "../lab/api.ts";
import {
  expectRunsOn,
  logged,
  RESTLESS,
  RESTLESS_CAP_MIBPS,
  lastStall,
  useDaemons,
} from "./pair.ts";

const pair = useDaemons({ vars: { min_migration_bandwidth: 1, migration_downtime: 100 } });

async function migrateRestless(params: Record<string, unknown> = {}): Promise<Guest> {
  const guest = await pair.lab.a.startGuest(RESTLESS);
  await pair.a.call("VM.migrate", {
    vmID: guest.uuid,
    params: { dst: "host-b", maxBandwidth: RESTLESS_CAP_MIBPS, ...params },
  });
  return guest;
}

describe("a guest that does not converge", () => {
  it("stalls at each multiple of the limit and is aborted at the timeout, with no engine connected", async () => {
    const guest = await migrateRestless({ stallingLimit: 1, migrationProgressTimeout: 4 });

    const ended = await pair.a.ended(guest.uuid);

    expect(ended).toMatchObject({
      outcome: "failed",
      reason: "progressTimeout",
      where: "source",
      confirmed: true,
    });
    // A QEMU that syncs dirty pages ten times a second may show a few new lows at first.
    const counts = lastStall(pair.a, guest.uuid).filter(
      (each) => each["progressing"] === false && each["timeoutIn"] !== 0,
    );
    expect(counts.map((each) => each["count"])).toEqual([1, 2, 3]);
    expect(counts.map((each) => each["reason"])).toEqual(Array(3).fill("notConverging"));
    expect(counts.map((each) => each["stalledFor"])).toEqual([1, 2, 3]);
    await expectRunsOn(guest, pair.lab.a);

    const stalls = logged(pair.a, guest.uuid).filter(
      (line) => line["msg"] === "migration is stalling",
    );
    expect(stalls.slice(-3)).toMatchObject(
      [1, 2, 3].map((count) => ({ count, reason: "notConverging", capMiBps: RESTLESS_CAP_MIBPS })),
    );
    // Aborted within two cycles of the timeout; the last status belongs to the end itself.
    const own = pair.a.events.filter((event) => event.vmId === guest.uuid);
    const decided = own.findIndex((event) => event.fields["timeoutIn"] === 0);
    expect(own[decided]?.fields).toMatchObject({ stalledFor: 4, progressing: false });
    const cyclesAfter = own.slice(decided).filter(({ name }) => name === "VM_migration_status");
    expect(cyclesAfter.length).toBeLessThanOrEqual(3);

    // No message that reads as if the guest ran on both hosts.
    for (const daemon of [pair.a, pair.b]) {
      expect(daemon.process.log()).not.toMatch(/did not release|active here/);
    }
  });

  it("arrives when the engine answers the event with more downtime", async () => {
    const guest = await migrateRestless({ stallingLimit: 1, migrationProgressTimeout: 20 });
    await pair.a.event("VM_migration_stalling", guest.uuid);

    await pair.a.call("VM.migrateChangeParams", { vmID: guest.uuid, params: { downtime: 5000 } });

    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
    await expectRunsOn(guest, pair.lab.b);
  });

  it("arrives when the engine answers with more bandwidth", async () => {
    const guest = await migrateRestless({ stallingLimit: 1, migrationProgressTimeout: 20 });
    await pair.a.event("VM_migration_stalling", guest.uuid);

    await pair.a.call("migrateChangeParams", { vmID: guest.uuid, maxBandwidth: 200 });

    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
    await expectRunsOn(guest, pair.lab.b);
  });

  it("goes over to post-copy by a wish given before data flow", async () => {
    const guest = await migrateRestless();

    await pair.a.call("VM.migrateChangeParams", {
      vmID: guest.uuid,
      params: { migrationTechnique: "post-copy" },
    });

    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed" });
    expect(
      pair.a.events.some(
        (event) => event.vmId === guest.uuid && event.fields["pauseCode"] === "POSTCOPY",
      ),
    ).toBe(true);
    await expectRunsOn(guest, pair.lab.b);
  });
});

describe("a guest whose passes shrink by a quarter each", () => {
  it("arrives although the whole takes several times the timeout", async () => {
    const timeoutSeconds = 2;
    // Written cyclically at three quarters of the cap: each pass dirties three quarters of its size.
    const guest = await pair.lab.a.startGuest({ workingSetMiB: 10, ratePagesPerSecond: 768 });
    await pair.a.call("VM.migrate", {
      vmID: guest.uuid,
      params: {
        dst: "host-b",
        maxBandwidth: RESTLESS_CAP_MIBPS,
        migrationProgressTimeout: timeoutSeconds,
      },
    });

    const ended = await pair.a.ended(guest.uuid);

    expect(ended).toMatchObject({ outcome: "completed" });
    expect(Number(ended["duration"])).toBeGreaterThan(2 * timeoutSeconds * 1000);
    await expectRunsOn(guest, pair.lab.b);
  });
});
