/**
 * A guest whose definition is far larger than our usual messages arrives, and does not slow down
 * other migrations to the same destination.
 */
import { expect, it } from "vitest";
import { ENDLESS, expectRunsOn, heard, migrateRunning, useDaemons } from "./pair.ts";

const pair = useDaemons({ vars: { min_migration_bandwidth: 1 } });

it("a guest with a definition of 3 MiB arrives", async () => {
  const neighbour = await pair.lab.a.startGuest(ENDLESS);
  await migrateRunning(pair.a, neighbour, { dst: "host-b", downtime: 1, maxBandwidth: 8 });
  const guest = await pair.lab.a.startGuest({ workingSetMiB: 2, descriptionKiB: 3072 });
  await pair.a.call("VM.migrate", { vmID: guest.uuid, params: { dst: "host-b" } });
  expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
  await expectRunsOn(guest, pair.lab.b);
  expect(pair.a.process.log()).not.toMatch(/destination does not answer/);
  const deferred = heard(pair.a, guest.uuid).filter(({ name }) => name === "VM_migration_deferred");
  expect(deferred).toEqual([]);
  await pair.a.call("VM.migrateCancel", { vmID: neighbour.uuid });
});
