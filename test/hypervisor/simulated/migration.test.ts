/**
 * Simulated migrations, held against what was measured on real hosts (src/docs/libvirt.md): the order of
 * what is told, what statistics show when, and what an abort comes to in each phase.
 */
import { describe, expect, it } from "vitest";
import {
  abort,
  BUSY,
  inPostCopy,
  OK,
  QUIET,
  refusalOf,
  stateOn,
  statsOf,
  twoHosts,
  vmId,
} from "./worlds.ts";

const MIB = 1024 * 1024;

describe("a plain migration", () => {
  it.each([
    { qemu: "7.2", first: ["passBegan 1", "passBegan 2"] },
    { qemu: "11.1", first: ["passBegan 2"] },
  ] as const)("QEMU $qemu: is told in libvirt's order", ({ qemu, first }) => {
    const hosts = twoHosts([{ filledMiB: 4 }], { qemu });
    hosts.migrate();
    hosts.world.advance(10_000);

    const order = hosts.told.map(({ host, what }) => `${host.slice(-1)} ${what}`);
    const passes = order.filter((each) => each.includes("passBegan"));
    expect(passes.slice(0, first.length)).toEqual(first.map((each) => `a ${each}`));
    expect(order.filter((each) => !each.includes("passBegan"))).toEqual([
      "b started incoming",
      "a suspended",
      "b resumed by migration",
      "a stopped migrated",
      "a jobCompleted",
    ]);
    expect(hosts.ended).toMatchObject([{ outcome: OK }]);
  });

  it("leaves nothing here and all of it there, with a record", () => {
    const hosts = twoHosts([QUIET]);
    hosts.migrate();
    hosts.world.advance(10_000);

    expect(stateOn(hosts, "host-a")).toBeUndefined();
    expect(hosts.world.host("host-b").domains.get(vmId(1))).toMatchObject({
      state: "running",
      persistent: true,
      record: { type: "completed", operation: "migrationIn", dataRemainingBytes: 0 },
    });
  });

  it("keeps its definition here where it was not to be removed", () => {
    const hosts = twoHosts([QUIET]);
    hosts.migrate(1, { persistent: false });
    hosts.world.advance(10_000);

    expect(stateOn(hosts, "host-a")).toBe("offMigrated");
    expect(hosts.world.host("host-b").domains.get(vmId(1))?.persistent).toBe(false);
  });

  it("shows no data before they flow, and then a pass that shrinks at the rate of the cap", () => {
    const hosts = twoHosts([QUIET]);
    hosts.migrate();
    hosts.world.advance(200);
    expect(statsOf(hosts)).toMatchObject({ type: "unbounded", dataTotalBytes: 0 });
    hosts.world.advance(1600);
    const one = statsOf(hosts);
    hosts.world.advance(2600);
    const other = statsOf(hosts);

    expect(one).toMatchObject({ operation: "migrationOut", memoryIteration: 1 });
    expect((other.dataProcessedBytes - one.dataProcessedBytes) / MIB).toBeCloseTo(16, 1);
  });

  it("says as expected downtime what the pass had when it began", () => {
    const hosts = twoHosts([BUSY]);
    hosts.migrate();
    const products: number[] = [];
    for (let atMs = 8000; atMs < 20_000; atMs += 1000) {
      hosts.world.advance(atMs);
      const { downtimeMs = 0, memoryBytesPerSecond = 0 } = statsOf(hosts);
      products.push(Math.round((downtimeMs * memoryBytesPerSecond) / 1000 / MIB));
    }
    expect(new Set(products)).toEqual(new Set([Math.round(products[0] ?? 0)]));
    expect(products[0]).toBeGreaterThan(30);
  });

  it("a stalled guest dirties as fast as it is sent", () => {
    const hosts = twoHosts([BUSY]);
    hosts.migrate();
    hosts.world.advance(20_000);
    const { dirtyRatePagesPerSecond = 0, pageSizeBytes = 0 } = statsOf(hosts);
    expect((dirtyRatePagesPerSecond * pageSizeBytes) / MIB).toBeCloseTo(16, 0);
  });

  it("a higher limit lets a stalled one go, within the allowed downtime", () => {
    const hosts = twoHosts([BUSY]);
    hosts.migrate();
    hosts.world.advance(10_000);
    hosts.a.setMaxBandwidth(vmId(1), 200, () => undefined);
    hosts.world.advance(20_000);

    expect(hosts.ended).toMatchObject([{ outcome: OK }]);
    const record = hosts.world.host("host-b").domains.get(vmId(1))?.record;
    expect(record?.downtimeMs).toBeLessThan(300);
    expect(record?.downtimeNetMs).toBe(record?.downtimeMs);
  });

  it("a higher downtime does so, too, and stays on the domain over there", () => {
    const hosts = twoHosts([BUSY]);
    hosts.migrate();
    hosts.world.advance(10_000);
    hosts.a.setMaxDowntime(vmId(1), 2500, () => undefined);
    hosts.world.advance(20_000);

    expect(hosts.world.host("host-b").domains.get(vmId(1))).toMatchObject({
      state: "running",
      maxDowntimeMs: 2500,
    });
  });

  it("a limit set before the first data is overwritten by the call's, and stays on the domain", () => {
    const hosts = twoHosts([BUSY]);
    const read = (): unknown[] => {
      const answers: unknown[] = [];
      hosts.a.maxBandwidthMiBps(vmId(1), (outcome) => answers.push(outcome));
      return answers;
    };
    hosts.migrate();
    hosts.world.advance(200);
    hosts.a.setMaxBandwidth(vmId(1), 3, () => undefined);
    expect(read()).toEqual([{ kind: "ok", value: 3 }]);
    hosts.world.advance(2000);
    expect(read()).toEqual([{ kind: "ok", value: 16 }]);
    hosts.a.setMaxBandwidth(vmId(1), 5, () => undefined);
    expect(read()).toEqual([{ kind: "ok", value: 5 }]);
    abort(hosts);
    expect(read()).toEqual([{ kind: "ok", value: 3 }]);
  });

  it("auto-converge slows a guest down until it fits", () => {
    const hosts = twoHosts([BUSY]);
    hosts.migrate(1, { autoConverge: true });
    hosts.world.advance(60_000);
    expect(hosts.ended).toMatchObject([{ outcome: OK }]);
  });

  it("two that share a link have half of it each", () => {
    const hosts = twoHosts([QUIET, QUIET], { linkMiBps: 16 });
    hosts.migrate(1);
    hosts.migrate(2);
    hosts.world.advance(1600);
    const one = statsOf(hosts).dataProcessedBytes;
    hosts.world.advance(2600);
    expect((statsOf(hosts).dataProcessedBytes - one) / MIB).toBeCloseTo(8, 1);
  });

  it("a suspended guest arrives suspended; one that is suspended meanwhile runs", () => {
    const hosts = twoHosts([QUIET, QUIET]);
    hosts.befall({ do: "suspend", host: "host-a", vmId: vmId(1) });
    hosts.migrate(1);
    hosts.migrate(2);
    hosts.world.advance(1000);
    hosts.befall({ do: "suspend", host: "host-a", vmId: vmId(2) });
    hosts.world.advance(10_000);
    const states = [1, 2].map((vm) => hosts.world.host("host-b").domains.get(vmId(vm))?.state);
    expect(states).toEqual(["suspended", "running"]);
  });

  it("comes to the same in one step and in many", () => {
    const [one, many] = [[40_000], Array.from({ length: 400 }, (_, at) => at * 100 + 37)].map(
      (steps) => {
        const hosts = twoHosts([QUIET, BUSY, { filledMiB: 30, sets: [{ MiB: 8, dirtyMiBps: 2 }] }]);
        for (const vm of [1, 2, 3]) hosts.migrate(vm);
        for (const atMs of steps) {
          hosts.world.advance(atMs);
          hosts.a.scan({}, () => undefined);
        }
        hosts.world.advance(40_000);
        return hosts.told.map(({ atMs, host, what }) => `${atMs.toFixed(2)} ${host} ${what}`);
      },
    );
    expect(many).toEqual(one);
    expect(one?.length).toBeGreaterThan(20);
  });
});

describe("an abort", () => {
  it.each([
    { when: "before the job", atMs: 10, answer: "invalidState", ends: undefined },
    { when: "while it prepares", atMs: 200, answer: undefined, ends: "aborted" },
    { when: "while data flow", atMs: 2000, answer: undefined, ends: "aborted" },
  ])("$when", ({ atMs, answer, ends }) => {
    const hosts = twoHosts([BUSY]);
    hosts.migrate();
    hosts.world.advance(atMs);
    const answers = abort(hosts);
    hosts.world.advance(atMs + 5000);

    expect(refusalOf(answers[0])).toBe(answer);
    expect(refusalOf(hosts.ended[0]?.outcome)).toBe(ends);
    if (ends === undefined) return;
    expect(stateOn(hosts, "host-a")).toBe("running");
    expect(stateOn(hosts, "host-b")).toBeUndefined();
    expect(hosts.world.host("host-a").domains.get(vmId(1))?.record).toBeNull();
  });

  it("in the last phase waits for the end, and is too late", () => {
    const hosts = twoHosts([QUIET]);
    hosts.migrate();
    while (stateOn(hosts, "host-a") === "running") hosts.world.advance(hosts.world.nextMs);
    const answers = abort(hosts);
    expect(answers).toEqual([]);
    hosts.world.advance(20_000);

    expect(refusalOf(answers[0])).toBe("invalidState");
    expect(hosts.ended).toMatchObject([{ outcome: OK }]);
  });

  it("in post-copy is refused", () => {
    expect(refusalOf(abort(inPostCopy())[0])).toBe("invalidState");
  });

  it("with the destination's QEMU stopped is taken, and ends when that goes on", () => {
    const hosts = twoHosts([BUSY]);
    hosts.migrate();
    hosts.world.advance(2000);
    hosts.befall({ do: "stopQemu", host: "host-b", vmId: vmId(1) });
    const answers = abort(hosts);
    hosts.world.advance(60_000);
    expect(answers).toEqual([OK]);
    expect(hosts.ended).toEqual([]);

    hosts.befall({ do: "continueQemu", host: "host-b", vmId: vmId(1) });
    expect(refusalOf(hosts.ended[0]?.outcome)).toBe("aborted");
  });

  it("with a migration address that swallows packets is refused after 30 s, and the call ends by itself", () => {
    const hosts = twoHosts([QUIET]);
    hosts.befall({ do: "cut", between: ["host-a", "host-b"], network: "migration" });
    hosts.migrate();
    hosts.world.advance(1000);
    const answers = abort(hosts);
    hosts.world.advance(30_900);
    expect(answers).toEqual([]);
    hosts.world.advance(31_100);
    expect(refusalOf(answers[0])).toBe("locked");
    expect(hosts.ended).toEqual([]);

    hosts.world.advance(140_000);
    expect(refusalOf(hosts.ended[0]?.outcome)).toBe("other");
    expect(stateOn(hosts, "host-a")).toBe("running");
  });
});
