/**
 * A guest that migrates away and comes back: while it is away its first host reports it as Down in
 * every answer, and once it is back, in its actual state.
 */
import { expect, it } from "vitest";
import type { Guest } from "../lab/api.ts";
import type { Daemon } from "../lab/daemon.ts";
import { until } from "../lab/until.ts";
import { expectRunsOn, refusal, useDaemons, vmStats } from "./pair.ts";

const pair = useDaemons();

async function go(from: Daemon, to: Daemon, guest: Guest): Promise<void> {
  const params = { dst: to.host.name, dstqemu: to.host.migrationAddress };
  await from.call("VM.migrate", { vmID: guest.uuid, params });
  expect(await from.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
  await expectRunsOn(guest, to.host);
}

function listed(daemon: Daemon, verb: string): Promise<readonly Record<string, unknown>[]> {
  return daemon.call<readonly Record<string, unknown>[]>(verb);
}

it("it is Down where it left, until it is back there", async () => {
  const guest = await pair.lab.a.startGuest({ workingSetMiB: 4, ratePagesPerSecond: 256 });
  const vmID = guest.uuid;

  await go(pair.a, pair.b, guest);
  const down = { vmId: vmID, status: "Down", exitCode: 0, exitReason: 4 };
  expect(await vmStats(pair.a, vmID)).toMatchObject(down);
  expect(await listed(pair.a, "Host.getAllVmStats")).toMatchObject([down]);
  expect(await listed(pair.a, "Host.getVMList")).toMatchObject([down]);
  expect(await pair.a.call("Host.getStats")).toMatchObject({ vmCount: 0, vmActive: 0 });

  await go(pair.b, pair.a, guest);
  expect(await listed(pair.a, "Host.getAllVmStats")).toMatchObject([{ vmId: vmID, status: "Up" }]);
  expect(await pair.a.call("Host.getStats")).toMatchObject({ vmCount: 1, vmActive: 1 });
  const status = pair.a.call("VM.getMigrationStatus", { vmID });
  await expect(status).rejects.toMatchObject(refusal(81, /no migration is known/));
  const cancel = pair.a.call("VM.migrateCancel", { vmID });
  await expect(cancel).rejects.toMatchObject(refusal(47, /nothing is migrating/));
  expect(await pair.a.migration(vmID)).toMatchObject({ phase: "ended" });

  await pair.lab.a.virsh("destroy", vmID);
  const off = async (): Promise<boolean> => {
    const [own] = await listed(pair.a, "Host.getVMList");
    return own?.["status"] === "Down";
  };
  await until(off, 10_000, "it is off");
  // It was destroyed, which has nothing to do with its earlier migration.
  expect(await vmStats(pair.a, vmID)).toMatchObject({ status: "Down", exitReason: 6 });
});
