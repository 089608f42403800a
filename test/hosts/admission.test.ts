/**
 * Admission on the destination, and what the source does when there is no slot: VM.migrationCreate,
 * VM.destroy, and a queue that keeps its order while destinations are full or silent.
 */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Guest } from "../lab/api.ts";
import { RpcError } from "../lab/daemon.ts";
import { cancelAll, ENDLESS, ENDLESS_PARAMS, expectRunsOn, useDaemons } from "./pair.ts";

const options = {
  vars: {
    max_incoming_migrations: 1,
    max_outgoing_migrations: 2,
    migration_retry_timeout: 1,
    migration_listener_timeout: 2,
  },
};
const pair = useDaemons(options);

async function startEndless(params: Record<string, unknown> = {}): Promise<Guest> {
  const guest = await pair.lab.a.startGuest(ENDLESS);
  await pair.a.call("VM.migrate", {
    vmID: guest.uuid,
    params: { dst: "host-b", ...ENDLESS_PARAMS, ...params },
  });
  return guest;
}

const codeOf = async (call: Promise<unknown>): Promise<number | null> =>
  call.then(
    () => null,
    (error: unknown) => (error instanceof RpcError ? error.code : Number.NaN),
  );

describe("a destination with one slot", () => {
  it("defers a second migration, which begins when the first has ended", async () => {
    const first = await startEndless();
    await pair.a.migrationIs(first.uuid, (each) => each["phase"] === "running");
    const second = await pair.lab.a.startGuest({ workingSetMiB: 4, ratePagesPerSecond: 256 });
    await pair.a.call("VM.migrate", { vmID: second.uuid, params: { dst: "host-b" } });

    const waiting = await pair.a.migrationIs(second.uuid, (each) => Number(each["deferrals"]) >= 2);
    expect(waiting["deferralReason"]).toContain("Incoming migration limit exceeded");
    expect(waiting["stalledFor"]).toBe(0);

    await cancelAll(pair.a, [first]);
    expect(await pair.a.ended(second.uuid)).toMatchObject({ outcome: "completed" });
    await expectRunsOn(second, pair.lab.b);
  });

  it("takes a second one whose request brings a higher incomingLimit", async () => {
    const first = await startEndless();
    await pair.a.migrationIs(first.uuid, (each) => each["phase"] === "running");

    const second = await startEndless({ incomingLimit: 2 });

    await pair.a.migrationIs(second.uuid, (each) => each["phase"] === "running");
    await cancelAll(pair.a, [first, second]);
  });

  it("a deferred one can be cancelled", async () => {
    const first = await startEndless();
    await pair.a.migrationIs(first.uuid, (each) => each["phase"] === "running");
    const second = await startEndless();
    await pair.a.migrationIs(second.uuid, (each) => each["deferrals"] === 1);

    expect(await pair.a.call("VM.migrateCancel", { vmID: second.uuid })).toBe(true);

    expect(await pair.a.ended(second.uuid)).toMatchObject({
      outcome: "cancelled",
      where: "source",
    });
    await expectRunsOn(second, pair.lab.a);
    await cancelAll(pair.a, [first]);
  });

  it("gives the slot free at once when a migration fails before it began", async () => {
    const guest = await startEndless({ encrypted: true });
    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "failed", where: "source" });

    const vmID = randomUUID();
    expect(await codeOf(pair.b.call("VM.migrationCreate", { vmID, params: {} }))).toBeNull();
    expect(await pair.b.call("VM.destroy", { vmID })).toBe(true);
  });
});

describe("VM.migrationCreate and VM.destroy", () => {
  it("reserve, refuse (82), renew, free and lapse", async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    const create = (vmID: string, more = {}): Promise<unknown> =>
      pair.b.call("VM.migrationCreate", {
        vmID,
        params: { vmId: vmID, xml: "<domain/>" },
        ...more,
      });

    expect(await create(one)).toMatchObject({
      migrationPort: 0,
      params: { vmId: one, status: "Migration Destination", xml: "<domain/>" },
    });
    expect(await codeOf(create(two))).toBe(82);
    expect(await codeOf(create(one))).toBeNull();
    expect(await codeOf(create(two, { incomingLimit: 2 }))).toBeNull();
    expect(await pair.b.call("VM.destroy", { vmID: two })).toBe(true);
    expect(await pair.b.call("VM.destroy", { vmID: one })).toBe(true);
    expect(await codeOf(pair.b.call("VM.destroy", { vmID: one }))).toBe(1);
  });

  it("a VM that runs is neither expected (4) nor destroyed (51)", async () => {
    const guest = await pair.lab.b.startGuest();
    const create = pair.b.call("VM.migrationCreate", { vmID: guest.uuid, params: {} });
    expect(await codeOf(create)).toBe(4);
    expect(await codeOf(pair.b.call("VM.destroy", { vmID: guest.uuid }))).toBe(51);
    await expectRunsOn(guest, pair.lab.b);
  });

  it("a VM that has left is spoken of until it is destroyed", async () => {
    const guest = await pair.lab.a.startGuest();
    await pair.a.call("VM.migrate", { vmID: guest.uuid, params: { dst: "host-b" } });
    await pair.a.ended(guest.uuid);
    expect(await pair.a.call("VM.getStats", { vmID: guest.uuid })).toMatchObject([
      { status: "Down", exitReason: 4 },
    ]);

    expect(await pair.a.call("VM.destroy", { vmID: guest.uuid })).toBe(true);

    expect(await codeOf(pair.a.call("VM.getStats", { vmID: guest.uuid }))).toBe(1);
    expect(await pair.a.migration(guest.uuid)).toMatchObject({ phase: "ended" });
  });
});
