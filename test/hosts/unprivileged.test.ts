/**
 * Production's default: QEMU runs as libvirt-qemu on a kernel that denies it userfaultfd. libvirt
 * then refuses every start with the post-copy flag, and the migration must start all the same.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startDaemon, type Daemon } from "../lab/daemon.ts";
import { Lab } from "../lab/lab.ts";
import { expectRunsOn, heard, migrateRunning, refusal } from "./pair.ts";

const USERFAULTFD = "/proc/sys/vm/unprivileged_userfaultfd";

let lab: Lab;
let a: Daemon;
let b: Daemon;
let before: string;

beforeAll(async () => {
  before = readFileSync(USERFAULTFD, "utf8");
  if (before.trim() !== "0") writeFileSync(USERFAULTFD, "0");
  lab = await Lab.up({ qemuUser: "libvirt-qemu" });
  a = await startDaemon(lab.a, { vars: { min_migration_bandwidth: 1 } });
  b = await startDaemon(lab.b);
});

afterAll(async () => {
  await Promise.all([a.stop(), b.stop()]);
  await lab.down();
  if (before.trim() !== "0") writeFileSync(USERFAULTFD, before);
});

it("a start that libvirt refuses with post-copy is made once more without it, and arrives", async () => {
  const guest = await lab.a.startGuest({ filledMiB: 24 });

  await migrateRunning(a, guest, { dst: "host-b", maxBandwidth: 8 });

  expect(await a.migration(guest.uuid)).toMatchObject({
    phase: "running",
    postcopyPossible: false,
    postcopyUnavailableReason: expect.stringMatching(/Postcopy is not supported/),
  });
  const wish = a.call("VM.migrateChangeParams", {
    vmID: guest.uuid,
    params: { migrationTechnique: "post-copy" },
  });
  await expect(wish).rejects.toMatchObject(refusal(102, /Postcopy is not supported/));
  expect(await a.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
  await expectRunsOn(guest, lab.b);

  const told = a.process
    .log()
    .split("\n")
    .filter((line) => line.includes("start with post-copy refused"));
  expect(told).toHaveLength(1);
  expect(told[0]).toContain(guest.uuid);
  expect(told[0]).toContain("Postcopy is not supported");
  // One migration with one start and one end.
  const names = heard(a, guest.uuid).map((event) => event.name);
  expect(names.filter((name) => name === "VM_migration_ended")).toHaveLength(1);
  const begun = heard(a, guest.uuid).filter(
    (event) => event.fields["status"] === "Migration Source",
  );
  expect(begun).toHaveLength(1);
});
