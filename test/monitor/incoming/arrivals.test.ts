/**
 * Every arrival is told on the destination, once, in the state that the guest has: by whichever events
 * libvirt sends of it, or by none.
 */
import { describe, expect, it } from "vitest";
import type { RunState } from "../../../src/core/run-state.ts";
import type { GuestEvent } from "../../../src/hypervisor/port.ts";
import { SmallHost } from "../small-host.ts";

const VM = "11111111-1111-4111-8111-111111111111";
const OTHER = "22222222-2222-4222-8222-222222222222";
const STARTED_MIGRATED = { change: "started", incoming: true } as const;
const STARTED = { change: "started", incoming: false } as const;
const RESUMED_MIGRATED = { change: "resumed", byMigration: true } as const;
const CRASHED = { change: "stopped", how: "crashed" } as const;

type Event = Change<GuestEvent>;
type Change<T> = T extends GuestEvent ? Omit<T, "kind" | "vmId"> : never;

function tell(host: SmallHost, event: Event, vmId = VM): void {
  host.hypervisor.tell({ kind: "guest", vmId, ...event });
}

function comes(host: SmallHost): void {
  host.hypervisor.put(VM, { runState: "switching" });
  const vm = host.hypervisor.vms.get(VM);
  if (vm !== undefined) vm.job = "incoming";
}

function told(host: SmallHost, vmId = VM): unknown[] {
  return [...host.told("VM_status", vmId)];
}

/** What is looked at after this sees all that came before. */
async function looks(host: SmallHost): Promise<void> {
  await host.service.hostStats();
  const looked = host.hypervisor.called.length;
  host.monitor.wake();
  host.clock.monotonicStepMs += 1_000;
  await host.service.hostStats();
  await host.until(() => host.hypervisor.called.length > looked || undefined, "a look");
}

describe("an arrival", () => {
  it.each<[string, readonly Event[], RunState, readonly Event[], object]>([
    ["running", [STARTED_MIGRATED], "running", [RESUMED_MIGRATED], { status: "Up" }],
    ["without any event", [], "suspended", [], { status: "Paused", pauseCode: "NOERR" }],
  ])("%s is told once", async (_name, first, runState, last, status) => {
    const host = await SmallHost.up();
    comes(host);
    for (const event of first) tell(host, event);
    await looks(host);
    expect(told(host)).toEqual([]);

    host.hypervisor.put(VM, { runState });
    for (const event of last) tell(host, event);
    await looks(host);
    await host.event("VM_status", VM);
    for (const event of last) tell(host, event);
    await looks(host);

    expect(told(host)).toEqual([status]);
  });

  it("that is half undone is none, and one that failed is told of when it comes again", async () => {
    const host = await SmallHost.up();
    comes(host);
    tell(host, STARTED_MIGRATED);
    await looks(host);
    host.hypervisor.put(VM, { runState: "switching" });
    await looks(host);
    expect(await host.stats(VM)).toMatchObject({ status: "Migration Destination" });
    host.hypervisor.vms.delete(VM);
    tell(host, CRASHED);
    await looks(host);
    expect(told(host)).toEqual([]);

    for (let times = 1; times <= 2; times += 1) {
      comes(host);
      tell(host, STARTED_MIGRATED);
      host.hypervisor.put(VM);
      tell(host, RESUMED_MIGRATED);
      await host.until(() => told(host).length === times || undefined, "its arrival");
      host.hypervisor.vms.delete(VM);
      tell(host, { change: "stopped", how: "migrated" });
    }
  });

  it("is not made of a VM that only stands as one that comes: restored, it was saved suspended", async () => {
    const host = await SmallHost.up();
    host.hypervisor.put(OTHER, { runState: "switching" });
    tell(host, STARTED, OTHER);
    await looks(host);
    expect(await host.stats(OTHER)).toMatchObject({ status: "Paused", pauseCode: "NOERR" });
    expect(await host.migrate(OTHER)).toBe(true);
  });
});

describe("one that came and has ended since", () => {
  const SHUT_DOWN = { change: "stopped", how: "shutDown" } as const;

  async function hasCome(host: SmallHost): Promise<void> {
    comes(host);
    tell(host, STARTED_MIGRATED);
    host.hypervisor.put(VM);
    tell(host, RESUMED_MIGRATED);
  }

  async function ends(host: SmallHost, event: Event): Promise<void> {
    host.hypervisor.vms.delete(VM);
    tell(host, event);
    await looks(host);
  }

  it.each<[string, Event, object]>([
    ["switched itself off", SHUT_DOWN, { exitCode: 0, exitReason: 7 }],
    ["was destroyed", { change: "stopped", how: "destroyed" }, { exitCode: 0, exitReason: 6 }],
    ["died", CRASHED, { exitCode: 1, exitReason: 2 }],
    [
      "was sent on by somebody else",
      { change: "stopped", how: "migrated" },
      { exitCode: 0, exitReason: 4 },
    ],
  ])("and %s is Down, and said to have been here", async (_name, event, exit) => {
    const host = await SmallHost.up();
    await hasCome(host);
    await ends(host, event);
    const answer = { vmId: VM, status: "Down", arrivedHere: true, ...exit };
    expect(await host.service.vmStats(VM)).toMatchObject(answer);
    expect(await host.service.allVmStats()).toMatchObject([answer]);
    expect(await host.service.destroy(VM)).toBe(true);
    await expect(host.service.vmStats(VM)).rejects.toMatchObject({ code: "noVm" });
  });

  it("is spoken of no more once it is expected again", async () => {
    const host = await SmallHost.up();
    await hasCome(host);
    await ends(host, SHUT_DOWN);
    await host.service.migrationCreate({ vmId: VM }, "host3");
    await expect(host.service.vmStats(VM)).rejects.toMatchObject({ code: "noVm" });
  });

  it("while no daemon looked is told by the next one, if it was on its way", async () => {
    const first = await SmallHost.up();
    await first.service.migrationCreate({ vmId: VM }, "host2");
    comes(first);
    tell(first, STARTED_MIGRATED);
    await looks(first);
    const second = await first.restarted();
    await looks(second);
    expect(told(second)).toEqual([]);
    await second.stop();
    second.hypervisor.put(VM);
    const host = await second.restarted();
    expect(await host.event("VM_status", VM)).toEqual({ status: "Up" });
    const next = await host.restarted();
    await looks(next);
    expect(told(next)).toEqual([]);
  });

  it("while no daemon looked is told by the next one, if a slot was kept for it", async () => {
    const first = await SmallHost.up();
    await first.service.migrationCreate({ vmId: VM }, "host2");
    await first.stop();
    first.hypervisor.put(VM, { runState: "suspended" });
    const host = await first.restarted();
    expect(await host.event("VM_status", VM)).toEqual({ status: "Paused", pauseCode: "NOERR" });
    await looks(host);
    expect(told(host)).toHaveLength(1);
  });
});

it("a VM that is only being started here is not called an arrival", async () => {
  const host = await SmallHost.up();
  host.hypervisor.put(VM, { runState: "startingUp" });
  tell(host, STARTED);
  await looks(host);
  expect(await host.stats(VM)).toMatchObject({ status: "WaitForLaunch" });
  host.hypervisor.put(VM);
  await looks(host);
  expect(await host.stats(VM)).toMatchObject({ status: "Up" });
  expect(told(host)).toEqual([]);
});
