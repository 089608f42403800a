/**
 * The scan against libvirtd and QEMU: a VM that does not answer is left out, delays no other, is not
 * asked again until its call has come back, and what it answers late is in the next scan.
 */
import { open } from "libvirt";
import { afterEach, beforeEach, expect, it } from "vitest";
import { systemClock } from "../../../../src/clock.ts";
import { Defects } from "../../../../src/defects.ts";
import { Connections } from "../../../../src/hypervisor/libvirt/connections.ts";
import { FIRST_LANES_MAX } from "../../../../src/hypervisor/libvirt/lanes.ts";
import { HostScan } from "../../../../src/hypervisor/libvirt/scan.ts";
import { createLog } from "../../../../src/logger.ts";
import type { Guest } from "../../../lab/api.ts";
import { sharedLab } from "../../../lab/shared-lab.ts";
import { until } from "../../../lab/until.ts";

const DEADLINE_MS = 10_000;
const WAIT_MS = 1_500;
/** Longer than a guest takes to answer, shorter than one that hangs. */
const SOON_MS = 1_000;

const lab = sharedLab();
const log = createLog({ level: "error" });
let connections: { readonly lists: Connections; readonly stats: Connections };
let scan: HostScan;

beforeEach(() => {
  const options = { uri: lab.a.libvirtUri, deadlineMs: () => DEADLINE_MS, idleMax: 4 };
  connections = { lists: new Connections(options), stats: new Connections(options) };
  scan = new HostScan(connections, systemClock, new Defects(log, systemClock));
});

afterEach(async () => {
  await connections.lists.close();
  await connections.stats.close();
  await lab.clear();
});

async function jobs(waitMs = WAIT_MS): Promise<ReadonlyMap<string, string | undefined>> {
  const result = await scan.scan({ waitMs, first: new Set() });
  if (result.kind !== "ok") throw new Error(`the scan came to ${result.kind}`);
  return new Map(result.value.map(({ vm, job }) => [vm.vmId, job?.kind]));
}

/** Its QEMU stopped and its job lock held: what is asked of it waits until the function is called. */
async function hang(guest: Guest): Promise<() => Promise<void>> {
  await guest.stopQemu(lab.a);
  const holder = await open(lab.a.libvirtUri);
  const holding = (await holder.lookupByUuid(guest.uuid)).suspend().catch(() => undefined);
  return async () => {
    await guest.contQemu(lab.a);
    await holding;
    await holder.close();
  };
}

it("more VMs that hang than lanes begin keep no other from being sampled in the same scan", async () => {
  const guests = await Promise.all(
    Array.from({ length: FIRST_LANES_MAX + 2 }, () => lab.a.startGuest()),
  );
  const hung = guests.slice(0, -1);
  const last = guests.at(-1);
  if (last === undefined) throw new Error("unreachable");
  const releases = await Promise.all(hung.map(hang));
  const first = new Set(hung.map(({ uuid }) => uuid));
  // Each time without knowing of any that it hangs, until one finds all of them hanging.
  const seen = await until(
    async () => {
      const fresh = new HostScan(connections, systemClock, new Defects(log, systemClock));
      const result = await fresh.scan({ waitMs: WAIT_MS, first });
      if (result.kind !== "ok") throw new Error(`the scan came to ${result.kind}`);
      const kinds = new Map(result.value.map(({ vm, job }) => [vm.vmId, job?.kind]));
      return hung.every(({ uuid }) => kinds.get(uuid) === "noAnswer") ? kinds : undefined;
    },
    DEADLINE_MS,
    "they hang",
  );
  expect(seen.get(last.uuid)).toBe("stats");
  for (const release of releases) await release();
});

it("after a restart of libvirtd, the next scan has every VM; while it is down, none", async () => {
  const guests = await Promise.all([lab.a.startGuest(), lab.a.startGuest()]);
  const all = new Map(guests.map(({ uuid }) => [uuid, "stats"]));
  expect(await jobs()).toEqual(all);
  await lab.a.killLibvirtd();
  const down = await scan.scan({ waitMs: WAIT_MS, first: new Set() });
  expect(["disconnected", "refused"]).toContain(down.kind);
  await lab.a.startLibvirtd();
  // Connections that broke while idle are found out by whoever uses them next, or by their event.
  expect(await jobs()).toEqual(all);
});

it("one VM that hangs delays none of the others, and answers late", async () => {
  const [stopped, ...others] = await Promise.all(
    Array.from({ length: 5 }, () => lab.a.startGuest()),
  );
  if (stopped === undefined) throw new Error("unreachable");
  // Not active, so not in a scan.
  await lab.a.defineGuest();
  const answers = (kind: string): Map<string, string> =>
    new Map([[stopped.uuid, kind], ...others.map(({ uuid }) => [uuid, "stats"] as const)]);
  expect(await jobs()).toEqual(answers("stats"));

  // A call to QEMU that gets no answer holds the domain's job lock; stats then wait for it.
  await stopped.stopQemu(lab.a);
  const holder = await open(lab.a.libvirtUri);
  const holding = (await holder.lookupByUuid(stopped.uuid)).suspend();
  await until(
    async () => ((await jobs()).get(stopped.uuid) === "noAnswer" ? true : undefined),
    DEADLINE_MS,
    () => "the VM hangs",
  );
  // Its call is out: it is not asked, so the scan does not wait for it.
  const begunAtMs = systemClock.monotonicMs();
  expect(await jobs()).toEqual(answers("noAnswer"));
  expect(systemClock.monotonicMs() - begunAtMs).toBeLessThan(SOON_MS);

  await stopped.contQemu(lab.a);
  await holding;
  await holder.close();
  // Without time to ask anybody: what is known of it came late.
  await until(
    async () => ((await jobs(0)).get(stopped.uuid) === "stats" ? true : undefined),
    DEADLINE_MS,
    () => "the late answer",
  );
});
