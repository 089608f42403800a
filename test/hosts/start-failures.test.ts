/**
 * A start that fails on the destination for its own reasons is tried once: a hook there runs once,
 * the outcome carries libvirt's message, and whether post-copy is possible does not change.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Guest } from "../lab/api.ts";
import { expectRunsOn, useDaemons } from "./pair.ts";

const pair = useDaemons();
const HOOK = "/etc/libvirt/hooks/qemu";
const RUNS = "/run/hook-runs";

/** Refuses incoming guests with this name, with a misleading message. */
const REFUSE = `#!/bin/sh
case "$1 $2" in
hooked*\\ migrate)
  echo "$1" >> ${RUNS}
  echo "Postcopy is not supported" >&2
  exit 1 ;;
esac
`;

beforeAll(async () => {
  const hook = pair.lab.b.outsidePath(HOOK);
  mkdirSync(path.dirname(hook), { recursive: true });
  writeFileSync(hook, REFUSE, { mode: 0o755 });
  // libvirtd looks for hooks only when it starts.
  await pair.lab.b.stopLibvirtd();
  await pair.lab.b.startLibvirtd();
});

afterAll(async () => {
  rmSync(pair.lab.b.outsidePath(HOOK));
  await pair.lab.b.stopLibvirtd();
  await pair.lab.b.startLibvirtd();
});

async function expectFailedOnce(guest: Guest, why: RegExp): Promise<void> {
  const params = { dst: "host-b", dstqemu: pair.lab.b.migrationAddress };
  await pair.a.call("VM.migrate", { vmID: guest.uuid, params });
  expect(await pair.a.ended(guest.uuid)).toMatchObject({
    outcome: "failed",
    reason: "libvirt",
    where: "source",
    message: expect.stringMatching(why),
  });
  expect(await pair.a.migration(guest.uuid)).toMatchObject({ postcopyPossible: true });
  expect(pair.a.process.log()).not.toContain("start with post-copy refused");
  await expectRunsOn(guest, pair.lab.a);
}

it("a hook that refuses the guest, whatever it prints, runs once", async () => {
  const guest = await pair.lab.a.startGuest({ name: "hooked-post-copy" });
  await expectFailedOnce(guest, /hook/i);
  expect(readFileSync(pair.lab.b.outsidePath(RUNS), "utf8").trim().split("\n")).toHaveLength(1);
});

it("a name that is taken there", async () => {
  const guest = await pair.lab.a.startGuest({ name: "postcopy" });
  const other = await pair.lab.b.startGuest({ name: "postcopy" });
  await expectFailedOnce(guest, /already exists/);
  expect((await pair.lab.b.domains()).map(({ uuid }) => uuid)).toEqual([other.uuid]);
});
