/** What a look at the host's VMs shows when something changes while it is on its way. */
import { describe, expect, it } from "vitest";
import { HostView } from "../../src/monitor/host-view.ts";
import { SteppingClock } from "./small-host.ts";
import { SmallHypervisor } from "./small-hypervisor.ts";

const VM = "11111111-1111-4111-8111-111111111111";

/** Each look is held until it is let go. */
class SlowHypervisor extends SmallHypervisor {
  readonly held: (() => void)[] = [];

  override async scan(...options: Parameters<SmallHypervisor["scan"]>) {
    const seen = await super.scan(...options);
    await new Promise<void>((resolve) => this.held.push(resolve));
    return seen;
  }

  async holds(): Promise<void> {
    while (this.held.length === 0) await new Promise(setImmediate);
  }

  async letGo(): Promise<void> {
    await this.holds();
    this.held.shift()?.();
  }
}

function slowView(): { hypervisor: SlowHypervisor; view: HostView } {
  const clock = new SteppingClock();
  const hypervisor = new SlowHypervisor(clock);
  hypervisor.put(VM);
  const view = new HostView(
    hypervisor,
    () => clock.monotonicMs(),
    () => 1_000,
    () => new Set(),
  );
  return { hypervisor, view };
}

const ONLY = new Set([VM]);

describe("a look at single VMs that was overtaken", () => {
  it("by a change shows nothing of before it: they are looked at again", async () => {
    const { hypervisor, view } = slowView();
    const only = view.refreshOnly(ONLY);
    hypervisor.vms.delete(VM);
    view.invalidate();
    await hypervisor.letGo();
    await hypervisor.letGo();
    expect(await only).toEqual({ kind: "ok", value: null });
    expect(view.get(VM)).toBeUndefined();
  });

  it("by changes again and again is no look", async () => {
    const { hypervisor, view } = slowView();
    const only = view.refreshOnly(ONLY);
    for (const _ of [1, 2]) {
      await hypervisor.holds();
      view.invalidate();
      await hypervisor.letGo();
    }
    expect(await only).toEqual({ kind: "noAnswer" });
    expect(view.get(VM)).toBeUndefined();
  });

  it("by a later look at all puts nothing back", async () => {
    const { hypervisor, view } = slowView();
    const only = view.refreshOnly(ONLY);
    await new Promise(setImmediate);
    hypervisor.vms.delete(VM);
    const all = view.refresh();
    await new Promise(setImmediate);
    hypervisor.held.reverse();
    await hypervisor.letGo();
    await all;
    await hypervisor.letGo();
    await only;
    expect(view.get(VM)).toBeUndefined();
    expect(hypervisor.called).toHaveLength(2);
  });

  it("by nothing is shown", async () => {
    const { hypervisor, view } = slowView();
    const only = view.refreshOnly(ONLY);
    await hypervisor.letGo();
    expect(await only).toEqual({ kind: "ok", value: null });
    expect(view.get(VM)).toBeDefined();
  });
});

it("a look that began before something changed is no answer for after it", async () => {
  const { hypervisor, view } = slowView();
  const early = view.freshWithin(200);
  hypervisor.vms.delete(VM);
  view.invalidate();
  const late = view.freshWithin(200);
  await hypervisor.letGo();
  await early;
  expect(view.get(VM)).toBeDefined();
  const later = view.freshWithin(200);
  await hypervisor.letGo();
  await Promise.all([late, later]);
  expect(view.get(VM)).toBeUndefined();
  expect(hypervisor.called.filter((call) => call.startsWith("scan"))).toHaveLength(2);
});

it("once it has expired the next question looks again; a look in progress is shown all the same", async () => {
  const { hypervisor, view } = slowView();
  const look = view.refresh();
  await hypervisor.holds();
  view.expire();
  await hypervisor.letGo();
  await look;
  expect(view.get(VM)).toBeDefined();
  const question = view.freshWithin(60_000);
  await hypervisor.letGo();
  await question;
  await view.freshWithin(60_000);
  expect(hypervisor.called.filter((call) => call.startsWith("scan"))).toHaveLength(2);
});
