/**
 * What a migration left of its VM's definition on the source is taken away once the arrival is known,
 * however long that takes; how sure one may be of it counts from then.
 */
import { describe, expect, it } from "vitest";
import { SmallHost, WELCOMING } from "../small-host.ts";

const VM = "11111111-1111-4111-8111-111111111111";
const TEN_MINUTES_MS = 600_000;
const AS_PERSISTENT = `undefineMigrated ${VM} true`;
const BY_ITS_REASON = `undefineMigrated ${VM} false`;

/** Its destination's daemon went down meanwhile: arrived, not confirmed, its definition still here. */
async function arrived(): Promise<{ host: SmallHost; comesUp: () => void }> {
  let up = true;
  const host = await SmallHost.up({
    destination: (method) =>
      up ? WELCOMING(method) : { kind: "silent", cause: "timeout", message: "no answer" },
  });
  host.hypervisor.put(VM, { persistent: true });
  await host.migrate(VM);
  await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
  up = false;
  host.hypervisor.leave(VM, "definition");
  expect(await host.event("VM_migration_ended", VM)).toMatchObject({ confirmed: false });
  return { host, comesUp: () => void (up = true) };
}

/** The last way in which it is asked for, once a while has passed. */
async function askedAs(host: SmallHost, afterMs: number): Promise<string | undefined> {
  const { called } = host.hypervisor;
  host.clock.monotonicStepMs += afterMs;
  const before = called.length;
  const asks = (): string | undefined =>
    called.slice(before).findLast((call) => call.startsWith(`undefineMigrated ${VM} `));
  return host.until(asks, "it is looked for");
}

describe("the definition of a guest that has arrived", () => {
  it("is taken away when that is known, half an hour later", async () => {
    const { host, comesUp } = await arrived();
    host.clock.monotonicStepMs += 3 * TEN_MINUTES_MS;
    expect(host.hypervisor.called).not.toContain(AS_PERSISTENT);
    comesUp();
    // Read twice, at two of the times at which it is asked for.
    host.clock.monotonicStepMs += 6_000;
    await host.until(
      () => host.registry.ended(0)[0]?.migration.evidence.readAtMs ?? undefined,
      "its destination's answer",
    );
    expect(await askedAs(host, 6_000)).toBe(AS_PERSISTENT);
  });

  it("goes by libvirt's word alone where nobody can be asked", async () => {
    const host = await SmallHost.up();
    host.hypervisor.put(VM, { persistent: true });
    await host.migrate(VM);
    await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
    host.hypervisor.leave(VM, "definition");
    expect(await host.event("VM_migration_ended", VM)).toMatchObject({
      confirmed: false,
      message: expect.stringMatching(/not confirmed: nobody is asked there$/),
    });
    expect(await askedAs(host, 6_000)).toBe(BY_ITS_REASON);
    expect(host.hypervisor.called).not.toContain(AS_PERSISTENT);
  });

  it("goes by libvirt's word alone ten minutes after that, also for the next daemon", async () => {
    const { host, comesUp } = await arrived();
    comesUp();
    host.clock.monotonicStepMs += 6_000;
    await host.until(
      () => host.registry.ended(0)[0]?.migration.evidence.readAtMs ?? undefined,
      "its destination's answer",
    );
    expect(await askedAs(host, 6_000)).toBe(AS_PERSISTENT);
    const next = await host.restarted();
    expect(await askedAs(next, 6_000)).toBe(AS_PERSISTENT);
    const last = await next.restarted();
    expect(await askedAs(last, TEN_MINUTES_MS)).toBe(BY_ITS_REASON);
  });
});
