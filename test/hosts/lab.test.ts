/**
 * The lab itself: its hosts are real enough for libvirt to migrate a running guest between them,
 * its links fail as real networks do, and nothing of it remains once it is down.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Lab } from "../lab/lab.ts";
import { sharedLab } from "../lab/shared-lab.ts";

const lab = sharedLab();

const MIGRATE_LIVE = ["migrate", "--live", "--p2p"] as const;
const TO_B = "qemu+tcp://host-b/system";

afterEach(() => lab.clear());

describe("a guest", () => {
  it("keeps its count unbroken there and back again", async () => {
    const guest = await lab.a.startGuest({ workingSetMiB: 4, ratePagesPerSecond: 256 });

    await lab.a.virsh(...MIGRATE_LIVE, guest.uuid, TO_B);
    await guest.counterAdvances({ on: lab.b });
    await lab.b.virsh(...MIGRATE_LIVE, guest.uuid, "qemu+tcp://host-a/system");

    await guest.counterAdvances({ on: lab.a });
    guest.assertUnbroken();
    expect(await guest.residence()).toEqual([lab.a]);
  });

  it("stops counting while its QEMU is stopped and goes on after", async () => {
    const guest = await lab.a.startGuest();

    await guest.stopQemu(lab.a);
    const stopped = guest.counter();
    await expect(guest.counterAdvances({ deadlineMs: 500 })).rejects.toThrow("to count to");
    await guest.contQemu(lab.a);

    expect((await guest.counterAdvances()).value).toBeGreaterThan(stopped.value);
    guest.assertUnbroken();
  });
});

describe("a host", () => {
  it("lists running and inactive domains, persistent or not", async () => {
    const inactive = await lab.a.defineGuest({ name: "inactive" });
    const running = await lab.a.startGuest({ name: "running", persistent: true });

    expect(await lab.a.domains()).toEqual(
      expect.arrayContaining([
        { name: "inactive", uuid: inactive.uuid, state: "shut off", persistent: true },
        { name: "running", uuid: running.uuid, state: "running", persistent: true },
      ]),
    );
  });

  it("keeps its guests when its libvirtd is killed and started again", async () => {
    const guest = await lab.a.startGuest();

    await lab.a.killLibvirtd();
    await guest.counterAdvances();
    await lab.a.startLibvirtd();

    expect(await guest.residence()).toEqual([lab.a]);
    guest.assertUnbroken();
  });

  it("answers a client outside by its URI", () => {
    const answer = execFileSync("virsh", ["--connect", lab.b.libvirtUri, "hostname"]);
    expect(answer.toString().trim()).toBe("host-b");
  });

  it("runs a daemon that ends on SIGTERM with its own status", async () => {
    const script =
      "process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1e6); console.log('up')";
    const daemon = await lab.a.spawn(process.execPath, ["-e", script], { logName: "daemon.log" });

    await daemon.waitForLog(/^up$/m);

    expect(await daemon.stop()).toEqual({ code: 7, signal: null });
  });
});

describe("a link", () => {
  const pingB = (address: string): Promise<{ status: number }> =>
    lab.a.tryExec(process.execPath, [
      "-e",
      `const s = require("node:net").connect(16509, "${address}");
       s.setTimeout(700, () => process.exit(2));
       s.on("connect", () => process.exit(0)).on("error", () => process.exit(1));`,
    ]);

  it.each([
    { kind: "down", status: 1 },
    { kind: "swallow", status: 2 },
  ] as const)("cut by $kind fails as such while the other lives", async ({ kind, status }) => {
    expect(await pingB(lab.b.migrationAddress)).toMatchObject({ status: 0 });

    await lab.cut("migration", kind);

    expect(await pingB(lab.b.migrationAddress)).toMatchObject({ status });
    expect(await pingB(lab.b.controlAddress)).toMatchObject({ status: 0 });
    await lab.restore("migration");
    expect(await pingB(lab.b.migrationAddress)).toMatchObject({ status: 0 });
  });
});

describe("the end of a lab", () => {
  /** The machine's processes that are in one of these pid namespaces. */
  const inTrees = (trees: readonly string[]): string[] =>
    readdirSync("/proc").filter((entry) => {
      if (!/^\d+$/.test(entry)) return false;
      try {
        return trees.includes(readlinkSync(`/proc/${entry}/ns/pid`));
      } catch {
        return false;
      }
    });

  it("leaves no process, namespace, mount or file", async () => {
    const own = await Lab.up({ hosts: 2 });
    const { folder, hosts } = own.coordinates;
    const trees = hosts.map(({ initPid }) => readlinkSync(`/proc/${initPid}/ns/pid`));
    await own.a.startGuest();
    expect(inTrees(trees).length).toBeGreaterThan(4);

    await Promise.all([own.down(), own.down()]);

    // An unnamed namespace lives as long as a process is in it.
    expect(inTrees(trees)).toEqual([]);
    expect(execFileSync("mount").toString()).not.toContain(path.basename(folder));
    expect(existsSync(folder)).toBe(false);
  });
});
