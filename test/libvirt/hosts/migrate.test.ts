/** A real guest migrated, watched, steered and saved through the binding, on two real hosts. */
import {
  type Connection,
  type Domain,
  type DomainEvents,
  DomainEvent,
  DomainState,
  ErrorCode,
  JobOperation,
  JobStatsFlag,
  JobType,
  LibvirtError,
  MigrateFlag,
  type MigrateParams,
  open,
  RunningReason,
  SaveRestoreFlag,
  StoppedDetail,
  SuspendedDetail,
} from "libvirt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Guest } from "../../lab/api.ts";
import { until } from "../../lab/until.ts";
import { sharedLab } from "../../lab/shared-lab.ts";

const LIVE = MigrateFlag.LIVE | MigrateFlag.PEER2PEER;
const JOB_DEADLINE_MS = 30_000;

const lab = sharedLab();
let polling: Connection;
let calling: Connection;

beforeEach(async () => {
  [polling, calling] = await Promise.all([open(lab.a.libvirtUri), open(lab.a.libvirtUri)]);
});

afterEach(async () => {
  await Promise.all([polling.close(), calling.close()]);
  await lab.clear();
});

const destinationUri = `qemu+tcp://${lab.b.controlAddress}/system`;

interface Moving {
  /** On the polling connection. */
  readonly domain: Domain;
  /** Settles with the migrate call: undefined, or its error. */
  readonly end: Promise<LibvirtError | undefined>;
}

async function move(guest: Guest, params: MigrateParams, flags = LIVE): Promise<Moving> {
  const domain = await polling.lookupByUuid(guest.uuid);
  const source = await calling.lookupByUuid(guest.uuid);
  const end = source.migrateToUri3(destinationUri, params, flags).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof LibvirtError) return error;
      throw error;
    },
  );
  return { domain, end };
}

/** Waits until data flow: before that libvirt has a job and every counter is 0. */
async function dataFlow(domain: Domain): Promise<void> {
  await until(
    async () => {
      const stats = await domain.getJobStats();
      return stats.type === JobType.UNBOUNDED && (stats.dataProcessedBytes ?? 0) > 0;
    },
    JOB_DEADLINE_MS,
    () => `${domain.name} transfers`,
  );
}

/** Does not converge below 16 MiB/s; arrives at once without a limit. */
const busy = { workingSetMiB: 16, ratePagesPerSecond: 4096 };

describe("a migration", () => {
  it("arrives, with its stats, its events and its limits", async () => {
    const guest = await lab.a.startGuest(busy);
    const seen: string[] = [];
    const jobs: DomainEvents["jobCompleted"][] = [];
    await polling.onDomainEvent("lifecycle", ({ event, detail }) => {
      if (event === DomainEvent.STOPPED && detail === StoppedDetail.MIGRATED) seen.push("stopped");
    });
    await polling.onDomainEvent("jobCompleted", (event) => {
      seen.push("jobCompleted");
      jobs.push(event);
    });
    const passes: number[] = [];
    await polling.onDomainEvent("migrationIteration", ({ iteration }) => passes.push(iteration));

    const migrateUri = `tcp://${lab.b.migrationAddress}`;
    const moving = await move(guest, { bandwidth: 4, migrate_uri: migrateUri });
    await dataFlow(moving.domain);
    expect(await moving.domain.migrateGetMaxSpeed()).toBe(4);
    expect(await moving.domain.getJobStats()).toMatchObject({
      type: JobType.UNBOUNDED,
      operation: JobOperation.MIGRATION_OUT,
      memoryPageSizeBytes: 4096,
      memoryTotalBytes: expect.any(Number),
      timeElapsedMs: expect.any(Number),
    });
    await moving.domain.migrateSetMaxDowntime(777);
    expect(await moving.domain.migrateGetMaxDowntime()).toBe(777);
    await moving.domain.migrateSetMaxSpeed(512n);
    expect(await moving.domain.migrateGetMaxSpeed()).toBe(512);

    expect(await moving.end).toBeUndefined();
    // libvirt raises both before the call returns; they may be delivered just after it.
    await until(
      () => seen.length === 2,
      JOB_DEADLINE_MS,
      () => seen.join(),
    );
    expect(seen).toEqual(["stopped", "jobCompleted"]);
    expect(passes.length).toBeGreaterThan(0);
    expect(jobs[0]?.domain).toEqual({ uuid: guest.uuid, name: guest.name, id: null });
    expect(jobs[0]?.stats).toMatchObject({
      operation: JobOperation.MIGRATION_OUT,
      downtimeMs: expect.any(Number),
      dataRemainingBytes: 0,
    });

    await guest.counterAdvances({ on: lab.b });
    guest.assertUnbroken();
    expect((await guest.residence()).map((host) => host.name)).toEqual([lab.b.name]);
    const arrived = await open(lab.b.libvirtUri);
    const there = await arrived.lookupByUuid(guest.uuid);
    const record = JobStatsFlag.COMPLETED | JobStatsFlag.KEEP_COMPLETED;
    expect(await there.getJobStats(record)).toMatchObject({
      type: JobType.COMPLETED,
      operation: JobOperation.MIGRATION_IN,
    });
    await arrived.close();
  });

  it("is aborted: the call fails with 78, and a second abort with 55", async () => {
    const guest = await lab.a.startGuest(busy);
    const { domain, end } = await move(guest, { bandwidth: 1 });
    await dataFlow(domain);
    await domain.abortJob();
    expect(await end).toMatchObject({
      name: "LibvirtError",
      code: ErrorCode.OPERATION_ABORTED,
      operation: "virDomainMigrateToURI3",
    });
    await expect(domain.abortJob()).rejects.toMatchObject({ code: ErrorCode.OPERATION_INVALID });
    await expect(domain.abortJobFlags(0)).rejects.toMatchObject({
      code: ErrorCode.OPERATION_INVALID,
    });
    await guest.counterAdvances({ on: lab.a });
    expect(await domain.getState()).toMatchObject({ state: DomainState.RUNNING });
  });

  it("switches to post-copy", async () => {
    const guest = await lab.a.startGuest(busy);
    const params = { bandwidth: 4, "bandwidth.postcopy": 64 };
    const { domain, end } = await move(guest, params, LIVE | MigrateFlag.POSTCOPY);
    await dataFlow(domain);
    const states: unknown[] = [];
    await polling.onDomainEvent("lifecycle", ({ event, detail }) => states.push([event, detail]));
    await domain.migrateStartPostCopy();
    expect(await end).toBeUndefined();
    expect(states).toContainEqual([DomainEvent.SUSPENDED, SuspendedDetail.POSTCOPY]);
    await guest.counterAdvances({ on: lab.b });
    guest.assertUnbroken();
    const arrived = await open(lab.b.libvirtUri);
    expect(await (await arrived.lookupByUuid(guest.uuid)).getState()).toEqual({
      state: DomainState.RUNNING,
      reason: RunningReason.MIGRATED,
    });
    await arrived.close();
  });

  it("takes lists and the compression cache", async () => {
    const guest = await lab.a.startGuest(busy);
    const idle = await polling.lookupByUuid(guest.uuid);
    await idle.migrateSetCompressionCache(8 * 1024 * 1024);
    expect(await idle.migrateGetCompressionCache()).toBe(8 * 1024 * 1024);
    const params = { bandwidth: 64, compression: ["xbzrle"], "compression.xbzrle.cache": 2 ** 23 };
    const { end } = await move(guest, params, LIVE | MigrateFlag.COMPRESSED);
    expect(await end).toBeUndefined();
    await guest.counterAdvances({ on: lab.b });
  });

  it("that libvirt refuses says why", async () => {
    const guest = await lab.a.startGuest();
    const { end } = await move(
      guest,
      { compression: ["none such"] },
      LIVE | MigrateFlag.COMPRESSED,
    );
    expect(await end).toMatchObject({ code: ErrorCode.INVALID_ARG });
    const nowhere = await calling.lookupByUuid(guest.uuid);
    await expect(nowhere.migrateToUri3("qemu+tcp://127.0.0.1:9/system", {}, LIVE)).rejects.toThrow(
      LibvirtError,
    );
  });
});

describe("a saved guest", () => {
  it.each(["by path", "by parameters"] as const)("%s wakes where it slept", async (way) => {
    const guest = await lab.a.startGuest();
    const image = `/var/lib/libvirt/${guest.name}.save`;
    const domain = await polling.lookupByUuid(guest.uuid);
    if (way === "by path") await domain.save(image);
    else await domain.saveParams({ file: image });
    await expect(domain.getState()).rejects.toMatchObject({ code: ErrorCode.NO_DOMAIN });
    expect(await guest.residence()).toEqual([]);
    const xml = guest.xml;
    const flags = SaveRestoreFlag.PAUSED;
    if (way === "by path") await polling.restore(image, { xml, flags });
    else await polling.restoreParams({ file: image, dxml: xml }, flags);
    const woken = await polling.lookupByUuid(guest.uuid);
    expect(await woken.getState()).toMatchObject({ state: DomainState.PAUSED });
    await woken.resume();
    await guest.counterAdvances({ on: lab.a });
    guest.assertUnbroken();
  });
});
