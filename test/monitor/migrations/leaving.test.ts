/**
 * Between the guest's leaving this host and the end of its migration an engine that polls finds what the
 * events have told it: the VM is leaving. "There is no such VM" would have it look for the VM elsewhere,
 * or start it again.
 */
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../journal/fixtures.ts";
import { SmallHost, type Destination } from "../small-host.ts";

const VM = "11111111-1111-4111-8111-111111111111";
const OTHER = "22222222-2222-4222-8222-222222222222";
const BROKEN = {
  kind: "refused",
  refusal: { kind: "other", code: 38, message: "broken" },
} as const;
const POSTCOPY = { status: "Paused", pauseCode: "POSTCOPY" };

/** It has given the slot, and does not say where the guest is. */
const MUTE: Destination = (method) => {
  const counts = { incomingVmMigrations: 0, outgoingVmMigrations: 0 };
  return method === "VM.getStats"
    ? { kind: "silent", cause: "timeout", message: "no answer" }
    : { kind: "result", result: counts };
};

async function leaving(): Promise<SmallHost> {
  const host = await SmallHost.up({ destination: MUTE });
  host.hypervisor.put(VM);
  host.hypervisor.put(OTHER);
  await host.migrate(VM);
  await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
  return host;
}

/** Gone, and its call out or back: in either case nobody knows yet where to. */
async function goes(host: SmallHost, back: boolean): Promise<void> {
  host.hypervisor.vms.delete(VM);
  if (back) host.hypervisor.end(VM, BROKEN);
  host.clock.monotonicStepMs += 1_000;
  await host.until(
    () => !back || host.registry.liveOf(VM)?.migration.call.returned !== null || undefined,
    "its call's end",
  );
}

async function expectAnswers(host: SmallHost, answer: { readonly status: string }): Promise<void> {
  const { service } = host;
  const { status } = answer;
  const whole = { ...answer, vmName: "vm-1111", migrationProgress: expect.any(Number) };
  expect(await service.vmStats(VM)).toMatchObject(whole);
  const all = await service.allVmStats();
  expect(all.filter(({ vmId }) => vmId === VM)).toMatchObject([whole]);
  const list = await service.vmList();
  expect(list.filter(({ vmId }) => vmId === VM)).toMatchObject([{ status }]);
  expect(await service.hostStats()).toMatchObject({ vmCount: 1 });
}

describe.each([
  ["its call is out", false],
  ["its call is back", true],
])("the guest is gone, and %s", (_name, back) => {
  it("it is leaving in every answer, until its end is told", async () => {
    const host = await leaving();
    await goes(host, back);
    await expectAnswers(host, { status: "Migration Source" });
    host.hypervisor.tell({ kind: "guest", vmId: VM, change: "stopped", how: "migrated" });
    if (!back) host.hypervisor.end(VM, { kind: "ok", value: null });
    await host.event("VM_migration_ended", VM);
    expect(await host.stats(VM)).toMatchObject({ status: "Down", exitReason: 4 });
  });

  it("after post-copy it is paused for that", async () => {
    const host = await leaving();
    host.hypervisor.flow(VM);
    host.hypervisor.put(VM, { runState: "postCopy" }, host.hypervisor.vms.get(VM)?.job);
    await host.until(
      () => host.registry.liveOf(VM)?.migration.postCopy.begun || undefined,
      "post-copy",
    );
    await goes(host, back);
    await expectAnswers(host, POSTCOPY);
  });
});

it("on its way into its image it is being saved", async () => {
  const folder = temporaryFolder();
  const host = await SmallHost.up({ vars: { hibernation_dir: folder } });
  host.hypervisor.put(VM);
  host.hypervisor.put(OTHER);
  const files = { dst: `${folder}/image`, dstparams: `${folder}/image.json` };
  await host.migrate(VM, { mode: "file", ...files });
  await host.until(() => host.hypervisor.out.has(VM) || undefined, "the save");
  await goes(host, false);
  await expectAnswers(host, { status: "Saving State" });
});

it("libvirt refuses the figures of a guest that is just going: it is leaving", async () => {
  const host = await leaving();
  const vm = host.hypervisor.vms.get(VM);
  if (vm === undefined) throw new Error("it is there");
  vm.job = "refused";
  host.clock.monotonicStepMs += 1_000;
  expect(await host.stats(VM)).toMatchObject({ status: "Migration Source" });
});

it("in its switchover a guest that had only just come is leaving, and not coming", async () => {
  const host = await SmallHost.up();
  host.hypervisor.put(VM);
  await host.migrate(VM);
  // What was said of its coming is late.
  host.hypervisor.tell({ kind: "guest", vmId: VM, change: "started", incoming: true });
  host.hypervisor.put(VM, { runState: "switching" });
  host.clock.monotonicStepMs += 1_000;
  expect(await host.stats(VM)).toMatchObject({ status: "Migration Source" });
});
