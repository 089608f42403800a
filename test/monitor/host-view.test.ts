/** What a look at the host's VMs shows when something changes while it is on its way. */
import { describe, expect, it } from "vitest";
import type { JobStats } from "../../src/core/job-stats.ts";
import { HostView } from "../../src/monitor/host-view.ts";
import { SteppingClock } from "./small-host.ts";
import { SmallHypervisor } from "./small-hypervisor.ts";

const VM = "11111111-1111-4111-8111-111111111111";
const JOB: JobStats = {
  type: "unbounded",
  operation: "migrationOut",
  timeElapsedMs: 1,
  dataTotalBytes: 0,
  dataProcessedBytes: 0,
  dataRemainingBytes: 0,
};

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
  view.heardOf(VM);
  await hypervisor.letGo();
  await look;
  expect(view.get(VM)).toBeDefined();
  const question = view.freshWithin(60_000);
  await hypervisor.letGo();
  await question;
  await view.freshWithin(60_000);
  expect(hypervisor.called.filter((call) => call.startsWith("scan"))).toHaveLength(2);
});

describe("a look at all", () => {
  const IDLE = Array.from({ length: 20 }, (_, n) => `00000000-0000-4000-8000-0000000000${n + 10}`);

  function crowded(): {
    readonly view: HostView;
    readonly asked: (sinceMs: number) => Promise<readonly string[]>;
    readonly hypervisor: SmallHypervisor;
  } {
    const clock = new SteppingClock();
    const hypervisor = new SmallHypervisor(clock);
    hypervisor.put(VM);
    for (const vmId of IDLE) hypervisor.put(vmId);
    const view = new HostView(
      hypervisor,
      () => clock.monotonicStepMs,
      () => 1_000,
      () => new Set([VM]),
    );
    const asked = async (sinceMs: number): Promise<readonly string[]> => {
      clock.monotonicStepMs += sinceMs;
      hypervisor.asked.length = 0;
      await view.refresh();
      return [...hypervisor.asked];
    };
    return { view, asked, hypervisor };
  }

  it("asks whose migration is live each time, the idle ones in turn, and knows all", async () => {
    const { view, asked } = crowded();
    expect(await asked(0)).toHaveLength(1 + IDLE.length);
    const seen = new Set<string>();
    for (let second = 0; second < 10; second += 1) {
      const now = await asked(1_000);
      expect(now).toHaveLength(1 + IDLE.length / 10);
      expect(now).toContain(VM);
      for (const vmId of now) seen.add(vmId);
    }
    expect(seen.size).toBe(1 + IDLE.length);
    expect(view.views()).toHaveLength(1 + IDLE.length);
  });

  it("asks one that an event spoke of at once, and from then on while it has a job", async () => {
    const { view, asked, hypervisor } = crowded();
    const foreign = IDLE[19] ?? "";
    await asked(0);
    hypervisor.put(foreign, {}, { ...JOB });
    expect(await asked(1_000)).not.toContain(foreign);
    expect(view.counts().outgoing).toBe(0);
    view.heardOf(foreign);
    expect(await asked(1_000)).toContain(foreign);
    expect(view.counts().outgoing).toBe(1);
    expect(await asked(1_000)).toContain(foreign);
  });

  it("asks it, too, if the first look after the event failed", async () => {
    const { view, asked, hypervisor } = crowded();
    const foreign = IDLE[19] ?? "";
    await asked(0);
    view.heardOf(foreign);
    const scan = hypervisor.scan.bind(hypervisor);
    hypervisor.scan = () => Promise.resolve({ kind: "disconnected", message: "gone" });
    await asked(1_000);
    hypervisor.scan = scan;
    expect(await asked(0)).toContain(foreign);
  });

  it("asks a new one at once", async () => {
    const { asked, hypervisor } = crowded();
    await asked(0);
    hypervisor.put("33333333-3333-4333-8333-333333333333");
    expect(await asked(1)).toContain("33333333-3333-4333-8333-333333333333");
  });
});
