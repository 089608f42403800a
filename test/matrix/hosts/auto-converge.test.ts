/**
 * A large working set that shrinks slowly, with auto-converge: QEMU 9.2 and later synchronizes its
 * dirty bitmap every 5 s in the middle of a pass and counts a pass each time; none of these may
 * count as a stall.
 */
import { expect, it } from "vitest";
import { expectRunsOn, stallings, useDaemons } from "../../hosts/pair.ts";

const CAP_MIBPS = 16;
const pair = useDaemons({ vars: { min_migration_bandwidth: CAP_MIBPS } });

it("a guest that converges slowly under auto-converge arrives, and no stall is reported", async () => {
  const guest = await pair.lab.a.startGuest({
    memoryMiB: 256,
    workingSetMiB: 220,
    ratePagesPerSecond: 3_712,
  });
  await pair.a.call("VM.migrate", {
    vmID: guest.uuid,
    params: {
      dst: "host-b",
      autoConverge: true,
      maxBandwidth: CAP_MIBPS,
      downtime: 8_000,
      stallingLimit: 1,
      migrationProgressTimeout: 10,
    },
  });

  const ended = await pair.a.ended(guest.uuid, { deadlineMs: 150_000 });

  expect(stallings(pair.a, guest.uuid)).toEqual([]);
  expect(ended).toMatchObject({ outcome: "completed", confirmed: true });
  await expectRunsOn(guest, pair.lab.b);
});
