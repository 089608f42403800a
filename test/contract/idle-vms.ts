/** The port's contract for VMs that have no job, and for VMs that nobody knows. */
import { expect, it } from "vitest";
import { MIB_BYTES } from "../../src/core/units.ts";
import { callTo, expectOk, NOBODY, refusalOf, type Stage } from "./stage.ts";

const WAIT_MS = 1_000;

export function idleVms(stage: () => Stage): void {
  it("are listed with their state, and their job if it is asked for", async () => {
    const { a } = stage();
    const [one, other] = await Promise.all([
      stage().startGuest("quiet"),
      stage().startGuest("quiet", true),
    ]);
    const off = await stage().defineGuest();
    const first: ReadonlySet<string> = new Set();
    const scan = async (options: object): Promise<ReadonlyMap<string, unknown>> => {
      const vms = expectOk(await a.scan({ waitMs: WAIT_MS, first, ...options }));
      return new Map(vms.map(({ vm, job }) => [vm.vmId, [vm.runState, job?.kind]]));
    };
    const whole = await scan({});
    expect(whole.get(one)).toEqual(["running", "stats"]);
    expect(whole.has(off)).toBe(false);
    expect(await scan({ only: new Set([other]) })).toEqual(
      new Map([[other, ["running", "stats"]]]),
    );
    expect((await scan({ notAsked: new Set([one]) })).get(one)).toEqual(["running", undefined]);
    expect(expectOk(await a.jobView(one))).toMatchObject({
      kind: "stats",
      stats: { type: "none" },
    });
  });

  it("are described, running or off", async () => {
    const { a } = stage();
    const vmId = await stage().startGuest("quiet", true);
    const off = await stage().defineGuest();
    expect(expectOk(await a.vmDetails(vmId))).toMatchObject({
      vmId,
      runState: "running",
      persistent: true,
      vcpus: 1,
    });
    expect(expectOk(await a.vmDetails(vmId)).memoryBytes).toBeGreaterThan(40 * MIB_BYTES);
    expect(expectOk(await a.runState(off))).toMatch(/^off/);
    expect(expectOk(await a.domainXml(vmId))).toContain(vmId);
    expect(expectOk(await a.guestDevices(vmId))).toEqual({ disks: [], hostDevices: [] });
  });
}

export function nothingToDo(stage: () => Stage): void {
  it("that nobody knows are refused as such, whatever is asked", async () => {
    const { a } = stage();
    const answers = await Promise.all([
      a.jobView(NOBODY),
      a.vmDetails(NOBODY),
      a.runState(NOBODY),
      a.domainXml(NOBODY),
      a.abortJob(NOBODY),
      a.setMaxBandwidth(NOBODY, 5),
      a.setMaxDowntime(NOBODY, 500),
      a.startPostCopy(NOBODY),
      a.undefineMigrated(NOBODY, true),
      a.destroyPausedCopy(NOBODY, true),
      a.completedJob(NOBODY),
      a.migrate(NOBODY, callTo(stage())),
      a.save(NOBODY, stage().image().path),
    ]);
    expect(answers.map(refusalOf)).toEqual(answers.map(() => "noVm"));
  });

  it("have nothing to abort, to steer or to take away", async () => {
    const { a } = stage();
    const vmId = await stage().startGuest("quiet", true);
    expect(refusalOf(await a.abortJob(vmId))).toBe("invalidState");
    expect(refusalOf(await a.startPostCopy(vmId))).toBe("invalidState");
    expect(refusalOf(await a.destroyPausedCopy(vmId, true))).toBe("invalidState");
    expect(expectOk(await a.undefineMigrated(vmId, true))).toBe(true);
    expect(expectOk(await a.runState(vmId))).toBe("running");
  });
}

export function theirHost(stage: () => Stage): void {
  it("keep the downtime that was set", async () => {
    const { a } = stage();
    const vmId = await stage().startGuest("quiet");
    expectOk(await a.setMaxDowntime(vmId, 777));
    expect(expectOk(await a.maxDowntimeMs(vmId))).toBe(777);
  });

  it("are on a host that says who it is", async () => {
    const { a, b } = stage();
    const vmId = await stage().startGuest("quiet");
    const [uuidA, uuidB] = [expectOk(await a.hostUuid()), expectOk(await b.hostUuid())];
    expect(uuidA).not.toBe(uuidB);
    expect(typeof expectOk(await a.hasKvm())).toBe("boolean");
    const there = expectOk(await a.destinationHost(vmId, stage().lookUri));
    expect(there.libvirtVersion).toMatch(/^\d+\.\d+\.\d+$/);
    expect(there.hypervisorVersion).toMatch(/^\d+\.\d+\.\d+$/);
  });
}
