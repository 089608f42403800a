/**
 * A large working set under auto-converge that shrinks slowly: QEMU from 9.2 on synchronises its dirty
 * bitmap every 5 s in mid-sweep and counts a pass each time, and none of them may be taken for a stall.
 */
import { expect, it } from "vitest";
import { expectRunsOn, stallings, useDaemons } from "../../hosts/pair.ts";

const CAP_MIBPS = 16;
const pair = useDaemons({ vars: { min_migration_bandwidth: CAP_MIBPS } });

it("a guest that converges slowly under auto-converge arrives, and no stall is told", async () => {
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
