/**
 * A VM that waits, as the engine sees it: it is leaving from acceptance on, told once; and when it ends
 * or begins, what libvirt says then counts, and not what it said at acceptance.
 */
import { describe, expect, it } from "vitest";
import { SETTLE_MAX_MS } from "../../../src/core/evidence.ts";
import { CONFIRM_AGAIN_MS } from "../../../src/monitor/monitor-thread.ts";
import { SmallHost, WELCOMING, type SmallHostOptions } from "../small-host.ts";

const FIRST = "11111111-1111-4111-8111-111111111111";
const VM = "22222222-2222-4222-8222-222222222222";
const LEAVING = { status: "Migration Source" };

/** One is on its way and holds the only slot; the other waits. */
async function waiting(options: Partial<SmallHostOptions> = {}): Promise<SmallHost> {
  const host = await SmallHost.up({ vars: { max_outgoing_migrations: 1 }, ...options });
  host.hypervisor.put(FIRST);
  host.hypervisor.put(VM);
  await host.migrate(FIRST);
  await host.until(() => host.hypervisor.out.has(FIRST) || undefined, "the first call");
  await host.migrate(VM);
  return host;
}

function told(host: SmallHost): unknown[] {
  return [...host.told("VM_status", VM)];
}

async function expectLeaving(host: SmallHost): Promise<void> {
  expect(await host.stats(VM)).toMatchObject(LEAVING);
  expect(await host.service.allVmStats()).toMatchObject([LEAVING, LEAVING]);
  expect(await host.service.vmList()).toMatchObject([LEAVING, LEAVING]);
  expect(await host.service.hostStats()).toMatchObject({ vmActive: 0, queuedVmMigrations: 1 });
}

async function begins(host: SmallHost): Promise<void> {
  host.hypervisor.leave(FIRST);
  await host.until(() => host.hypervisor.out.has(VM) || undefined, "its call");
}

describe("in the queue", () => {
  it("is leaving in every answer, and in one event, over a restart, too", async () => {
    const first = await waiting();
    expect(told(first)).toEqual([LEAVING]);
    await expectLeaving(first);
    const host = await first.restarted({ vars: { max_outgoing_migrations: 1 } });
    await expectLeaving(host);
    await begins(host);
    expect(told(host)).toEqual([]);
  });

  it("cancelled it is what it is then", async () => {
    const host = await waiting();
    host.hypervisor.put(VM, { runState: "ioError" });
    expect(await host.service.cancel(VM, "uid 0")).toBe(true);
    expect(told(host)).toEqual([LEAVING, { status: "Paused", pauseCode: "EIO" }]);
    expect(await host.stats(VM)).toMatchObject({ status: "Paused", pauseCode: "EIO" });
  });

  it("cancelled while libvirt says nothing of it for a minute: told once it does", async () => {
    const host = await waiting();
    host.hypervisor.silent.add(VM);
    const cancelled = host.service.cancel(VM, "uid 0");
    expect(await host.service.migrationStatus(VM)).toMatchObject({
      status: {
        code: 0,
        message: "Not started, and about to end: libvirt is asked where the VM is",
      },
      phase: "settling",
    });
    host.clock.monotonicStepMs += SETTLE_MAX_MS;
    expect(await cancelled).toBe(true);
    expect(await host.event("VM_migration_ended", VM)).toMatchObject({
      outcome: "cancelled",
      where: "unknown",
    });
    expect(told(host)).toEqual([LEAVING]);

    host.hypervisor.silent.clear();
    host.clock.monotonicStepMs += CONFIRM_AGAIN_MS;
    await host.until(() => told(host).length > 1 || undefined, "its status");
    expect(told(host)).toEqual([LEAVING, { status: "Up" }]);
    expect(await host.stats(VM)).toMatchObject({ status: "Up" });
    // It never left, so it has not come back either.
    expect(await host.service.migrationStatus(VM)).toMatchObject({ outcome: "cancelled" });
    await host.restarted();
    expect(await host.service.migrationStatus(VM)).toMatchObject({ outcome: "cancelled" });
  });

  it("asleep at its turn it does not go, and the next one has the slot", async () => {
    const host = await waiting();
    host.hypervisor.put(VM, { runState: "asleep" });
    host.hypervisor.leave(FIRST);
    expect(await host.event("VM_migration_ended", VM)).toMatchObject({
      outcome: "failed",
      where: "source",
      message: expect.stringContaining("sleeps (S3)"),
    });
    expect(told(host)).toEqual([LEAVING, { status: "Paused", pauseCode: "NOERR" }]);
    expect(host.hypervisor.out.has(VM)).toBe(false);
  });

  it.each([
    ["cpusets", { cpusets: ["0"] }, { vcpus: 2 }],
    ["numaNodesets", { numaNodesets: ["0"] }, { numaNodes: 2 }],
  ])("%s that fit no more at its turn are refused, as at acceptance", async (name, set, then) => {
    const host = await waiting();
    host.hypervisor.put(VM, { vcpus: 1, numaNodes: 1 });
    await host.service.cancel(VM, "uid 0");
    await host.migrate(VM, set);
    host.hypervisor.put(VM, { vcpus: 1, numaNodes: 1, ...then });
    host.hypervisor.leave(FIRST);
    const failed = (): object | undefined =>
      host.events.filter(({ method }) => method === `|virt|VM_migration_ended|${VM}`)[1];
    expect(await host.until(failed, "its end")).toMatchObject({
      params: {
        [VM]: {
          outcome: "failed",
          where: "source",
          message: `VM ${VM} stays here; its migration could not begin: ${name} has 1 items, the VM has 2 ${name === "cpusets" ? "vCPUs" : "NUMA nodes"} (code 91)`,
        },
      },
    });
    expect(told(host).at(-1)).toEqual({ status: "Up" });
    expect(host.hypervisor.out.has(VM)).toBe(false);
  });

  it("somebody else's job is waited for, whatever it is", async () => {
    const host = await waiting();
    const vm = host.hypervisor.vms.get(VM);
    if (vm === undefined) throw new Error("it is there");
    const { job } = vm;
    if (typeof job === "string") throw new Error("it is not coming");
    vm.job = { ...job, type: "unbounded", operation: "dump" };
    host.hypervisor.leave(FIRST);
    expect(await host.event("VM_migration_deferred", VM)).toMatchObject({
      reason: "the VM has a libvirt job: dump",
    });
    expect(await host.stats(VM)).toMatchObject(LEAVING);
  });

  it.each([
    ["made persistent", false, true],
    ["made transient", true, false],
  ])("%s meanwhile it goes as such, also for the next daemon", async (_name, before, then) => {
    const host = await waiting({ destination: WELCOMING });
    host.hypervisor.put(VM, { persistent: before });
    await host.service.cancel(VM, "uid 0");
    await host.migrate(VM);
    host.hypervisor.put(VM, { persistent: then, memoryBytes: 7, name: "renamed" });
    await begins(host);
    expect(host.hypervisor.calls.get(VM)).toMatchObject({ persistent: then });
    const next = await host.restarted({ destination: WELCOMING });
    next.hypervisor.leave(VM, "definition");
    await next.event("VM_migration_ended", VM);
    expect(next.hypervisor.called).toContain(`undefineMigrated ${VM} ${String(then)}`);
  });

  it("resumed since it was accepted it can be asked to go over to post-copy", async () => {
    const host = await waiting();
    host.hypervisor.put(VM, { runState: "suspended" });
    await host.service.cancel(VM, "uid 0");
    await host.migrate(VM);
    const wish = { migrationTechnique: "post-copy" } as const;
    await expect(host.service.changeParams(VM, wish, "uid 0")).rejects.toMatchObject({
      message: expect.stringContaining("the guest is paused"),
    });
    host.hypervisor.put(VM);
    expect(await host.service.changeParams(VM, wish, "uid 0")).toBe(true);
    await begins(host);
    expect(host.hypervisor.calls.get(VM)).toMatchObject({ postcopy: true });
  });

  it("taken away by somebody else it has left, and come back it is leaving, in every answer", async () => {
    const host = await waiting();
    host.hypervisor.vms.delete(VM);
    host.hypervisor.tell({ kind: "guest", vmId: VM, change: "stopped", how: "migrated" });
    const left = { vmId: VM, status: "Down", exitCode: 0, exitReason: 4 };
    host.clock.monotonicStepMs += 1_000;
    expect(await host.stats(VM)).toMatchObject(left);
    expect(await host.service.vmList()).toMatchObject([LEAVING, left]);
    host.hypervisor.put(VM);
    host.hypervisor.tell({ kind: "guest", vmId: VM, change: "started", incoming: true });
    host.clock.monotonicStepMs += 1_000;
    await expectLeaving(host);
    expect(told(host)).toEqual([LEAVING]);
  });

  it("gone while nobody listened: its definition says how, and without one it is leaving", async () => {
    const first = await waiting();
    first.hypervisor.put(VM, { runState: "offDestroyed" });
    const host = await first.restarted();
    const down = { vmId: VM, status: "Down", exitCode: 0, exitReason: 6 };
    const isDown = async (): Promise<true | undefined> =>
      (await host.stats(VM))["status"] === "Down" || undefined;
    await host.until(isDown, "it is down");
    expect(await host.service.vmList()).toMatchObject([LEAVING, down]);
    host.hypervisor.put(VM);
    host.clock.monotonicStepMs += 1_000;
    await expectLeaving(host);
    // Seen here again, it may go elsewhere unheard: then it is not down.
    const forgotten = (): true | undefined =>
      host.registry.liveOf(VM)?.migration.evidence.guestStopped === null || undefined;
    await host.until(forgotten, "its end is forgotten");
    host.hypervisor.vms.delete(VM);
    const next = await host.restarted();
    expect(await next.stats(VM)).toMatchObject({ ...LEAVING, absentHere: true });
  });

  it("switched off, without a definition: the next daemon knows it from this one", async () => {
    const first = await waiting();
    first.hypervisor.vms.delete(VM);
    first.hypervisor.tell({ kind: "guest", vmId: VM, change: "stopped", how: "destroyed" });
    const host = await first.restarted();
    expect(await host.stats(VM)).toMatchObject({ status: "Down", exitReason: 6 });
    await expect(host.service.cancel(VM, "uid 0")).rejects.toThrow(/destroyed by somebody/);
    expect(told(host)).toMatchObject([{ status: "Down", exitReason: 6 }]);
  });
});

describe("switched off when its destination expects it already", () => {
  it.each([
    ["a daemon like this one is told that nobody comes", { queuedVmMigrations: 0 }, true],
    ["a stock VDSM is not: it might destroy one that was started there since", {}, false],
  ])("%s", async (_name, more, isTold) => {
    const asked: string[] = [];
    const host: SmallHost = await SmallHost.up({
      destination: (method) => {
        asked.push(method);
        if (method === "VM.migrationCreate") {
          host.hypervisor.vms.delete(VM);
          host.hypervisor.tell({ kind: "guest", vmId: VM, change: "stopped", how: "destroyed" });
        }
        const counts = { incomingVmMigrations: 0, outgoingVmMigrations: 0, ...more };
        return { kind: "result", result: method === "Host.getStats" ? counts : true };
      },
    });
    host.hypervisor.put(VM);
    await host.migrate(VM);
    expect(await host.event("VM_migration_ended", VM)).toMatchObject({ reason: "guestStopped" });
    await host.registry.ended(0)[0]?.cleanedUp();
    expect(asked.includes("VM.destroy")).toBe(isTold);
  });
});

describe("at acceptance", () => {
  it.each([
    ["arriving", "switching", "incoming", "migrationInProgress"],
    ["asleep", "asleep", "none", "migrationFailed"],
    ["crashed", "crashed", "none", "migrationFailed"],
    ["on a storage error", "ioError", "none", "migrationFailed"],
    ["off", "offDestroyed", "none", "noVm"],
  ] as const)("%s it is refused, and nothing is told", async (_name, runState, job, code) => {
    const host = await SmallHost.up();
    host.hypervisor.put(VM, { runState });
    const vm = host.hypervisor.vms.get(VM);
    if (vm !== undefined && job === "incoming") vm.job = job;
    await expect(host.migrate(VM)).rejects.toMatchObject({ code });
    expect(told(host)).toEqual([]);
  });
});
