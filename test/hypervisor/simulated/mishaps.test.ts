/**
 * What befalls simulated guests and hosts, and what it comes to, as on real ones: post-copy and its
 * failures, deaths, cut links, saves, refused starts, and QEMUs that are stopped.
 */
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../../src/hypervisor/simulated/surroundings.ts";
import {
  abort,
  BUSY,
  inPostCopy,
  OK,
  QUIET,
  refusalOf,
  stateOn,
  statsOf,
  steer,
  type TwoHosts,
  twoHosts,
  vmId,
} from "./worlds.ts";

describe("post-copy", () => {
  it("runs over there and is a paused copy here, until all has arrived", () => {
    const hosts = inPostCopy();
    expect(stateOn(hosts, "host-a")).toBe("postCopy");
    expect(stateOn(hosts, "host-b")).toBe("incomingPostCopy");
    expect(hosts.view(1, "b")).toEqual({ kind: "incoming" });
    hosts.world.advance(60_000);

    expect(hosts.ended).toMatchObject([{ outcome: OK }]);
    expect(stateOn(hosts, "host-a")).toBeUndefined();
    expect(stateOn(hosts, "host-b")).toBe("running");
  });

  it("is refused to a call without it", () => {
    const hosts = twoHosts([BUSY]);
    hosts.migrate();
    hosts.world.advance(2000);
    expect(refusalOf(steer(hosts, "startPostCopy")[0])).toBe("invalidState");
  });

  it("over parallel connections loses the guest, and is called a success", () => {
    const hosts = inPostCopy({ parallelConnections: 2 });
    expect(hosts.ended).toMatchObject([{ outcome: OK }]);
    expect([stateOn(hosts, "host-a"), stateOn(hosts, "host-b")]).toEqual([undefined, undefined]);
  });

  it("with its link cut stands still unnoticed; given up and resumed it arrives", () => {
    const hosts = inPostCopy();
    hosts.befall({ do: "cut", between: ["host-a", "host-b"], network: "migration" });
    const before = statsOf(hosts).dataProcessedBytes;
    hosts.world.advance(100_000);
    expect(statsOf(hosts).dataProcessedBytes).toBe(before);
    expect(hosts.ended).toEqual([]);

    expect(steer(hosts, "pausePostCopy")).toEqual([OK]);
    expect(stateOn(hosts, "host-a")).toBe("postCopyFailed");
    expect(hosts.view(1, "b")).toEqual({ kind: "incoming", broken: true });
    hosts.migrate(1, { resume: true });
    expect(hosts.ended.map(({ outcome }) => refusalOf(outcome))).toEqual([
      "internalError",
      "other",
    ]);

    hosts.befall({ do: "mend", between: ["host-a", "host-b"], network: "migration" });
    hosts.migrate(1, { resume: true });
    hosts.world.advance(200_000);
    expect(hosts.ended[2]?.outcome).toEqual(OK);
    expect(stateOn(hosts, "host-b")).toBe("running");
  });

  it("whose control link is dead goes on, and leaves a paused copy to be taken away", () => {
    const hosts = inPostCopy({ postcopyBandwidthMiBps: 1 }, { filledMiB: 64 });
    hosts.befall({ do: "cut", between: ["host-a", "host-b"], network: "control" });
    hosts.world.advance(200_000);
    expect(refusalOf(hosts.ended[0]?.outcome)).toBe("internalError");
    expect(stateOn(hosts, "host-a")).toBe("postCopyFailed");
    expect(stateOn(hosts, "host-b")).toBe("running");

    const answers: Outcome<null>[] = [];
    hosts.a.destroyPausedCopy(vmId(1), true, (outcome) => answers.push(outcome));
    expect(answers).toEqual([OK]);
    expect(stateOn(hosts, "host-a")).toBeUndefined();
  });
});

describe("what befalls a migration", () => {
  const cases: readonly {
    readonly what: string;
    readonly befalls: (hosts: TwoHosts) => void;
    readonly ends: string | undefined;
    readonly here: string | undefined;
    readonly there: string | undefined;
  }[] = [
    {
      what: "the destination's QEMU is killed",
      befalls: (hosts) => hosts.befall({ do: "killQemu", host: "host-b", vmId: vmId(1) }),
      ends: "operationFailed",
      here: "running",
      there: undefined,
    },
    {
      what: "the source's QEMU is killed",
      befalls: (hosts) => hosts.befall({ do: "killQemu", host: "host-a", vmId: vmId(1) }),
      ends: "operationFailed",
      here: "offCrashed",
      there: undefined,
    },
    {
      what: "the guest is shut down",
      befalls: (hosts) => hosts.befall({ do: "shutDown", host: "host-a", vmId: vmId(1) }),
      ends: "operationFailed",
      here: "offShutDown",
      there: undefined,
    },
    {
      what: "the destination's libvirtd is killed",
      befalls: (hosts) => hosts.befall({ do: "libvirtDown", host: "host-b" }),
      ends: "internalError",
      here: "running",
      there: undefined,
    },
    {
      what: "the control network is cut",
      befalls: (hosts) =>
        hosts.befall({ do: "cut", between: ["host-a", "host-b"], network: "control" }),
      ends: "internalError",
      here: "running",
      there: undefined,
    },
  ];

  it.each(cases)("$what", ({ befalls, ends, here, there }) => {
    const hosts = twoHosts([BUSY]);
    hosts.migrate();
    hosts.world.advance(3000);
    befalls(hosts);
    hosts.world.advance(60_000);

    expect(refusalOf(hosts.ended[0]?.outcome)).toBe(ends);
    expect(hosts.ended).toHaveLength(1);
    expect(stateOn(hosts, "host-a")).toBe(here);
    expect(stateOn(hosts, "host-b")).toBe(there);
  });

  it("the source's libvirtd is killed: whoever waits is told, and the guest stays", () => {
    const hosts = twoHosts([BUSY]);
    hosts.migrate();
    hosts.world.advance(3000);
    hosts.befall({ do: "libvirtDown", host: "host-a" });
    expect(hosts.ended).toMatchObject([{ outcome: { kind: "disconnected" } }]);
    expect(hosts.view()).toBe("disconnected");
    hosts.befall({ do: "libvirtUp", host: "host-a" });

    expect(statsOf(hosts).type).toBe("none");
    expect(stateOn(hosts, "host-a")).toBe("running");
  });

  it("a dead migration network has no end by itself", () => {
    const hosts = twoHosts([BUSY]);
    hosts.migrate();
    hosts.world.advance(3000);
    hosts.befall({ do: "cut", between: ["host-a", "host-b"], network: "migration" });
    const before = statsOf(hosts).dataProcessedBytes;
    hosts.world.advance(600_000);
    expect(statsOf(hosts).dataProcessedBytes).toBe(before);
    expect(hosts.ended).toEqual([]);
  });
});

describe("a save", () => {
  it("is one pass of a guest that stands still; what would steer it waits for its end", () => {
    const hosts = twoHosts([BUSY]);
    const ended: Outcome<null>[] = [];
    const limited: Outcome<null>[] = [];
    hosts.a.save(vmId(1), (outcome) => ended.push(outcome));
    hosts.a.setMaxBandwidth(vmId(1), 5, (outcome) => limited.push(outcome));
    hosts.world.advance(50);
    expect(statsOf(hosts)).toMatchObject({ operation: "save", memoryIteration: 1 });
    expect([stateOn(hosts, "host-a"), limited]).toEqual(["saving", []]);
    hosts.world.advance(10_000);

    expect(ended).toEqual([OK]);
    expect(stateOn(hosts, "host-a")).toBe("offSaved");
    expect(refusalOf(limited[0])).toBe("invalidState");
  });

  it("can be aborted, and a migrate call waits for it", () => {
    const hosts = twoHosts([BUSY]);
    const ended: Outcome<null>[] = [];
    hosts.a.save(vmId(1), (outcome) => ended.push(outcome));
    hosts.migrate();
    hosts.world.advance(50);
    expect(abort(hosts)).toEqual([OK]);
    expect(refusalOf(ended[0])).toBe("aborted");
    hosts.world.advance(1000);
    expect(statsOf(hosts).operation).toBe("migrationOut");
  });
});

describe("a start", () => {
  it.each([
    { what: "to nobody", call: { destinationUri: "qemu+tcp://host-x/system" }, kind: "other" },
    {
      what: "to itself",
      call: { destinationUri: "qemu+tcp://host-a/system" },
      kind: "internalError",
    },
    {
      what: "tunnelled in parallel",
      call: { tunneled: true, parallelConnections: 2 },
      kind: "other",
    },
    { what: "to resume what is not broken", call: { resume: true as const }, kind: "invalidState" },
  ])("$what is refused", ({ call, kind }) => {
    const hosts = twoHosts([QUIET]);
    hosts.migrate(1, call);
    expect(refusalOf(hosts.ended[0]?.outcome)).toBe(kind);
  });

  it("is refused a second time, of a VM that is off, and of one that nobody knows", () => {
    const hosts = twoHosts([QUIET, QUIET]);
    hosts.befall({ do: "shutDown", host: "host-a", vmId: vmId(2) });
    hosts.migrate(1);
    for (const vm of [1, 2, 3]) hosts.migrate(vm);
    const kinds = hosts.ended.map(({ outcome }) => refusalOf(outcome));
    expect(kinds).toEqual(["invalidState", "invalidState", "noVm"]);
  });

  it("fails later where the destination was told to refuse it", () => {
    const hosts = twoHosts([QUIET]);
    hosts.befall({ do: "refuseStart", host: "host-b", afterMs: 500 });
    hosts.migrate();
    hosts.world.advance(499);
    expect(hosts.ended).toEqual([]);
    hosts.world.advance(501);
    expect(refusalOf(hosts.ended[0]?.outcome)).toBe("operationFailed");
  });
});

describe("a VM whose QEMU is stopped", () => {
  it("delays its own calls alone, and is shown in a scan without its job", () => {
    const hosts = twoHosts([BUSY, QUIET]);
    hosts.befall({ do: "stopQemu", host: "host-a", vmId: vmId(1) });
    const answers: unknown[] = [];
    hosts.a.jobView(vmId(1), (outcome) => answers.push(outcome));
    expect(answers).toEqual([]);
    expect(statsOf(hosts, 2).type).toBe("none");
    hosts.a.scan({}, (outcome) => answers.push(outcome));
    expect(answers).toMatchObject([
      { value: [{ job: { kind: "noAnswer" } }, { job: { kind: "stats" } }] },
    ]);
    hosts.befall({ do: "continueQemu", host: "host-a", vmId: vmId(1) });
    expect(answers).toHaveLength(2);
  });
});
