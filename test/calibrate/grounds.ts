/** Where cases are played: two real hosts, at real pace; and a simulated world, as fast as it can be reckoned. */
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../../src/clock.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import type { HypervisorEvent } from "../../src/hypervisor/port.ts";
import { LibvirtHypervisor } from "../../src/hypervisor/libvirt/hypervisor.ts";
import { SimulatedHypervisor } from "../../src/hypervisor/simulated/hypervisor.ts";
import { LiveWorld, LocalLink } from "../../src/hypervisor/simulated/live-world.ts";
import type { QemuVersion } from "../../src/hypervisor/simulated/qemu-profile.ts";
import { parseScenario, worldOf } from "../../src/hypervisor/simulated/scenario.ts";
import { createLog } from "../../src/logger.ts";
import type { LabHandle } from "../lab/api.ts";
import type { Ground } from "./play-case.ts";

const CALL_TIMEOUT_MS = 20_000;
const PAGES_PER_MIB = 256;

/** What the lab's guests have beside what they are asked for, as their first passes show. */
const LAB_GUEST = {
  memoryMiB: 48,
  /** Video memory and firmware, most of it zero. */
  deviceMiB: 16.9,
  kernelMiB: 0.4,
  /** At full load, as the guest idles between its ticks. */
  busyShare: 0.5,
};

export async function realGround(lab: LabHandle): Promise<Ground & { stop(): Promise<void> }> {
  const log = createLog({ level: "error" });
  const { libvirtUri: uri } = lab.a;
  const options = { uri, callTimeoutMs: () => CALL_TIMEOUT_MS };
  const a = new LibvirtHypervisor(options, systemClock, log);
  const records = new Map<string, JobStats>();
  await a.start(recordInto(records));
  return {
    a,
    records,
    pace: { nowMs: () => systemClock.monotonicMs(), pass: (ms) => delay(ms) },
    destinationUri: `qemu+tcp://${lab.b.controlAddress}/system`,
    migrateUri: `tcp://${lab.b.migrationAddress}`,
    startGuest: async ({ filledMiB, workingSetMiB, dirtyMiBps }) => {
      const ratePagesPerSecond = dirtyMiBps * PAGES_PER_MIB;
      return (await lab.a.startGuest({ filledMiB, workingSetMiB, ratePagesPerSecond })).uuid;
    },
    stop: () => a.stop(),
  };
}

function recordInto(records: Map<string, JobStats>): (event: HypervisorEvent) => void {
  return (event) => {
    if (event.kind === "jobCompleted") records.set(event.vmId, event.stats);
  };
}

export async function simulatedGround(qemu: QemuVersion): Promise<Ground> {
  let nowMs = 0;
  const hosts = ["host-a", "host-b"].map((name, at) => ({
    name,
    uuid: `11111111-0000-4000-8000-00000000000${at + 1}`,
    qemu,
  }));
  const world = new LiveWorld(worldOf(parseScenario({ hosts }), 0), () => nowMs);
  const a = new SimulatedHypervisor(new LocalLink(world, "host-a"), () => CALL_TIMEOUT_MS);
  const records = new Map<string, JobStats>();
  await a.start(recordInto(records));
  let guests = 0;
  return {
    a,
    records,
    pace: {
      nowMs: () => nowMs,
      // Several play at once: time goes by for all of them when it does for the first.
      pass: async (ms) => {
        const untilMs = nowMs + ms;
        await Promise.resolve();
        if (nowMs < untilMs) world.moveOnTo(() => (nowMs = untilMs));
        await new Promise(setImmediate);
      },
    },
    destinationUri: "qemu+tcp://host-b/system",
    startGuest: ({ filledMiB, workingSetMiB, dirtyMiBps }) => {
      guests += 1;
      const vmId = `22222222-0000-4000-8000-${String(guests).padStart(12, "0")}`;
      const { memoryMiB, deviceMiB, kernelMiB, busyShare } = LAB_GUEST;
      const sets = workingSetMiB === 0 ? [] : [{ MiB: workingSetMiB, dirtyMiBps }];
      const guest = {
        vmId,
        name: `vm${guests}`,
        host: "host-a",
        memoryMiB: memoryMiB + deviceMiB,
        filledMiB: filledMiB - workingSetMiB + kernelMiB,
        sets,
        busyShare,
      };
      const {
        guests: [parsed],
      } = parseScenario({ hosts, guests: [guest] });
      if (parsed === undefined) throw new Error("one guest");
      world.befall({ do: "start", guest: parsed });
      return Promise.resolve(vmId);
    },
  };
}
