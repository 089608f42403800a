/** The port's contract for calls in flight: of a VM that hangs, and when the hypervisor is gone. */
import { beforeEach, expect, it } from "vitest";
import type { HypervisorEvent } from "../../src/hypervisor/port.ts";
import { until } from "../lab/until.ts";
import { begin, callTo, expectOk, flowing, jobIs, type Stage, stateIs } from "./stage.ts";

const DEADLINE_MS = 20_000;
const WAIT_MS = 1_000;

export function callsInFlight(stage: () => Stage): void {
  it("that change the same thing: the second is not made; reads share one answer", async () => {
    const { a } = stage();
    const vmId = await stage().startGuest("quiet");
    const changes = await Promise.all([a.setMaxDowntime(vmId, 500), a.setMaxDowntime(vmId, 600)]);
    expect(changes.map(({ kind }) => kind)).toEqual(["ok", "busy"]);
    expect(expectOk(await a.maxDowntimeMs(vmId))).toBe(500);
    const [one, same] = [a.jobView(vmId), a.jobView(vmId)];
    expect(await one).toBe(await same);
  });

  it("of a VM that hangs pass their deadline, are not made again, and come to something late", async () => {
    const { a } = stage();
    const [hung, other] = await Promise.all([
      stage().startGuest("quiet"),
      stage().startGuest("quiet"),
    ]);
    const goOn = await stage().hang(hung);
    const silent = await until(
      async () => {
        const result = await a.jobView(hung);
        return result.kind === "noAnswer" ? result : undefined;
      },
      DEADLINE_MS,
      "it hangs",
    );
    expect((await a.jobView(hung)).kind).toBe("busy");
    expectOk(await a.jobView(other));
    const vms = expectOk(await a.scan({ waitMs: WAIT_MS, first: new Set() }));
    const jobs = new Map(vms.map(({ vm, job }) => [vm.vmId, job?.kind]));
    expect([jobs.get(hung), jobs.get(other)]).toEqual(["noAnswer", "stats"]);
    await goOn();
    expect(await silent.late).toMatchObject({ kind: "ok" });
    expect(expectOk(await a.jobView(hung)).kind).toBe("stats");
    await until(
      async () => {
        const again = expectOk(await a.scan({ waitMs: WAIT_MS, first: new Set() }));
        return again.some(({ vm, job }) => vm.vmId === hung && job?.kind === "stats") || undefined;
      },
      DEADLINE_MS,
      "the scan has it again",
    );
  });
}

export function lostConnections(
  stage: () => Stage,
  events: Readonly<Record<"a" | "b", HypervisorEvent[]>>,
): void {
  beforeEach(() => {
    events.a.length = 0;
  });

  it("calls say so, also one that waits; it is told, and told when it is back", async () => {
    const { a, b } = stage();
    const vmId = await stage().startGuest("endless");
    const ended = begin(stage(), vmId, callTo(stage()));
    await flowing(stage(), vmId);
    const revive = await stage().killHypervisor("a");
    expect(["disconnected", "refused"]).toContain((await ended).kind);
    await until(
      () => events.a.some(({ kind }) => kind === "disconnected") || undefined,
      DEADLINE_MS,
      "it is told",
    );
    expect((await a.jobView(vmId)).kind).toBe("disconnected");
    await revive();
    await until(
      () => events.a.some(({ kind }) => kind === "connected") || undefined,
      DEADLINE_MS,
      "it is told again",
    );
    await jobIs(a, vmId, (job) => job.kind === "stats" && job.stats.type === "none");
    expect(expectOk(await a.runState(vmId))).toBe("running");
    await stateIs(b, vmId, "noVm");
  });

  it("of the destination the migration fails, and the guest stays", async () => {
    const { a, b } = stage();
    const vmId = await stage().startGuest("endless");
    const ended = begin(stage(), vmId, callTo(stage()));
    await flowing(stage(), vmId);
    const revive = await stage().killHypervisor("b");
    expect((await ended).kind).toBe("refused");
    expect(expectOk(await a.runState(vmId))).toBe("running");
    await revive();
    await stateIs(b, vmId, "noVm");
  });
}
