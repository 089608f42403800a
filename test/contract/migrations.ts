/** The port's contract for a migration: what is shown and told, its limits, and its ends. */
import { expect, it } from "vitest";
import { MIB_BYTES } from "../../src/core/units.ts";
import type { HypervisorEvent } from "../../src/hypervisor/port.ts";
import { until } from "../lab/until.ts";
import {
  begin,
  callTo,
  expectOk,
  FAST_MIBPS,
  flowing,
  refusalOf,
  shortly,
  SLOW_MIBPS,
  type Stage,
  stateIs,
} from "./stage.ts";

const DEADLINE_MS = 20_000;
type Events = Readonly<Record<"a" | "b", HypervisorEvent[]>>;

export function whatItShows(stage: () => Stage, events: Events): void {
  it("shows on both hosts, and is told in order", async () => {
    const { a, b } = stage();
    const vmId = await stage().startGuest("quiet");
    const ended = begin(stage(), vmId, callTo(stage()));
    await flowing(stage(), vmId);
    expect(expectOk(await a.jobView(vmId))).toMatchObject({
      kind: "stats",
      stats: { type: "unbounded", operation: "migrationOut", pageSizeBytes: 4096 },
    });
    expect(expectOk(await b.jobView(vmId))).toEqual({ kind: "incoming" });
    expect(refusalOf(await a.migrate(vmId, callTo(stage())))).toBe("invalidState");
    expectOk(await a.setMaxBandwidth(vmId, FAST_MIBPS));
    expectOk(await ended);

    expect(expectOk(await b.runState(vmId))).toBe("running");
    expect(refusalOf(await a.runState(vmId))).toBe("noVm");
    await until(
      () => shortly(events.a, vmId).includes("jobCompleted") || undefined,
      DEADLINE_MS,
      () => JSON.stringify(shortly(events.a, vmId)),
    );
    expect(
      shortly(events.a, vmId)
        .filter((each) => each !== "other")
        .slice(-3),
    ).toEqual(["suspended", "stopped migrated", "jobCompleted"]);
    expect(shortly(events.b, vmId).filter((each) => each !== "other")).toEqual([
      "started incoming",
      "resumed by migration",
    ]);
    expect(expectOk(await b.completedJob(vmId))).toMatchObject({ type: "completed" });
  });

  it("counts passes, and tells of each", async () => {
    const { a } = stage();
    const vmId = await stage().startGuest("endless");
    const ended = begin(stage(), vmId, callTo(stage(), { bandwidthMiBps: SLOW_MIBPS * 3 }));
    const passes = (): readonly number[] =>
      events.a.flatMap((event) =>
        event.kind === "passBegan" && event.vmId === vmId ? [event.pass] : [],
      );
    await until(() => passes().length >= 3 || undefined, DEADLINE_MS, "three passes");
    const told = passes().slice(0, 3);
    expect(told).toEqual([0, 1, 2].map((n) => (told[0] ?? 0) + n));
    const job = expectOk(await a.jobView(vmId));
    expect(job).toMatchObject({ kind: "stats", stats: { memoryIteration: passes().at(-1) } });
    expectOk(await a.abortJob(vmId));
    await ended;
  });
}

export function itsLimits(stage: () => Stage): void {
  it("keeps its cap, and takes another one that is read back", async () => {
    const { a } = stage();
    const vmId = await stage().startGuest("endless");
    const ended = begin(stage(), vmId, callTo(stage()));
    await flowing(stage(), vmId);
    expect(expectOk(await a.maxBandwidthMiBps(vmId))).toBe(SLOW_MIBPS);
    const rate = await measuredMiBps(stage(), vmId);
    expect(rate).toBeGreaterThan(SLOW_MIBPS * 0.8);
    expect(rate).toBeLessThan(SLOW_MIBPS * 1.2);
    expectOk(await a.setMaxBandwidth(vmId, SLOW_MIBPS * 3));
    expect(expectOk(await a.maxBandwidthMiBps(vmId))).toBe(SLOW_MIBPS * 3);
    const faster = await measuredMiBps(stage(), vmId);
    expect(faster).toBeGreaterThan(SLOW_MIBPS * 3 * 0.8);
    expectOk(await a.abortJob(vmId));
    expect(refusalOf(await ended)).toBe("aborted");
  });
}

export function itsEnds(stage: () => Stage): void {
  it("that is aborted leaves the guest, no record, and nothing on the destination", async () => {
    const { a, b } = stage();
    const vmId = await stage().startGuest("endless");
    const ended = begin(stage(), vmId, callTo(stage()));
    await flowing(stage(), vmId);
    expectOk(await a.abortJob(vmId));
    expect(refusalOf(await ended)).toBe("aborted");
    expect(expectOk(await a.runState(vmId))).toBe("running");
    expect(expectOk(await a.jobView(vmId))).toMatchObject({ stats: { type: "none" } });
    expect(expectOk(await a.completedJob(vmId)).type).toBe("none");
    await stateIs(b, vmId, "noVm");
  });

  it("of a suspended guest leaves it so; of one that is suspended meanwhile it runs", async () => {
    const { a, b } = stage();
    const [before, meanwhile] = await Promise.all([
      stage().startGuest("quiet"),
      stage().startGuest("quiet"),
    ]);
    await stage().suspend(before);
    expect(expectOk(await a.runState(before))).toBe("suspended");
    expectOk(await begin(stage(), before, callTo(stage(), { bandwidthMiBps: FAST_MIBPS })));
    expect(expectOk(await b.runState(before))).toBe("suspended");

    const ended = begin(stage(), meanwhile, callTo(stage()));
    await flowing(stage(), meanwhile);
    await stage().suspend(meanwhile);
    expect(expectOk(await a.runState(meanwhile))).toBe("switching");
    expectOk(await a.setMaxBandwidth(meanwhile, FAST_MIBPS));
    expectOk(await ended);
    expect(expectOk(await b.runState(meanwhile))).toBe("running");
  });

  it("of a guest that is destroyed meanwhile fails", async () => {
    const vmId = await stage().startGuest("endless");
    const ended = begin(stage(), vmId, callTo(stage()));
    await flowing(stage(), vmId);
    await stage().destroy(vmId);
    expect((await ended).kind).toBe("refused");
    await stateIs(stage().b, vmId, "noVm");
  });

  it("to nobody, and of a VM that is off, is refused", async () => {
    const { a } = stage();
    const vmId = await stage().startGuest("quiet");
    const off = await stage().defineGuest();
    const nowhere = callTo(stage(), { destinationUri: "qemu+tcp://no-such-host.invalid/system" });
    expect((await a.migrate(vmId, nowhere)).kind).toBe("refused");
    expect(refusalOf(await a.migrate(off, callTo(stage())))).toBe("invalidState");
    expect(expectOk(await a.jobView(vmId))).toMatchObject({ stats: { type: "none" } });
  });
}

async function measuredMiBps({ a }: Stage, vmId: string): Promise<number> {
  const sample = async (): Promise<{ bytes: number; atMs: number }> => {
    const job = expectOk(await a.jobView(vmId));
    if (job.kind !== "stats") throw new Error(`its job is ${job.kind}`);
    return { bytes: job.stats.dataProcessedBytes, atMs: job.atMs };
  };
  const first = await sample();
  const last = await until(
    async () => {
      const now = await sample();
      return now.atMs - first.atMs > 1500 ? now : undefined;
    },
    DEADLINE_MS,
    "a second and a half",
  );
  return ((last.bytes - first.bytes) / MIB_BYTES / (last.atMs - first.atMs)) * 1000;
}
