/**
 * Polls that fall a little later into each pass see ever less remaining data although every pass is
 * as large as the one before. The old rule ("a new low of remaining is progress") is fooled for ever.
 */
import { expect, it } from "vitest";
import { expectRunsOn, RESTLESS_CAP_MIBPS, useDaemons } from "./pair.ts";

const pair = useDaemons({
  vars: { min_migration_bandwidth: 1, migration_downtime: 100, migration_monitor_interval: 1 },
});

it("equal passes that polls see at ever lower points are aborted all the same", async () => {
  // 3.9 MiB at 4 MiB/s: a pass is a little shorter than the 1 s between two polls.
  const guest = await pair.lab.a.startGuest({ workingSetMiB: 4, ratePagesPerSecond: 4096 });
  await pair.a.call("VM.migrate", {
    vmID: guest.uuid,
    params: { dst: "host-b", maxBandwidth: RESTLESS_CAP_MIBPS, migrationProgressTimeout: 4 },
  });

  expect(await pair.a.ended(guest.uuid)).toMatchObject({
    outcome: "failed",
    reason: "progressTimeout",
  });
  await expectRunsOn(guest, pair.lab.a);
});
