/**
 * A VM that has left stays in every answer as Down, with how it left, until the engine destroys it or
 * an hour is over; and one that came back is what it is now, whatever its migrations were.
 */
import { describe, expect, it } from "vitest";
import { SmallHost, WELCOMING } from "../small-host.ts";

const VM = "11111111-1111-4111-8111-111111111111";
const OTHER = "22222222-2222-4222-8222-222222222222";
const GONE_OVER = { status: "Down", exitCode: 0, exitReason: 4, exitMessage: expect.any(String) };

async function departed(): Promise<SmallHost> {
  const host = await SmallHost.up();
  host.hypervisor.put(VM);
  host.hypervisor.put(OTHER);
  await host.depart(VM);
  return host;
}

async function expectLeft(host: SmallHost, how: object = GONE_OVER): Promise<void> {
  const { service } = host;
  expect(await service.vmStats(VM)).toMatchObject({ vmId: VM, ...how });
  const all = await service.allVmStats();
  expect(all.filter(({ vmId }) => vmId === VM)).toMatchObject([{ vmName: "vm-1111", ...how }]);
  const list = await service.vmList();
  expect(list.filter(({ vmId }) => vmId === VM)).toMatchObject([how]);
}

async function expectUnknown(host: SmallHost): Promise<void> {
  const { service } = host;
  await expect(service.vmStats(VM)).rejects.toMatchObject({ code: "noVm" });
  expect((await service.allVmStats()).map(({ vmId }) => vmId)).not.toContain(VM);
  expect((await service.vmList()).map(({ vmId }) => vmId)).not.toContain(VM);
}

/** It is here; what became of it before is history. */
async function expectPresent(host: SmallHost, status: string): Promise<void> {
  const { service } = host;
  expect(await service.vmStats(VM)).toMatchObject({ status });
  const all = await service.allVmStats();
  expect(all.filter(({ vmId }) => vmId === VM)).toMatchObject([{ status }]);
  await expect(service.migrationStatus(VM)).rejects.toMatchObject({ code: "notMigrating" });
  await expect(service.cancel(VM, "a test")).rejects.toMatchObject({
    code: "cancelFailed",
    message: expect.stringContaining("nothing is migrating"),
  });
  const history = (await service.migrations()).filter(({ vmId }) => vmId === VM);
  expect(history).toMatchObject([{ phase: "ended", outcome: { outcome: "completed" } }]);
}

describe("a VM that has left", () => {
  it("is Down in every answer, and counts for none of the host's VMs", async () => {
    const host = await departed();
    await expectLeft(host);
    expect(await host.service.hostStats()).toMatchObject({ vmCount: 1, vmActive: 1 });
    expect(await host.service.migrationStatus(VM)).toMatchObject({ outcome: "completed" });
    await expect(host.service.cancel(VM, "a test")).rejects.toThrow(/too late/);
    await expectLeft(await host.restarted());
  });

  it("is forgotten once the engine has destroyed it, over a restart, too", async () => {
    const host = await departed();
    expect(await host.service.destroy(VM)).toBe(true);
    await expectUnknown(host);
    await expect(host.service.destroy(VM)).rejects.toMatchObject({ code: "noVm" });
    await expectUnknown(await host.restarted());
  });

  async function unknown(): Promise<SmallHost> {
    const host = await SmallHost.up();
    host.hypervisor.put(VM);
    await host.migrate(VM);
    await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
    host.hypervisor.vms.delete(VM);
    host.hypervisor.end(VM, {
      kind: "refused",
      refusal: { kind: "other", code: 38, message: "broken" },
    });
    await host.until(
      () => host.registry.liveOf(VM)?.migration.call.returned !== null || undefined,
      "its end",
    );
    host.clock.monotonicStepMs += 1_000;
    await expectLeft(host, { status: "Migration Source" });
    expect(await host.stats(VM)).toMatchObject({ absentHere: true });
    expect(await host.service.hostStats()).toMatchObject({ vmCount: 0 });
    host.clock.monotonicStepMs += 60_000;
    expect(await host.event("VM_migration_ended", VM)).toMatchObject({ where: "unknown" });
    return host;
  }

  it("in a way that nobody can tell, is not said to be down", async () => {
    await expectUnknown(await unknown());
  });

  it("or has not, as is seen later: it is here, told once, and its end is its last migration's", async () => {
    const host = await unknown();
    host.hypervisor.put(VM);
    host.hypervisor.tell({ kind: "guest", vmId: VM, change: "resumed", byMigration: true });
    host.clock.monotonicStepMs += 5_000;
    const seen = (): true | undefined => {
      const [last] = host.registry.ended(host.clock.monotonicMs());
      return last?.migration.end?.outcome.where === "source" || undefined;
    };
    await host.until(seen, "its place");
    const told = host.events.filter(({ method }) => method === `|virt|VM_status|${VM}`);
    expect(told.at(-1)).toMatchObject({ params: { [VM]: { status: "Up" } } });
    expect(await host.service.vmStats(VM)).toMatchObject({ status: "Up" });
    expect(await host.service.migrationStatus(VM)).toMatchObject({ outcome: "failed" });
  });
});

it("what leaves its destination has not arrived there", async () => {
  const leaving = { status: "Migration Source", absentHere: true };
  const host = await SmallHost.up({
    destination: (method) =>
      method === "VM.getStats" ? { kind: "result", result: [leaving] } : WELCOMING(method),
  });
  host.hypervisor.put(VM);
  await host.migrate(VM);
  await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
  host.hypervisor.vms.delete(VM);
  host.hypervisor.end(VM, {
    kind: "refused",
    refusal: { kind: "other", code: 38, message: "broken" },
  });
  expect(await host.event("VM_migration_ended", VM)).toMatchObject({ reason: "guestLost" });
});

describe("a VM that came back", () => {
  it("is what it is now, and its old departure is no answer", async () => {
    const host = await departed();
    host.hypervisor.put(VM);
    host.hypervisor.tell({ kind: "guest", vmId: VM, change: "resumed", byMigration: true });
    await expectPresent(host, "Up");
    await expectPresent(await host.restarted(), "Up");
  });

  it("is here at once for who asks right after libvirt's event", async () => {
    const host = await departed();
    await expectLeft(host);
    host.hypervisor.put(VM);
    host.hypervisor.tell({ kind: "guest", vmId: VM, change: "started", incoming: false });
    expect(await host.service.vmStats(VM)).toMatchObject({ status: "Up" });
  });

  it("while the daemon was down, as well", async () => {
    const host = await departed();
    await host.stop();
    host.hypervisor.put(VM, { runState: "suspended" });
    await expectPresent(await host.restarted(), "Paused");
  });

  it("and is off since, is not said to have gone over", async () => {
    const host = await departed();
    host.hypervisor.put(VM);
    await expectPresent(host, "Up");
    host.hypervisor.vms.delete(VM);
    host.clock.monotonicStepMs += 1_000;
    await expectUnknown(host);
    await expectUnknown(await host.restarted());
  });

  it("is expected here: then it has not left", async () => {
    const host = await departed();
    await host.service.migrationCreate({ vmId: VM }, "host2");
    await expectUnknown(host);
  });

  it("and has left again, is Down once", async () => {
    const host = await departed();
    host.hypervisor.put(VM);
    await host.depart(VM, 2);
    await expectLeft(host);
    expect(await host.service.destroy(VM)).toBe(true);
    await expectUnknown(host);
  });

  it("and whose next migration ended here, is here", async () => {
    const host = await departed();
    host.hypervisor.put(VM);
    await host.migrate(VM);
    await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
    expect(await host.service.cancel(VM, "a test")).toBe(true);
    expect(await host.service.vmStats(VM)).toMatchObject({ status: "Up" });
    expect(await host.service.migrationStatus(VM)).toMatchObject({ outcome: "cancelled" });
    host.hypervisor.vms.delete(VM);
    host.clock.monotonicStepMs += 1_000;
    await expectUnknown(host);
  });
});
