/**
 * What happens to a VM while its migration is queued or running, on real libvirt: it migrates, and
 * ends, in the state it is in by then. One migration holds the only slot; the others queue behind
 * it.
 */
import { afterEach, describe, expect, it } from "vitest";
import type { Guest } from "../lab/api.ts";
import { until } from "../lab/until.ts";
import {
  ENDLESS,
  ENDLESS_PARAMS,
  expectRunsOn,
  heard,
  migrateRunning,
  refusal,
  useDaemons,
  vmStats,
} from "./pair.ts";

const pair = useDaemons({ vars: { min_migration_bandwidth: 1, max_outgoing_migrations: 1 } });

const TO_B = { dst: "host-b", migrationProgressTimeout: 60 };
const LEAVING = { status: "Migration Source" };
let first: Guest;

afterEach(async () => {
  await pair.a.call("VM.migrateCancel", { vmID: first.uuid }).catch(() => undefined);
});

/** Takes the only slot. */
async function holdSlot(): Promise<void> {
  first = await pair.lab.a.startGuest(ENDLESS);
  await migrateRunning(pair.a, first, { ...ENDLESS_PARAMS, ...TO_B });
}

const freeSlot = (): Promise<unknown> => cancel(first);
const cancel = (guest: Guest): Promise<unknown> =>
  pair.a.call("VM.migrateCancel", { vmID: guest.uuid });
const waits = (guest: Guest): Promise<unknown> =>
  pair.a.call("VM.migrate", { vmID: guest.uuid, params: TO_B });

function statuses(guest: Guest, daemon = pair.a): unknown[] {
  return heard(daemon, guest.uuid)
    .filter(({ name }) => name === "VM_status")
    .map(({ fields }) => fields);
}

/** libvirt makes the running guest persistent. */
async function define(guest: Guest): Promise<void> {
  await pair.lab.a.exec("virsh", ["--quiet", "define", `/run/${guest.name}.xml`]);
}

describe("while it waits", () => {
  it("switched off for good, or gone elsewhere, and then cancelled", async () => {
    await holdSlot();
    const off = await pair.lab.a.startGuest();
    const lasting = await pair.lab.a.startGuest({ persistent: true });
    const taken = await pair.lab.a.startGuest();
    for (const guest of [off, lasting, taken]) await waits(guest);
    await pair.lab.a.virsh("destroy", off.uuid);
    await pair.lab.a.virsh("destroy", lasting.uuid);
    await pair.lab.a.virsh("migrate", "--live", "--p2p", taken.uuid, "qemu+tcp://host-b/system");

    for (const guest of [off, lasting, taken])
      await expect(cancel(guest)).rejects.toMatchObject(refusal(47, /not cancelled/));

    for (const guest of [off, lasting]) {
      expect(await pair.a.ended(guest.uuid)).toMatchObject({
        reason: "guestStopped",
        where: "nowhere",
      });
      expect(statuses(guest)).toMatchObject([LEAVING, { status: "Down", exitReason: 6 }]);
    }
    expect(await pair.a.ended(taken.uuid)).toMatchObject({
      reason: "leftByOther",
      where: "destination",
    });
    expect(statuses(taken)).toMatchObject([LEAVING, { status: "Down", exitReason: 4 }]);
    expect(statuses(taken, pair.b)).toMatchObject([{ status: "Up" }]);
  });

  it("suspended, defined, undefined: it arrives as what it is at its turn", async () => {
    await holdSlot();
    const suspended = await pair.lab.a.startGuest();
    const defined = await pair.lab.a.startGuest();
    const undefined_ = await pair.lab.a.startGuest({ persistent: true });
    const all = [suspended, defined, undefined_];
    for (const guest of all) await waits(guest);
    await pair.lab.a.virsh("suspend", suspended.uuid);
    await define(defined);
    await pair.lab.a.virsh("undefine", undefined_.uuid);

    await freeSlot();

    for (const guest of all) {
      expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed" });
    }
    await first.remove();
    expect(await pair.lab.a.domains()).toEqual([]);
    const there = await pair.lab.b.domains();
    for (const [guest, state, persistent] of [
      [suspended, "paused", false],
      [defined, "running", true],
      [undefined_, "running", false],
    ] as const) {
      expect(there).toContainEqual({ name: guest.name, uuid: guest.uuid, state, persistent });
      const told = { status: state === "paused" ? "Paused" : "Up" };
      await pair.b.event("VM_status", guest.uuid, ({ status }) => status === told.status);
      expect(statuses(guest, pair.b)).toHaveLength(1);
    }
    expect(statuses(suspended, pair.b)).toMatchObject([{ status: "Paused", pauseCode: "NOERR" }]);
  });

  it("cancelled while libvirtd stands still: it is what libvirtd says when it goes on", async () => {
    await holdSlot();
    const guest = await pair.lab.a.startGuest();
    await waits(guest);
    const libvirtd = (await pair.lab.a.exec("pidof", ["libvirtd"])).trim();
    await pair.lab.a.exec("kill", ["-STOP", libvirtd]);

    const cancelled = cancel(guest);
    // A later question that times out: so did the one that the cancel asked.
    const silent = (): Promise<boolean> =>
      vmStats(pair.a, guest.uuid).then(
        () => false,
        () => true,
      );
    await until(silent, 10_000, "libvirt does not answer");
    await pair.lab.a.exec("kill", ["-CONT", libvirtd]);

    expect(await cancelled).toBe(true);
    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "cancelled", where: "source" });
    expect(statuses(guest)).toMatchObject([LEAVING, { status: "Up" }]);
    expect(await pair.a.call("VM.getMigrationStatus", { vmID: guest.uuid })).toMatchObject({
      outcome: "cancelled",
    });
  });
});

describe("in mid-transfer", () => {
  it("gone from here, and nobody says yet where to: it is leaving in every answer", async () => {
    first = await pair.lab.a.startGuest({ filledMiB: 16 });
    await migrateRunning(pair.a, first, { ...TO_B, maxBandwidth: 8 });
    pair.b.process.signal("SIGSTOP");
    const said: unknown[] = [];
    const gone = async (): Promise<boolean> => {
      const { status, absentHere } = await vmStats(pair.a, first.uuid);
      const list = await pair.a.call("Host.getVMList");
      expect(list).toContainEqual(expect.objectContaining({ vmId: first.uuid }));
      said.push(absentHere === true ? `${String(status)}, absent` : status);
      return status === "Down";
    };
    try {
      await until(gone, 20_000, "it has left");
      const words = ["Migration Source", "Migration Source, absent", "Down"];
      expect([...new Set(said)]).toEqual(words);
      expect(await pair.lab.a.domains()).toEqual([]);
    } finally {
      pair.b.process.signal("SIGCONT");
    }
    expect(await pair.a.ended(first.uuid)).toMatchObject({ outcome: "completed" });
  });

  it("defined: the definition that is left here goes once the guest is there", async () => {
    first = await pair.lab.a.startGuest({ filledMiB: 16 });
    await migrateRunning(pair.a, first, { ...TO_B, maxBandwidth: 8 });
    await define(first);
    expect(await pair.lab.a.domains()).toMatchObject([{ persistent: true }]);

    expect(await pair.a.ended(first.uuid)).toMatchObject({ outcome: "completed" });

    await until(
      async () => (await pair.lab.a.domains()).length === 0,
      10_000,
      "no definition is left",
    );
    await expectRunsOn(first, pair.lab.b);
  });

  it("suspended before and cancelled: it is paused, and is called so", async () => {
    first = await pair.lab.a.startGuest(ENDLESS);
    await pair.lab.a.virsh("suspend", first.uuid);
    await migrateRunning(pair.a, first, { ...TO_B, maxBandwidth: 1 });

    expect(await cancel(first)).toBe(true);

    expect(statuses(first).at(-1)).toMatchObject({ status: "Paused", pauseCode: "NOERR" });
  });
});
