/**
 * A destination that does not answer, as the whole monitor meets it: what ends the migration, what is
 * waited for, and that a daemon which answered before a restart of this one is waited for after it.
 */
import { describe, expect, it } from "vitest";
import { SOON_MS, type SilenceCause } from "../../../src/core/destination.ts";
import type { PeerAnswer } from "../../../src/peer/peer-client.ts";
import { SmallHost, WELCOMING } from "../small-host.ts";

const VM = "11111111-1111-4111-8111-111111111111";
const OTHER = "22222222-2222-4222-8222-222222222222";
/** One slot, so that whoever held it while it waits would be seen. */
const vars = { max_outgoing_migrations: 1, migration_retry_timeout: 1 };

const silent = (cause: SilenceCause): PeerAnswer => ({ kind: "silent", cause, message: cause });

function deferrals(host: SmallHost, vmId: string): readonly unknown[] {
  return host.told("VM_migration_deferred", vmId);
}

/** It is back in the queue, for the so-manieth time. */
function waits(host: SmallHost, vmId: string, times: number): Promise<unknown> {
  return host.until(async () => {
    const status = await host.service.migrationStatus(vmId);
    return status["phase"] === "queued" && Number(status["deferrals"]) >= times
      ? status
      : undefined;
  }, `deferred ${times} times`);
}

describe("a destination that never answered", () => {
  it("and whose name does not exist ends it at once", async () => {
    const host = await SmallHost.up({ vars, destination: () => silent("nameUnknown") });
    host.hypervisor.put(VM);
    await host.migrate(VM);
    expect(await host.event("VM_migration_ended", VM)).toMatchObject({
      reason: "noDestination",
      code: 10,
      where: "source",
    });
    expect(deferrals(host, VM)).toEqual([]);
    expect(host.hypervisor.called.filter((call) => call.startsWith("migrate "))).toEqual([]);
  });

  it("and refuses ends each VM after three tries of its own, the slot free in between", async () => {
    const host = await SmallHost.up({ vars, destination: () => silent("refused") });
    host.hypervisor.put(VM);
    host.hypervisor.put(OTHER);
    await Promise.all([host.migrate(VM), host.migrate(OTHER)]);
    for (const times of [1, 2]) {
      await Promise.all([waits(host, VM, times), waits(host, OTHER, times)]);
      expect(await host.stats(VM)).toMatchObject({ status: "Migration Source" });
      host.clock.monotonicStepMs += SOON_MS;
    }
    for (const vmId of [VM, OTHER]) {
      expect(await host.event("VM_migration_ended", vmId)).toMatchObject({
        reason: "noDestination",
        message: expect.stringContaining("tried 3 times"),
      });
      expect(deferrals(host, vmId)).toHaveLength(1);
    }
  });

  it("and whose answer changes: the reason is told, the tries begin anew, and it goes", async () => {
    const answers: PeerAnswer[] = [silent("refused"), silent("timeout"), silent("refused")];
    const host = await SmallHost.up({
      vars,
      destination: (method) => (method === "Host.getStats" && answers.shift()) || WELCOMING(method),
    });
    host.hypervisor.put(VM);
    await host.migrate(VM);
    for (const times of [1, 2, 3]) {
      await waits(host, VM, times);
      host.clock.monotonicStepMs += SOON_MS;
    }
    await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
    expect(deferrals(host, VM)).toEqual(
      ["refused", "timeout", "refused"].map((reason, index) => ({
        reason,
        deferrals: index + 1,
        retryIn: expect.any(Number),
      })),
    );
    host.hypervisor.leave(VM);
  });
});

it("whoever is sent back leaves its slot at once, and is tried at its time, between two cycles", async () => {
  const host = await SmallHost.up({
    vars: { ...vars, migration_monitor_interval: 60 },
    destination: () => silent("timeout"),
  });
  host.hypervisor.put(VM);
  host.hypervisor.put(OTHER);
  await Promise.all([host.migrate(VM), host.migrate(OTHER)]);
  await Promise.all([waits(host, VM, 2), waits(host, OTHER, 2)]);
});

it("one that answered is waited for while it refuses, after a restart, too", async () => {
  let answer: ((method: string) => PeerAnswer) | null = WELCOMING;
  const destination = (method: string): PeerAnswer => answer?.(method) ?? silent("refused");
  const first = await SmallHost.up({ vars, destination });
  first.hypervisor.put(OTHER);
  await first.depart(OTHER);
  answer = null;

  const host = await first.restarted();
  host.hypervisor.put(VM);
  await host.migrate(VM);
  for (const times of [1, 2, 3, 4]) {
    await waits(host, VM, times);
    host.clock.monotonicStepMs += SOON_MS;
  }
  answer = WELCOMING;
  await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
  expect(deferrals(host, VM)).toHaveLength(1);
  host.hypervisor.leave(VM);
});
