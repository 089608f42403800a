/**
 * A wall clock that steps, by an operator's hand or by NTP: two hours either way remove no record and
 * stop nothing that is still to be done. What counts is the monotonic clock, which a restart of the
 * daemon does not break and a restart of the host does.
 */
import { describe, expect, it } from "vitest";
import { SmallHost, WELCOMING } from "./small-host.ts";

const VM = "11111111-1111-4111-8111-111111111111";
const HOUR_MS = 3_600_000;

async function departed(): Promise<SmallHost> {
  const host = await SmallHost.up();
  host.hypervisor.put(VM);
  await host.depart(VM);
  return host;
}

/** A VM that left is known as such; asked again after a wake of the loop, which clears up. */
async function expectKnown(host: SmallHost): Promise<void> {
  host.monitor.wake();
  expect(await host.stats(VM)).toMatchObject({ status: "Down", exitCode: 0, exitReason: 4 });
  expect(await host.service.migrationStatus(VM)).toMatchObject({ outcome: "completed" });
  expect(await host.service.migrations()).toMatchObject([{ vmId: VM, phase: "ended" }]);
}

async function expectForgotten(host: SmallHost): Promise<void> {
  await expect(host.stats(VM)).rejects.toMatchObject({ code: "noVm" });
  expect(await host.service.migrations()).toEqual([]);
}

describe.each([
  ["forward", 2 * HOUR_MS],
  ["back", -2 * HOUR_MS],
])("two hours %s", (_name, stepMs) => {
  it("what has left stays known", async () => {
    const host = await departed();
    host.clock.wallStepMs += stepMs;
    await expectKnown(host);
  });

  it("over a restart of the daemon, too", async () => {
    const host = await departed();
    host.clock.wallStepMs += stepMs;
    const next = await host.restarted();
    await expectKnown(next);
    next.clock.wallStepMs += stepMs;
    await expectKnown(await next.restarted());
  });

  it("over a restart of the host, however long it was off", async () => {
    const host = await departed();
    host.clock.wallStepMs += stepMs;
    await expectKnown(await host.restarted({ bootId: "boot-2" }));
  });

  it("what may be left of it here is looked for as before", async () => {
    const host = await SmallHost.up({ destination: WELCOMING });
    host.hypervisor.put(VM, { persistent: true });
    await host.migrate(VM);
    await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
    host.hypervisor.leave(VM, "definition");
    await host.event("VM_migration_ended", VM);
    host.clock.wallStepMs += stepMs;
    const asked = (): number =>
      host.hypervisor.called.filter((call) => call === `undefineMigrated ${VM}`).length;
    const before = asked();
    host.clock.monotonicStepMs += 6_000;
    host.monitor.wake();
    await host.until(() => asked() > before || undefined, "asked again");
  });
});

describe("an hour of the monotonic clock", () => {
  it("is what makes it forgotten", async () => {
    const host = await departed();
    host.clock.monotonicStepMs += HOUR_MS - 60_000;
    await expectKnown(host);
    host.clock.monotonicStepMs += 60_000;
    await expectForgotten(host);
  });

  it("counts over a restart of the daemon", async () => {
    const host = await departed();
    host.clock.monotonicStepMs += HOUR_MS - 60_000;
    const next = await host.restarted();
    await expectKnown(next);
    next.clock.monotonicStepMs += 60_000;
    await expectForgotten(next);
    await expectForgotten(await next.restarted());
  });

  it("counts in later boots too, also of a host where nothing happens", async () => {
    let host = await (await departed()).restarted({ bootId: "boot-2" });
    for (let passedMs = 0; passedMs < HOUR_MS - HOUR_MS / 3; passedMs += HOUR_MS / 3) {
      host.clock.monotonicStepMs += HOUR_MS / 3;
      await expectKnown(host);
      host = await host.restarted();
    }
    await expectKnown(host);
    host.clock.monotonicStepMs += HOUR_MS / 3;
    await expectForgotten(host);
    await expectForgotten(await host.restarted());
  });

  it("that the journal saw before the host was restarted is over then as well", async () => {
    const host = await departed();
    host.clock.monotonicStepMs += HOUR_MS;
    await host.service.migrationCreate({ vmId: VM }, "host2");
    host.hypervisor.put("22222222-2222-4222-8222-222222222222");
    await host.depart("22222222-2222-4222-8222-222222222222");
    const next = await host.restarted({ bootId: "boot-2" });
    await expect(next.stats(VM)).rejects.toMatchObject({ code: "noVm" });
    expect(await next.service.migrations()).toHaveLength(1);
  });
});
