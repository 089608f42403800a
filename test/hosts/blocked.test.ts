/**
 * One blocked migration must not delay the others, and each way in which a destination goes silent
 * has a defined end. Time is counted in the daemon's own cycles.
 */
import { describe, expect, it } from "vitest";
import type { CutKind, Guest } from "../lab/api.ts";
import { sharedLab } from "../lab/shared-lab.ts";
import {
  cancelAll,
  cyclesOf,
  ENDLESS,
  ENDLESS_PARAMS,
  expectRunsOn,
  heard,
  lastStall,
  migrateRunning,
  refusal,
  stallings,
  useDaemons,
  startForTest,
} from "./pair.ts";

describe("many at a time", () => {
  const pair = useDaemons({
    vars: { min_migration_bandwidth: 1, max_outgoing_migrations: 6, max_incoming_migrations: 6 },
  });

  /** Guests whose pass 1 takes half a minute, all of them running. */
  async function startSlow(count: number, params: Record<string, unknown> = {}): Promise<Guest[]> {
    const guests = await Promise.all(
      Array.from({ length: count }, () => pair.lab.a.startGuest({ filledMiB: 32 })),
    );
    for (const guest of guests) {
      await pair.a.call("VM.migrate", {
        vmID: guest.uuid,
        params: { dst: "host-b", maxBandwidth: count, ...params },
      });
    }
    for (const guest of guests) {
      await pair.a.migrationIs(guest.uuid, (each) => each["phase"] === "running");
    }
    return guests;
  }

  it("hear of each of six in every cycle", async () => {
    const guests = await startSlow(6);
    const before = guests.map((guest) => cyclesOf(pair.a, guest.uuid));
    const [first] = guests;
    if (first === undefined) throw new Error("no guests");

    const cycles = 15;
    const until = cyclesOf(pair.a, first.uuid) + cycles;
    const seen = await pair.a.migrationIs(first.uuid, () => cyclesOf(pair.a, first.uuid) >= until);

    // Fifteen cycles of 0.2 s each are 3 s of pass 1 at 1 MiB/s, if no cycle was late.
    expect(seen).toMatchObject({ phase: "running", pass: 1, capApplied: 1 });
    for (const [index, guest] of guests.entries()) {
      const heardSince = cyclesOf(pair.a, guest.uuid) - (before[index] ?? 0);
      expect(heardSince).toBeGreaterThanOrEqual(cycles);
      expect(heardSince).toBeLessThanOrEqual(cycles + 1);
    }
    await cancelAll(pair.a, guests);
  });

  it("keep their cycle while the QEMU of one is stopped, which goes on when QEMU does", async () => {
    const [stopped, ...others] = await startSlow(3, { stallingLimit: 1 });
    if (stopped === undefined) throw new Error("no guests");

    await stopped.stopQemu(pair.lab.a);
    // A call that changes something hangs just like one that only reads.
    await pair.a.call("VM.migrateChangeParams", { vmID: stopped.uuid, maxBandwidth: 30 });
    const stallAt = async (count: number): Promise<number> => {
      const event = await pair.a.event(
        "VM_migration_stalling",
        stopped.uuid,
        (each) => each["count"] === count && each["reason"] === "noStats",
      );
      return pair.a.events.indexOf(event);
    };
    const [first, third] = [await stallAt(1), await stallAt(3)];

    // From the first second of its stall to the third: ten cycles, if no cycle waits for libvirt.
    const meanwhile = pair.a.events.slice(first, third);
    for (const other of others) {
      const cycles = meanwhile.filter(
        (event) => event.vmId === other.uuid && event.name === "VM_migration_status",
      );
      expect(cycles.length).toBeGreaterThanOrEqual(8);
      expect(await pair.a.migration(other.uuid)).toMatchObject({ phase: "running", stalledFor: 0 });
      expect(stallings(pair.a, other.uuid).filter((each) => each["reason"] === "noStats")).toEqual(
        [],
      );
    }
    await stopped.contQemu(pair.lab.a);
    await pair.a.event(
      "VM_migration_stalling",
      stopped.uuid,
      (each) => each["progressing"] === true,
    );
    await pair.a.call("VM.migrateChangeParams", { vmID: stopped.uuid, maxBandwidth: 200 });
    expect(await pair.a.ended(stopped.uuid)).toMatchObject({ outcome: "completed" });
    await expectRunsOn(stopped, pair.lab.b);
    await cancelAll(pair.a, others);
  });
});

describe("the migration network", () => {
  const pair = useDaemons({ vars: { min_migration_bandwidth: 1 } });

  it.each<CutKind>(["down", "swallow"])(
    "cut (%s) in mid-transfer ends the migration by the timeout",
    async (kind) => {
      const guest = await pair.lab.a.startGuest({ filledMiB: 32 });
      await migrateRunning(pair.a, guest, {
        dst: "host-b",
        dstqemu: pair.lab.b.migrationAddress,
        maxBandwidth: 4,
        stallingLimit: 1,
        migrationProgressTimeout: 3,
      });

      await pair.lab.cut("migration", kind);

      expect(await pair.a.ended(guest.uuid)).toMatchObject({
        outcome: "failed",
        reason: "progressTimeout",
        where: "source",
        confirmed: true,
      });
      const told = lastStall(pair.a, guest.uuid);
      expect(told.map((each) => each["reason"])).toEqual(Array(told.length).fill("noData"));
      expect(told.map((each) => each["count"])).toEqual([1, 2, 3]);
      expect(told.at(-1)).toMatchObject({ timeoutIn: 0 });
      await expectRunsOn(guest, pair.lab.a);
    },
  );

  it("that never answers leaves the migration aborting, with the reason, until libvirt lets go", async () => {
    // The kernel gives up after 7 s of unanswered connects instead of two minutes.
    await pair.lab.a.exec("sysctl", ["-q", "net.ipv4.tcp_syn_retries=2"]);
    const guest = await pair.lab.a.startGuest({ filledMiB: 32 });
    await pair.lab.cut("migration", "swallow");

    await pair.a.call("VM.migrate", {
      vmID: guest.uuid,
      params: {
        dst: "host-b",
        dstqemu: pair.lab.b.migrationAddress,
        stallingLimit: 1,
        migrationProgressTimeout: 2,
      },
    });

    const aborting = await pair.a.migrationIs(guest.uuid, (each) => each["phase"] === "aborting");
    expect(aborting).toMatchObject({
      stopping: { why: "progressTimeout", accepted: false },
      dataProcessed: 0,
    });
    expect(["notStarted", "noStats"]).toContain(aborting["stallReason"]);
    expect(await pair.a.call("VM.getMigrationStatus", { vmID: guest.uuid })).toMatchObject({
      phase: "aborting",
      status: { message: expect.stringMatching(/has not answered the abort/) },
    });
    const change = pair.a.call("VM.migrateChangeParams", { vmID: guest.uuid, downtime: 100 });
    await expect(change).rejects.toMatchObject(refusal(102, /being aborted/));
    expect(await pair.a.ended(guest.uuid)).toMatchObject({
      outcome: "failed",
      reason: "progressTimeout",
      where: "source",
      dataProcessed: 0,
    });
    const told = heard(pair.a, guest.uuid).filter((event) => event.fields["timeoutIn"] === 0);
    expect(told).toHaveLength(1);
    await expectRunsOn(guest, pair.lab.a);
    await pair.lab.a.exec("sysctl", ["-q", "net.ipv4.tcp_syn_retries=6"]);
  });
});

describe("destinations that run plain libvirtd (peer.mode none)", () => {
  const lab = sharedLab();

  it("are asked nothing, nothing is halved, and an arrival stays unconfirmed", async () => {
    const a = await startForTest(lab.a, {
      vars: { min_migration_bandwidth: 1 },
      peerMode: "none",
    });
    const [one, other] = await Promise.all([lab.a.startGuest(ENDLESS), lab.a.startGuest(ENDLESS)]);
    const params = { dst: "host-b", ...ENDLESS_PARAMS };
    await migrateRunning(a, one, params);
    const heldAfter = async (guest: Guest, cycles: number): Promise<string> => {
      const enough = cyclesOf(a, guest.uuid) + cycles;
      await a.migrationIs(guest.uuid, () => cyclesOf(a, guest.uuid) >= enough);
      return (await lab.a.virsh("migrate-getspeed", guest.uuid)).trim();
    };

    expect(await heldAfter(one, 8)).toBe("16");
    await migrateRunning(a, other, params);
    expect(await heldAfter(one, 8)).toBe("8");
    expect(await a.migration(other.uuid)).toMatchObject({
      destination: "counted",
      destinationMigrations: 2,
      capApplied: 8,
    });
    await cancelAll(a, [other]);
    await a.call("VM.migrateChangeParams", { vmID: one.uuid, downtime: 5000, maxBandwidth: 200 });

    expect(await a.ended(one.uuid)).toMatchObject({
      outcome: "completed",
      where: "destination",
      confirmed: false,
    });
    await expectRunsOn(one, lab.b);
    expect(a.process.log()).not.toMatch(/destination does not answer/);
    await lab.clear();
  });
});
