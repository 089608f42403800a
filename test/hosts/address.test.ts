/**
 * Destinations with unusual names: every spelling of this host itself is refused before anything
 * starts, and a link-local address with its zone reaches the destination's daemon, libvirt and
 * QEMU.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { Host } from "../lab/api.ts";
import { Daemon, launchDaemon, writeConfig } from "../lab/daemon.ts";
import { sharedLab } from "../lab/shared-lab.ts";
import { until } from "../lab/until.ts";
import { expectRunsOn, refusal } from "./pair.ts";

const CONFIG_PATH = "/run/vdsm-migrationd/vdsm.json";
const DEADLINE_MS = 20_000;

const lab = sharedLab();
const daemons: Daemon[] = [];

/** On all of its addresses, IPv6 ones too. */
async function startEverywhere(host: Host): Promise<Daemon> {
  writeConfig(host, { vars: { min_migration_bandwidth: 1 } });
  const file = host.outsidePath(CONFIG_PATH);
  const config = JSON.parse(readFileSync(file, "utf8")) as { addresses: object };
  writeFileSync(
    file,
    JSON.stringify({ ...config, addresses: { ...config.addresses, management_ip: "::" } }),
  );
  const daemonProcess = await launchDaemon(host);
  await daemonProcess.waitForLog(/"msg":"ready"/, { deadlineMs: DEADLINE_MS });
  const daemon = new Daemon(host, daemonProcess);
  await daemon.connect();
  return daemon;
}

beforeAll(async () => {
  daemons.push(...(await Promise.all([lab.a, lab.b].map(startEverywhere))));
});
afterAll(async () => {
  await Promise.all(daemons.map((daemon) => daemon.stop()));
});
afterEach(() => lab.clear());

/** host-b's on the link to host-a, once the kernel has found nobody else with it. */
async function linkLocalOfB(): Promise<string> {
  const shown = async (): Promise<string | undefined> => {
    const text = await lab.b.exec("ip", [
      "-6",
      "-o",
      "addr",
      "show",
      "dev",
      "ctl-a",
      "scope",
      "link",
    ]);
    const [, address] = /inet6 (fe80:[0-9a-f:]+)/.exec(text) ?? [];
    return text.includes("tentative") ? undefined : address;
  };
  return await until(shown, DEADLINE_MS, "a link-local address");
}

it("this host itself is refused, by whatever name, and nothing is begun", async () => {
  const [a] = daemons;
  const guest = await lab.a.startGuest({ workingSetMiB: 4 });
  const own = [
    "host-a",
    "HOST-A.:54321",
    // Not its name, but one that resolves to an address of it.
    "host-a-migration",
    "localhost",
    "127.0.0.1:54321",
    "[::1]",
    `${lab.a.controlAddress}:16509`,
    lab.a.migrationAddress,
    `[::ffff:${lab.a.controlAddress}]:54321`,
  ];
  for (const dst of own) {
    const asked = a?.call("VM.migrate", { vmID: guest.uuid, params: { dst } });
    await expect(asked, dst).rejects.toMatchObject(
      refusal(-32602, /^dst: .* is this host itself$/),
    );
  }
  for (const dstqemu of [lab.a.migrationAddress, "host-a-migration"]) {
    const asked = a?.call("VM.migrate", { vmID: guest.uuid, params: { dst: "host-b", dstqemu } });
    await expect(asked).rejects.toMatchObject(refusal(-32602, /^dstqemu: .* is this host itself$/));
  }
  // Its journal may list migrations of earlier test files.
  const migrations = JSON.stringify(await a?.call("Host.getMigrations"));
  expect(migrations).not.toContain(guest.uuid);
  expect(a?.events).toEqual([]);
});

it.each([
  ["a link-local address with its zone", (address: string) => `${address}%ctl-b:54321`],
  ["a name with a trailing dot", () => "HOST-B.:54321"],
])("%s is migrated to", async (_what, spell) => {
  const [a] = daemons;
  const guest = await lab.a.startGuest({ workingSetMiB: 4, ratePagesPerSecond: 256 });
  const dst = spell(await linkLocalOfB());
  expect(await a?.call("VM.migrate", { vmID: guest.uuid, params: { dst } })).toBe(true);
  expect(await a?.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
  await expectRunsOn(guest, lab.b);
});
