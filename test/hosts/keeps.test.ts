/**
 * What a daemon must not forget: VMs that have left, whatever the wall clock does, and the files of
 * a save that continues in libvirt while the daemon is killed and restarted.
 */
import { readdirSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { startDaemon, type Daemon } from "../lab/daemon.ts";
import { sharedLab } from "../lab/shared-lab.ts";
import { until } from "../lab/until.ts";
import { expectRunsOn, refusal, vmStats } from "./pair.ts";

const lab = sharedLab();
const FOLDER = "/var/lib/vdsm-migrationd/images";
const HOUR_MS = 3_600_000;
let a: Daemon;
let b: Daemon;

beforeAll(async () => {
  await lab.a.exec("sh", ["-c", `rm -rf ${FOLDER}/* && mkdir -p ${FOLDER}`]);
  a = await startDaemon(lab.a, { wallSteps: true });
  b = await startDaemon(lab.b);
});
afterAll(async () => {
  await Promise.all([a.stop(), b.stop()]);
});
afterEach(() => lab.clear());

const files = (): readonly string[] => readdirSync(lab.a.outsidePath(FOLDER)).toSorted();

async function killAndRestart(): Promise<void> {
  a.hangUp();
  await a.process.kill();
  a = await startDaemon(lab.a, { keepJournal: true });
}

it("a VM that has left is known though the clock goes two hours forward, and back again", async () => {
  const guest = await lab.a.startGuest();
  const vmID = guest.uuid;
  const params = { dst: "host-b", dstqemu: lab.b.migrationAddress };
  await a.call("VM.migrate", { vmID, params });
  expect(await a.ended(vmID)).toMatchObject({ outcome: "completed" });

  a.process.signal("SIGUSR2");
  const stepped = async (): Promise<boolean> => {
    const { dateTime } = await a.call<{ dateTime: string }>("Host.getStats");
    return Date.parse(dateTime.replace(" GMT", "Z")) - Date.now() > HOUR_MS;
  };
  await until(stepped, 10_000, "the daemon's clock has stepped");
  expect(await vmStats(a, vmID)).toMatchObject({ status: "Down", exitReason: 4 });
  expect(await a.call("VM.getMigrationStatus", { vmID })).toMatchObject({ outcome: "completed" });
  await killAndRestart();
  expect(await vmStats(a, vmID)).toMatchObject({ status: "Down", exitReason: 4 });
  expect(await a.migration(vmID)).toMatchObject({ phase: "ended" });
});

it("the files of a save are its own, by whatever name, over a kill of the daemon", async () => {
  const guest = await lab.a.startGuest({ memoryMiB: 1024, filledMiB: 1000 });
  const other = await lab.a.startGuest();
  const [image, parameters, alias, free] = ["image", "parameters", "alias", "free"].map(
    (name) => `${FOLDER}/${name}`,
  );
  const save = (vmID: string, dst = image, dstparams = parameters) =>
    a.call("VM.migrate", { vmID, params: { mode: "file", dst, dstparams } });
  await save(guest.uuid);
  await a.migrationIs(guest.uuid, (each) => each["phase"] === "running");
  await guest.stopQemu(lab.a);
  await killAndRestart();

  // The same file under another name, in the daemon's own mount namespace.
  await lab.a.exec("sh", ["-c", `: > ${alias}`]);
  const pid = (await lab.a.exec("pgrep", ["-f", "dist/main.js"])).trim();
  const inItsView = (...command: string[]) => lab.a.exec("nsenter", ["-t", pid, "-m", ...command]);
  await inItsView("mount", "--bind", `${FOLDER}/parameters`, `${FOLDER}/alias`);
  for (const [dst, dstparams] of [
    [image, parameters],
    [image, free],
    [free, parameters],
    [parameters, free],
    [free, alias],
  ]) {
    await expect(save(other.uuid, dst, dstparams)).rejects.toMatchObject(refusal(-32602, /in use/));
  }
  await inItsView("umount", `${FOLDER}/alias`);
  expect(files()).toEqual(["alias", "image", "parameters"]);

  const cancelled = a.call("VM.migrateCancel", { vmID: guest.uuid });
  await a.migrationIs(guest.uuid, (each) => each["phase"] === "cancelling");
  await guest.contQemu(lab.a);
  expect(await cancelled).toBe(true);
  expect(files()).toEqual(["alias"]);
  await expectRunsOn(guest, lab.a);
  await expectRunsOn(other, lab.a);
});
