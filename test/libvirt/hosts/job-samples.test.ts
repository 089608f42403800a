/**
 * Lanes against libvirtd and QEMU: what a sample holds, domains that come back under the same UUID, one
 * that hangs, a connection that is lost with a call in flight, and that nothing is kept open.
 */
import { readdirSync, readlinkSync } from "node:fs";
import {
  type Connection,
  ErrorCode,
  JobSamples,
  type JobSample,
  JobType,
  LibvirtError,
  open,
} from "libvirt";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Guest } from "../../lab/api.ts";
import { sharedLab } from "../../lab/shared-lab.ts";
import { until } from "../../lab/until.ts";

const DEADLINE_MS = 30_000;
/** A guest that does not hang has answered by then. */
const ANSWERS_WITHIN_MS = 500;
const UUID = "5a0e7d3c-6f1b-4b42-9d1e-0c5a8e2f7b61";

const lab = sharedLab();
let connection: Connection;
let other: Connection;

beforeEach(async () => {
  [connection, other] = await Promise.all([open(lab.a.libvirtUri), open(lab.a.libvirtUri)]);
});

afterEach(async () => {
  await Promise.all([connection.close(), other.close()]);
  await lab.clear();
});

async function sampled(uuid: string, on = connection): Promise<JobSample> {
  const samples = new JobSamples([uuid]);
  await on.sampleJobs(samples);
  const [sample] = samples.take();
  if (sample === undefined) throw new Error("it was not sampled");
  return sample;
}

function codeOf(sample: JobSample): number | string {
  return sample.kind === "refused" ? sample.error.code : sample.kind;
}

/** Its QEMU stopped and its job lock held, so that its stats block until the function is called. */
async function hang(guest: Guest): Promise<() => Promise<void>> {
  await guest.stopQemu(lab.a);
  const holder = await open(lab.a.libvirtUri);
  const holding = (await holder.lookupByUuid(guest.uuid)).suspend().catch(() => undefined);
  const asking = await open(lab.a.libvirtUri);
  const asked = await until(
    async () => {
      const lane = asking.sampleJobs(new JobSamples([guest.uuid])).catch(() => undefined);
      const answers = lane.then(() => true);
      return (await Promise.race([answers, delay(ANSWERS_WITHIN_MS, false)]))
        ? undefined
        : { lane };
    },
    DEADLINE_MS,
    "it hangs",
  );
  return async () => {
    await guest.contQemu(lab.a);
    await Promise.all([holding, asked.lane]);
    await Promise.all([holder.close(), asking.close()]);
  };
}

it("a sample is what getJobStats says of the same job; an arriving guest refuses", async () => {
  const guest = await lab.a.startGuest({ workingSetMiB: 16, ratePagesPerSecond: 4096 });
  const domain = await connection.lookupByUuid(guest.uuid);
  expect(await sampled(guest.uuid)).toMatchObject({ stats: { type: JobType.NONE } });
  const moving = (await other.lookupByUuid(guest.uuid))
    .migrateToUri3(`qemu+tcp://${lab.b.controlAddress}/system`, { bandwidth: 1 }, 3)
    .catch((error: unknown) => error);
  await until(
    async () => {
      const { memoryBytesPerSecond } = await domain.getJobStats();
      return memoryBytesPerSecond !== undefined;
    },
    DEADLINE_MS,
    "data flow",
  );
  const before = await domain.getJobStats();
  const sample = await sampled(guest.uuid);
  const after = await domain.getJobStats();
  if (sample.kind !== "stats") throw new Error(`it was ${sample.kind}`);
  expect(sample.ageMs).toBeGreaterThanOrEqual(0);
  expect(sample.ageMs).toBeLessThan(1_000);
  const { stats } = sample;
  const sent = Object.entries(stats).flatMap(([field, value]) =>
    value === undefined ? [] : field,
  );
  expect(Object.keys(before)).toEqual(expect.arrayContaining(sent));
  expect(sent.length).toBeGreaterThan(12);
  expect(stats).toMatchObject({
    type: before.type,
    operation: before.operation,
    dataTotalBytes: before.dataTotalBytes,
    memoryPageSizeBytes: before.memoryPageSizeBytes,
  });
  for (const field of ["timeElapsedMs", "dataProcessedBytes"] as const) {
    expect(stats[field]).toBeGreaterThanOrEqual(Number(before[field]));
    expect(stats[field]).toBeLessThanOrEqual(Number(after[field]));
  }
  const destination = await open(lab.b.libvirtUri);
  // Twice: its handle is known by then.
  expect(codeOf(await sampled(guest.uuid, destination))).toBe(ErrorCode.OPERATION_UNSUPPORTED);
  expect(codeOf(await sampled(guest.uuid, destination))).toBe(ErrorCode.OPERATION_UNSUPPORTED);
  await destination.close();
  await domain.abortJob();
  expect(await moving).toBeInstanceOf(LibvirtError);
});

it("a guest that is gone is said to be, and sampled again when it is back", async () => {
  const first = await lab.a.startGuest({ uuid: UUID });
  expect(codeOf(await sampled(UUID))).toBe("stats");
  await first.remove();
  expect(codeOf(await sampled(UUID))).toBe(ErrorCode.NO_DOMAIN);
  const second = await lab.a.startGuest({ uuid: UUID });
  expect(codeOf(await sampled(UUID))).toBe("stats");
  // Unnoticed: the connection's handle is that of the one before, by another name.
  await second.remove();
  await lab.a.startGuest({ uuid: UUID });
  expect(codeOf(await sampled(UUID))).toBe("stats");
});

it("one that hangs holds up its own lane, and answers in the end", async () => {
  const guests = await Promise.all(Array.from({ length: 3 }, () => lab.a.startGuest()));
  const [hung, ...others] = guests.map(({ uuid }) => uuid);
  const [guest] = guests;
  if (guest === undefined || hung === undefined) throw new Error("unreachable");
  const release = await hang(guest);
  const samples = new JobSamples([hung, ...others]);
  const lane = connection.sampleJobs(samples);
  await other.sampleJobs(samples);
  await until(() => samples.inFlight().length === 1, DEADLINE_MS, "the others answer");
  expect(samples.inFlight()).toEqual([hung]);
  expect(new Set(samples.take().map(({ uuid }) => uuid))).toEqual(new Set(others));
  await release();
  await lane;
  expect(samples.take()).toMatchObject([{ uuid: hung, kind: "stats" }]);
});

it("a lost connection ends its lane: the domain it asked is lost, the others are left", async () => {
  const guests = await Promise.all([lab.a.startGuest(), lab.a.startGuest()]);
  const [guest, second] = guests;
  const release = await hang(guest);
  const list = new JobSamples([guest.uuid, second.uuid]);
  const lane = connection.sampleJobs(list).catch((error: unknown) => error);
  await until(() => list.inFlight().length === 1, DEADLINE_MS, "the lane is at work");
  await lab.a.killLibvirtd();
  expect(await lane).toBeInstanceOf(LibvirtError);
  expect(list.take()).toMatchObject([{ uuid: guest.uuid, kind: "lost" }]);
  expect(list.left).toBe(1);
  await lab.a.startLibvirtd();
  // Any other connection goes on with the rest.
  const again = await open(lab.a.libvirtUri);
  await again.sampleJobs(list);
  expect(list.take()).toMatchObject([{ uuid: second.uuid, kind: "stats" }]);
  await again.close();
  await release();
});

it("what is closed holds no socket, whatever was sampled on it", async () => {
  const { uuid } = await lab.a.startGuest();
  const sockets = (): number =>
    readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
      } catch {
        return false;
      }
    }).length;
  const before = sockets();
  const mine = await Promise.all(Array.from({ length: 8 }, () => open(lab.a.libvirtUri)));
  for (const each of mine) expect(codeOf(await sampled(uuid, each))).toBe("stats");
  expect(sockets()).toBe(before + mine.length);
  await Promise.all(mine.map((each) => each.close()));
  await until(() => sockets() === before, DEADLINE_MS, "the sockets are closed");
});
