/**
 * What most two-host tests need: the shared lab with a daemon on each host, and guests that behave
 * in known ways. `useDaemons` registers vitest's hooks; its result is usable once the tests run.
 */
import { afterAll, afterEach, beforeAll, expect, onTestFinished } from "vitest";
import type { Guest, GuestOptions, Host, LabHandle } from "../lab/api.ts";
import { startDaemon, type Daemon, type DaemonEvent, type DaemonOptions } from "../lab/daemon.ts";
import { Lab } from "../lab/lab.ts";
import { sharedLab } from "../lab/shared-lab.ts";

export interface Pair {
  readonly lab: LabHandle;
  readonly a: Daemon;
  readonly b: Daemon;
}

/** A daemon for one test: it is stopped when the test ends, also if the test fails. */
export async function startForTest(host: Host, options: DaemonOptions = {}): Promise<Daemon> {
  const daemon = await startDaemon(host, options);
  onTestFinished(() => daemon.stop());
  return daemon;
}

/** Two daemons for all tests of the file; the lab is emptied after each test. */
export function useDaemons(options: DaemonOptions = {}): Pair {
  const lab = sharedLab();
  const daemons: Daemon[] = [];
  const at = (index: number): Daemon => {
    const daemon = daemons[index];
    if (daemon === undefined) throw new Error("the daemons are not started yet");
    return daemon;
  };
  afterAll(async () => {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
  });
  beforeAll(async () => {
    // One by one: if the second does not start, the first is stopped all the same.
    daemons.push(await startDaemon(lab.a, options));
    daemons.push(await startDaemon(lab.b, options));
  });
  afterEach(() => lab.clear());
  return {
    lab,
    get a() {
      return at(0);
    },
    get b() {
      return at(1);
    },
  };
}

/**
 * The same on a lab of the file's own, with everything over TLS: host-a's daemon is driven the way
 * the engine does it, host-b's the way vdsm-client does.
 */
export function useTlsDaemons(options: DaemonOptions = {}): Pair {
  const daemons: Daemon[] = [];
  let lab: Lab | null = null;
  const labUp = (): Lab => {
    if (lab === null) throw new Error("the TLS lab is not up yet");
    return lab;
  };
  const at = (index: number): Daemon => {
    const daemon = daemons[index];
    if (daemon === undefined) throw new Error("the daemons are not started yet");
    return daemon;
  };
  afterAll(async () => {
    try {
      await Promise.all(daemons.map((daemon) => daemon.stop()));
    } finally {
      await lab?.down();
    }
  });
  beforeAll(async () => {
    lab = await Lab.up({ tls: true });
    daemons.push(await startDaemon(lab.a, { ...options, client: "Java" }));
    daemons.push(await startDaemon(lab.b, { ...options, client: "Python" }));
  });
  afterEach(() => labUp().clear());
  return {
    get lab() {
      return labUp();
    },
    get a() {
      return at(0);
    },
    get b() {
      return at(1);
    },
  };
}

/** Rewrites 6 MiB faster than 4 MiB/s can transfer: no pass is smaller than the one before. */
export const RESTLESS: GuestOptions = { workingSetMiB: 6, ratePagesPerSecond: 2048 };
export const RESTLESS_CAP_MIBPS = 4;

/**
 * Rewrites 16 MiB faster than 16 MiB/s can carry: with 1 ms of downtime it never arrives. Fewer are
 * sent by chance, where QEMU looks for dirtied pages ten times a second and the machine is busy.
 */
export const ENDLESS: GuestOptions = { workingSetMiB: 16, ratePagesPerSecond: 5120 };
export const ENDLESS_CAP_MIBPS = 16;
export const ENDLESS_PARAMS = { downtime: 1, maxBandwidth: ENDLESS_CAP_MIBPS } as const;

/** It runs on this host, libvirt knows it only there, and it has not missed a beat. */
export async function expectRunsOn(guest: Guest, host: Host): Promise<void> {
  await guest.counterAdvances({ on: host });
  guest.assertUnbroken();
  expect(await guest.residence()).toEqual([host]);
}

/** Cancels the guests' migrations. */
export async function cancelAll(daemon: Daemon, guests: readonly Guest[]): Promise<void> {
  for (const guest of guests) await daemon.call("VM.migrateCancel", { vmID: guest.uuid });
}

export function stallings(daemon: Daemon, vmId: string): readonly Record<string, unknown>[] {
  return daemon.events
    .filter((event) => event.name === "VM_migration_stalling" && event.vmId === vmId)
    .map((event) => event.fields);
}

/** The stall events since the migration last advanced: a busy machine may add a stall before it. */
export function lastStall(daemon: Daemon, vmId: string): readonly Record<string, unknown>[] {
  const all = stallings(daemon, vmId);
  return all.slice(all.findLastIndex((each) => each["progressing"] === true) + 1);
}

/** What an error of the daemon looks like: `await expect(…).rejects.toMatchObject(refusal(47, /too late/))`. */
export function refusal(code: number, message: RegExp): Record<string, unknown> {
  return { code, message: expect.stringMatching(message) };
}

/** Every event about this VM, oldest first. */
export function heard(daemon: Daemon, vmId: string): readonly DaemonEvent[] {
  return daemon.events.filter((event) => event.vmId === vmId);
}

/** The daemon's log lines about this VM, oldest first. */
export function logged(daemon: Daemon, vmId: string): readonly Record<string, unknown>[] {
  const lines = daemon.process.log().split("\n");
  return lines.filter((line) => line.includes(vmId)).map((line) => JSON.parse(line));
}

/** How many cycles the daemon has reported for this VM: each timer cycle sends one status. */
export function cyclesOf(daemon: Daemon, vmId: string): number {
  return heard(daemon, vmId).filter((event) => event.name === "VM_migration_status").length;
}

/** The daemon's answer to one VM's VM.getStats. */
export async function vmStats(daemon: Daemon, vmId: string): Promise<Record<string, unknown>> {
  const [stats] = await daemon.call<Record<string, unknown>[]>("VM.getStats", { vmID: vmId });
  if (stats === undefined) throw new Error(`VM.getStats of ${vmId} is empty`);
  return stats;
}

/** Starts it; resolves once data is flowing. */
export async function migrateRunning(
  daemon: Daemon,
  guest: Guest,
  params: Record<string, unknown>,
): Promise<void> {
  await daemon.call("VM.migrate", { vmID: guest.uuid, params });
  await daemon.migrationIs(guest.uuid, (each) => each["phase"] === "running");
}
