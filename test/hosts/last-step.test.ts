/**
 * All data is sent and the destination's libvirtd is slow to finish: no stall is reported, since
 * there is nothing left to advance.
 */
import { expect, it } from "vitest";
import { until } from "../lab/until.ts";
import { cyclesOf, expectRunsOn, lastStall, migrateRunning, useDaemons } from "./pair.ts";

const pair = useDaemons();
/** Of 0.2 s each: more than twice the limit. */
const CYCLES = 14;

it("a migration in its last step does not stall", async () => {
  const guest = await pair.lab.a.startGuest({ filledMiB: 16 });
  const vmID = guest.uuid;
  // QEMU sends to QEMU; libvirtd is needed only to finish.
  const libvirtd = (await pair.lab.b.exec("pidof", ["libvirtd"])).trim();
  await migrateRunning(pair.a, guest, {
    dst: "host-b",
    dstqemu: pair.lab.b.migrationAddress,
    maxBandwidth: 8,
    stallingLimit: 1,
  });
  await pair.lab.b.exec("kill", ["-STOP", libvirtd]);
  await pair.a.migrationIs(vmID, (each) => each["dataRemaining"] === 0);
  const seen = cyclesOf(pair.a, vmID) + CYCLES;
  await until(() => cyclesOf(pair.a, vmID) >= seen, 20_000, "its cycles go on");
  expect(await pair.a.migration(vmID)).toMatchObject({ phase: "running", dataRemaining: 0 });
  await pair.lab.b.exec("kill", ["-CONT", libvirtd]);

  expect(await pair.a.ended(vmID)).toMatchObject({ outcome: "completed", confirmed: true });
  expect(lastStall(pair.a, vmID)).toEqual([]);
  await expectRunsOn(guest, pair.lab.b);
});
