/**
 * Failures during a migration: a daemon, libvirtd, QEMU, a network or a whole host dies. In the end
 * the guest runs in exactly one place and the engine has been told where, or it is lost and the
 * engine has been told so. Post-copy that stalls is in post-copy.test.ts.
 */
import { describe, expect, it } from "vitest";
import { until } from "../lab/until.ts";
import {
  ARRIVED,
  CRASHED,
  expectStays,
  expectTold,
  FAILED_HERE,
  LOST_IN_POST_COPY,
  startConnecting,
  startPostCopy,
  startRunning,
  type Told,
  useMortals,
} from "./dying.ts";
import { expectRunsOn } from "./pair.ts";

const pair = useMortals({
  vars: {
    min_migration_bandwidth: 1,
    max_outgoing_migrations: 6,
    migration_postcopy_bandwidth: 4,
    migration_progress_timeout: 4,
    postcopy_stall_timeout: 1,
  },
});

/** By libvirt or by the hard limit, whichever came first. */
const GIVEN_UP: Told = {
  ...FAILED_HERE,
  ended: { ...FAILED_HERE.ended, reason: expect.stringMatching(/^(libvirt|progressTimeout)$/) },
};

/** Accepted, and refused a slot at least once. */
async function deferred(vmId: string): Promise<void> {
  await pair.a.migrationIs(vmId, (each) => Number(each["deferrals"]) >= 1);
  expect(await pair.a.migration(vmId)).toMatchObject({ phase: "queued" });
}

describe("the destination's daemon", () => {
  it("dead before it was asked for a slot is waited for", async () => {
    const guest = await pair.lab.a.startGuest();
    await pair.killDaemon();
    await pair.a.call("VM.migrate", { vmID: guest.uuid, params: { dst: "host-b" } });
    await deferred(guest.uuid);

    await pair.reviveDaemon();

    await expectTold(pair.a, guest, ARRIVED);
    await expectRunsOn(guest, pair.lab.b);
  });

  it("dead in post-copy: the guest arrives, not confirmed", async () => {
    const guest = await startPostCopy(pair, { filledMiB: 8 });

    await pair.killDaemon();

    await expectTold(pair.a, guest, { ...ARRIVED, ended: { ...ARRIVED.ended, confirmed: false } });
    await expectRunsOn(guest, pair.lab.b);
  });
});

describe("the destination's libvirtd", () => {
  it("dead before the start is waited for", async () => {
    const guest = await pair.lab.a.startGuest();
    await pair.lab.b.killLibvirtd();
    await pair.a.call("VM.migrate", { vmID: guest.uuid, params: { dst: "host-b" } });
    await deferred(guest.uuid);

    await pair.lab.b.startLibvirtd();

    await expectTold(pair.a, guest, ARRIVED);
    await expectRunsOn(guest, pair.lab.b);
  });

  it("dead in mid-transfer: the guest stays", async () => {
    const guest = await startRunning(pair);

    await pair.restartLibvirtd("b");

    await expectTold(pair.a, guest, FAILED_HERE);
    await expectStays(pair, guest);
  });
});

describe("the source's libvirtd", () => {
  it("dead while it prepares: the guest stays", async () => {
    const guest = await startConnecting(pair);

    await pair.restartLibvirtd("a");

    await expectTold(pair.a, guest, FAILED_HERE);
    expect(await pair.a.ended(guest.uuid)).toMatchObject({ dataProcessed: 0 });
    await expectStays(pair, guest);
  });

  it("dead in mid-transfer: the guest stays, and the one in the queue goes when it is back", async () => {
    const first = await startRunning(pair);
    const second = await pair.lab.a.startGuest();
    const params = { dst: "host-b", outgoingLimit: 1 };
    await pair.a.call("VM.migrate", { vmID: second.uuid, params });

    await pair.restartLibvirtd("a");

    await expectTold(pair.a, first, FAILED_HERE);
    await expectTold(pair.a, second, ARRIVED);
    await expectStays(pair, first);
    await expectRunsOn(second, pair.lab.b);
  });
});

describe("QEMU", () => {
  it("killed on the destination in mid-transfer: the guest stays", async () => {
    const guest = await startRunning(pair);

    await guest.killQemu(pair.lab.b);

    await expectTold(pair.a, guest, FAILED_HERE);
    await expectStays(pair, guest);
  });

  it("killed on the source in mid-transfer: the guest has crashed", async () => {
    const guest = await startRunning(pair);

    await guest.killQemu(pair.lab.a);

    await expectTold(pair.a, guest, CRASHED);
    expect(await guest.residence()).toEqual([]);
  });
});

describe("the control network", () => {
  it("dead in mid-transfer: the guest stays, as soon as libvirt gives the other host up", async () => {
    const guest = await startRunning(pair, { filledMiB: 40 });

    await pair.lab.cut("control", "swallow");

    await expectTold(pair.a, guest, FAILED_HERE);
    await expectStays(pair, guest);
  });

  it("dead in post-copy: the guest arrives all the same, and is confirmed when it is back", async () => {
    const guest = await startPostCopy(pair, { filledMiB: 26 });

    await pair.lab.cut("control", "swallow");
    // libvirt has given up on the other host and says so; the data keeps flowing.
    await until(
      async () =>
        /post-copy failed/.test(await pair.lab.a.virsh("domstate", "--reason", guest.uuid)),
      10_000,
      "libvirt gives the destination up",
    );
    await pair.lab.restore("control");

    await expectTold(pair.a, guest, { ...ARRIVED, ended: { ...ARRIVED.ended, confirmed: true } });
    await expectRunsOn(guest, pair.lab.b);
  });
});

describe("the destination host", () => {
  it("dead before it was asked for a slot: the guest waits here, and can be cancelled", async () => {
    const guest = await pair.lab.a.startGuest();
    await pair.powerOff();
    await pair.a.call("VM.migrate", { vmID: guest.uuid, params: { dst: "host-b" } });
    await deferred(guest.uuid);

    expect(await pair.a.call("VM.migrateCancel", { vmID: guest.uuid })).toBe(true);
    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "cancelled", where: "source" });
    await pair.powerOn();
    await expectStays(pair, guest);
  });

  it("dead while libvirt prepares: the guest stays", async () => {
    const guest = await startConnecting(pair);

    await pair.powerOff();

    await expectTold(pair.a, guest, GIVEN_UP);
    expect(await pair.a.ended(guest.uuid)).toMatchObject({ dataProcessed: 0 });
    await pair.powerOn();
    await expectStays(pair, guest);
  });

  it("dead in mid-transfer: the guest stays, within the hard limit and libvirt's own", async () => {
    const guest = await startRunning(pair);

    await pair.powerOff();

    await expectTold(pair.a, guest, GIVEN_UP);
    await pair.powerOn();
    await expectStays(pair, guest);
  });

  it("dead in post-copy: the guest is lost, and that is said once it is back to say so", async () => {
    const guest = await startPostCopy(pair);

    await pair.powerOff();
    await pair.a.event("VM_migration_stalling", guest.uuid);
    await pair.powerOn();

    await expectTold(pair.a, guest, LOST_IN_POST_COPY);
  });
});
