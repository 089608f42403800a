/**
 * VM.migrateCheck on two hosts that work, and on a destination where nothing does; no guest moves.
 */
import { describe, expect, it } from "vitest";
import { expectRunsOn, heard, refusal, useDaemons } from "./pair.ts";

const pair = useDaemons({ vars: { max_incoming_migrations: 1 } });

type Check = { readonly check: string; readonly ok: boolean | null; readonly detail: string };

async function check(vmID: string, params: Record<string, unknown>): Promise<Map<string, Check>> {
  const checks = await pair.a.call<Check[]>("VM.migrateCheck", { vmID, params });
  return new Map(checks.map((each) => [each.check, each]));
}

const NAMES = [
  "vm",
  "job",
  "outgoingSlot",
  "resolve",
  "migrationAddress",
  "daemon",
  "version",
  "incomingSlot",
  "absentThere",
  "certificates",
  "libvirt",
  "cpu",
  "disks",
  "hostDevices",
  "postCopy",
  "bandwidth",
];

describe("VM.migrateCheck", () => {
  it("finds nothing in the way between two hosts that work", async () => {
    const guest = await pair.lab.a.startGuest();

    const found = await check(guest.uuid, { dst: "host-b" });

    expect([...found.keys()]).toEqual(NAMES);
    expect([...found.values()].filter(({ ok }) => ok !== true)).toEqual([]);
    expect(found.get("libvirt")?.detail).toMatch(/^host-b: libvirt \d+\.\d+\.\d+, QEMU \d/);
    expect(found.get("version")?.detail).toMatch(/^\d+\.\d+\.\d+$/);
    expect(found.get("incomingSlot")?.detail).toBe("0 of 1 in use");
    expect(found.get("bandwidth")?.detail).toMatch(/^52 MiB\/s of 52/);
    expect(found.get("cpu")?.detail).toMatch(/^the guest's CPU is available there; /);
    expect(heard(pair.a, guest.uuid)).toEqual([]);
    await expectRunsOn(guest, pair.lab.a);
  });

  it("names what is in the way, and does not stop at the first", async () => {
    const disk = "/var/lib/libvirt/local.img";
    await pair.lab.a.exec("truncate", ["-s", "1M", disk]);
    const guest = await pair.lab.a.startGuest({
      devicesXml: `<disk type='file'><source file='${disk}'/><target dev='vda' bus='virtio'/></disk>`,
    });
    await pair.lab.a.virsh("suspend", guest.uuid);

    const found = await check(guest.uuid, { dst: "host-b-migration:1", dstqemu: "10.231.1.77" });

    const bad = [...found.values()].filter(({ ok }) => ok !== true);
    expect(bad.map(({ check: name, ok }) => [name, ok])).toEqual([
      ["migrationAddress", false],
      ["daemon", false],
      ["version", null],
      ["incomingSlot", null],
      ["absentThere", null],
      ["disks", false],
      ["postCopy", false],
    ]);
    expect(found.get("daemon")?.detail).toMatch(/refuses connections/);
    expect(found.get("disks")?.detail).toContain(disk);
    expect(found.get("postCopy")?.detail).toMatch(/paused/);
    expect(found.get("vm")).toMatchObject({ ok: true, detail: "Paused" });
    expect(heard(pair.a, guest.uuid)).toEqual([]);
  });

  it("refuses what VM.migrate refuses", async () => {
    const guest = await pair.lab.a.startGuest();
    await expect(check(guest.uuid, { dst: "host-a" })).rejects.toMatchObject(
      refusal(-32602, /this host itself/),
    );
    await expect(check(guest.uuid, { dst: "host-b", cpusets: [] })).rejects.toMatchObject(
      refusal(91, /vCPUs/),
    );
    await expect(
      check("00000000-0000-4000-8000-000000000001", { dst: "host-b" }),
    ).rejects.toMatchObject(refusal(1, /does not exist/));
  });
});
