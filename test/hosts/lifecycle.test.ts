/**
 * The daemon's own life: how it stops, and how it reloads its configuration. Running migrations
 * continue in libvirt meanwhile.
 */
import { writeFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { writeConfig } from "../lab/daemon.ts";
import { sharedLab } from "../lab/shared-lab.ts";
import {
  cancelAll,
  ENDLESS,
  ENDLESS_PARAMS,
  expectRunsOn,
  migrateRunning,
  useDaemons,
  startForTest,
} from "./pair.ts";

const CONFIG_PATH = "/run/vdsm-migrationd/vdsm.json";
const SOCKET_PATH = "/run/vdsm-migrationd/rpc.sock";
const lab = sharedLab();
const VARS = { min_migration_bandwidth: 1, max_outgoing_migrations: 1 };

describe("a stop", () => {
  afterEach(() => lab.clear());

  it.each(["SIGTERM", "SIGINT"] as const)(
    "by %s is through within a second, and the migration goes on",
    async (signal) => {
      const a = await startForTest(lab.a, { vars: VARS, peerMode: "none" });
      const guest = await lab.a.startGuest({ filledMiB: 16 });
      await migrateRunning(a, guest, { dst: "host-b", maxBandwidth: 8 });

      const askedAtMs = performance.now();
      a.process.signal(signal);
      const exit = await a.process.exited;

      expect(exit).toEqual({ code: 0, signal: null });
      expect(performance.now() - askedAtMs).toBeLessThan(1_000);
      await guest.counterAdvances({ on: lab.b, deadlineMs: 20_000 });
      await expectRunsOn(guest, lab.b);
    },
  );
});

describe("a running daemon", () => {
  const pair = useDaemons({ vars: VARS });
  const reloads = (): number =>
    pair.a.process.log().split(/"reloaded the configuration"|"configuration not reloaded/).length;

  /** Writes the file as given, and waits until the daemon has read it. */
  async function reload(write: () => void, says: RegExp): Promise<void> {
    const before = pair.a.process.log().length;
    const count = reloads();
    write();
    pair.a.process.signal("SIGHUP");
    await pair.a.process.waitForLog(new RegExp(`(?<=[^]{${before}})${says.source}`));
    expect(reloads()).toBe(count + 1);
  }

  it("takes over by SIGHUP what may change, keeps the old values of a bad file, and names the rest", async () => {
    const [first, second, third] = await Promise.all([
      lab.a.startGuest(ENDLESS),
      lab.a.startGuest(ENDLESS),
      lab.a.startGuest(ENDLESS),
    ]);
    const params = { dst: "host-b", ...ENDLESS_PARAMS };
    await migrateRunning(pair.a, first, params);
    for (const guest of [second, third]) {
      await pair.a.call("VM.migrate", { vmID: guest.uuid, params });
    }
    const phaseOf = async (vmId: string) => (await pair.a.migration(vmId))["phase"];

    const bad = { ...VARS, max_outgoing_migrations: 99 };
    await reload(() => writeConfig(lab.a, { vars: bad }), /not reloaded; keeping the old values/);
    expect(pair.a.process.log()).toMatch(/"why":"vars.max_outgoing_migrations: 99 .*1 to 15/);
    expect(await phaseOf(second.uuid)).toBe("queued");

    await reload(
      () => writeFileSync(lab.a.outsidePath(CONFIG_PATH), "{ half"),
      /not reloaded; keeping the old values/,
    );
    expect(await phaseOf(second.uuid)).toBe("queued");

    const good = { ...VARS, max_outgoing_migrations: 2 };
    await reload(
      () => writeConfig(lab.a, { vars: good }),
      /"changed":\["vars.max_outgoing_migrations"\],"needsRestart":\[\]/,
    );
    await pair.a.migrationIs(second.uuid, (each) => each["phase"] === "running");
    expect(await phaseOf(third.uuid)).toBe("queued");

    const config = {
      vars: { ...good, migration_monitor_interval: 0.2, peer_timeout: 1 },
      addresses: {
        management_ip: lab.a.controlAddress,
        management_port: 54_399,
        unix_socket: SOCKET_PATH,
      },
      ssl: { enabled: false, allow_plaintext: true },
      libvirt: { destination_uri: "qemu+tcp://{host}/system" },
    };
    await reload(
      () => writeFileSync(lab.a.outsidePath(CONFIG_PATH), JSON.stringify(config)),
      /"needsRestart":\["addresses.management_port"\]/,
    );
    expect(await pair.a.call("Host.ping2")).toBe(true);
    await cancelAll(pair.a, [third, second, first]);
  });
});
