/**
 * One daemon per journal, shown with whole daemons: a second one exits before it has touched
 * anything, whatever path it uses, and the successor of a killed or stopped daemon starts at once.
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, expect, it, onTestFinished } from "vitest";
import { Daemon, JOURNAL_FOLDER, launchDaemon } from "../lab/daemon.ts";
import { sharedLab } from "../lab/shared-lab.ts";
import { SOCKET_PATH } from "../lab/line.ts";
import {
  cancelAll,
  ENDLESS,
  ENDLESS_PARAMS,
  expectRunsOn,
  migrateRunning,
  startForTest,
} from "./pair.ts";

const MAIN = path.resolve(import.meta.dirname, "../../dist/main.js");
const FOLDER = "/run/vdsm-migrationd";
const lab = sharedLab();

afterEach(() => lab.clear());

/** A second daemon on host-a, with its own sockets, that must not start. */
async function second(journal: string) {
  const file = `${FOLDER}/second.json`;
  const config = {
    vars: { migration_max_bandwidth: 7 },
    addresses: { unix_socket: `${FOLDER}/second.sock`, unix_socket_ro: "" },
    ssl: { enabled: false },
    journal: { dir: journal },
  };
  writeFileSync(lab.a.outsidePath(file), JSON.stringify(config));
  return lab.a.tryExec(process.execPath, [MAIN, "--config", file], { deadlineMs: 10_000 });
}

it("is refused to a second daemon, and passes to the next one at once", async () => {
  const options = { vars: { min_migration_bandwidth: 1 }, peerMode: "none" } as const;
  const first = await startForTest(lab.a, options);
  const guest = await lab.a.startGuest(ENDLESS);
  await migrateRunning(first, guest, { dst: "host-b", ...ENDLESS_PARAMS });
  const { migrationId } = await first.migration(guest.uuid);
  const files = (): readonly string[] => readdirSync(lab.a.outsidePath(JOURNAL_FOLDER));
  const before = files();

  const alias = `${FOLDER}/alias`;
  await lab.a.exec("mkdir", [alias]);
  await lab.a.exec("mount", ["--bind", JOURNAL_FOLDER, alias]);
  for (const journal of [JOURNAL_FOLDER, alias]) {
    const { status, stdout, stderr } = await second(journal);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^[^\n]*"msg":"starting"[^\n]*\n$/);
    expect(stderr).toMatch(
      new RegExp(`^vdsm-migrationd: journal\\.dir: ${journal} is in use by .*pid \\d+.*\\n$`),
    );
    expect(stderr).toContain(SOCKET_PATH);
    expect(existsSync(lab.a.outsidePath(`${FOLDER}/second.sock`))).toBe(false);
  }
  await lab.a.exec("umount", [alias]);
  expect(files()).toEqual(before);
  expect(await first.migration(guest.uuid)).toMatchObject({
    migrationId,
    phase: "running",
    cap: ENDLESS_PARAMS.maxBandwidth,
  });

  let last = first;
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    last.hangUp();
    last.process.signal(signal);
    // Without waiting for it to exit.
    const next = await launchDaemon(lab.a);
    onTestFinished(async () => void (await next.stop()));
    await next.waitForLog(/"msg":"ready"/);
    last = new Daemon(lab.a, next);
    await last.connect();
    const taken = await last.migrationIs(guest.uuid, (each) => each["phase"] === "running");
    expect(taken["migrationId"]).toBe(migrationId);
  }
  await cancelAll(last, [guest]);
  await expectRunsOn(guest, lab.a);
});
