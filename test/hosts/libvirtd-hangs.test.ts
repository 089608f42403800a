/**
 * A libvirtd that hangs until keepalive drops its connections, and then continues. The migration
 * has been running all along (libvirt's PEER2PEER), so the daemon must resume watching it.
 */
import { expect, it } from "vitest";
import { ENDLESS, ENDLESS_PARAMS, expectRunsOn, migrateRunning, useDaemons } from "./pair.ts";

const pair = useDaemons({ vars: { max_outgoing_migrations: 2 } });

it("a migration is watched on and can be cancelled when libvirtd is back", async () => {
  const [guest, other] = await Promise.all([
    pair.lab.a.startGuest(ENDLESS),
    pair.lab.a.startGuest(ENDLESS),
  ]);
  await migrateRunning(pair.a, guest, { dst: "host-b", ...ENDLESS_PARAMS });
  await migrateRunning(pair.a, other, { dst: "host-b", ...ENDLESS_PARAMS });
  const libvirtd = (await pair.lab.a.exec("pidof", ["libvirtd"])).trim();

  await pair.lab.a.exec("kill", ["-STOP", libvirtd]);
  await pair.a.process.waitForLog(/libvirt's events are lost/, { deadlineMs: 40_000 });
  await pair.lab.a.exec("kill", ["-CONT", libvirtd]);

  for (const each of [guest, other]) {
    await pair.a.migrationIs(each.uuid, ({ phase }) => phase === "running");
    expect(await pair.a.call("VM.migrateCancel", { vmID: each.uuid })).toBe(true);
    expect(await pair.a.ended(each.uuid)).toMatchObject({ outcome: "cancelled", where: "source" });
    await expectRunsOn(each, pair.lab.a);
  }
});
