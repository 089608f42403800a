/**
 * What tests of failing hosts need: daemons that can be killed and revived, a host that loses
 * power, a libvirtd that gives up on a dead peer within seconds, and names for how a migration
 * ended.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { Guest, GuestOptions, Host, LabHandle } from "../lab/api.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "../lab/daemon.ts";
import { killProcesses, processesOf } from "../lab/processes.ts";
import { sharedLab } from "../lab/shared-lab.ts";
import { until } from "../lab/until.ts";
import { expectRunsOn, heard, migrateRunning, vmStats } from "./pair.ts";

const QEMU_CONF = "/etc/libvirt/qemu.conf";
/** libvirtd gives up on its peer after 1 x (2 + 1) s instead of half a minute. */
const GIVE_UP_SOON = "keepalive_interval = 1\nkeepalive_count = 2\n";
/** An unanswered connect fails after 3 s instead of 127. */
const SYN_RETRIES = { hasty: 1, normal: 6 };
const FORGET_GUESTS = "rm -f /run/libvirt/qemu/*.xml /run/libvirt/qemu/*.pid";
const DEADLINE = { deadlineMs: 20_000 };

type Side = "a" | "b";

export interface Mortals {
  readonly lab: LabHandle;
  /** The daemon of host-a, which the tests drive. */
  readonly a: Daemon;
  killDaemon(): Promise<void>;
  reviveDaemon(): Promise<void>;
  /** host-b vanishes at once: no packet and no process of it remains. */
  powerOff(): Promise<void>;
  /** It comes back as after a boot, without guests. */
  powerOn(): Promise<void>;
  restartLibvirtd(side: Side): Promise<void>;
}

/**
 * A daemon on each host for all tests of the file. Whatever a test killed on host-b is running again
 * before the next one.
 */
export function useMortals(options: DaemonOptions): Mortals {
  const lab = sharedLab();
  const daemons: Partial<Record<Side, Daemon>> = {};
  let killed = false;
  const daemonOf = (side: Side): Daemon => {
    const daemon = daemons[side];
    if (daemon === undefined) throw new Error("the daemons are not started yet");
    return daemon;
  };
  const killDaemon = async (): Promise<void> => {
    const b = daemonOf("b");
    killed = true;
    b.hangUp();
    await b.process.kill();
  };
  const reviveDaemon = async (): Promise<void> => {
    daemons.b = await startDaemon(lab.b, options);
    killed = false;
  };
  useImpatience(lab);
  beforeAll(async () => {
    daemons.a = await startDaemon(lab.a, options);
    await reviveDaemon();
  });
  afterAll(async () => {
    await Promise.all([daemonOf("a").stop(), daemonOf("b").stop()]);
  });
  afterEach(async () => {
    await lab.clear();
    if (killed) await reviveDaemon();
  });
  return {
    lab,
    get a() {
      return daemonOf("a");
    },
    killDaemon,
    reviveDaemon,
    powerOff: () => powerOff(lab, killDaemon),
    powerOn: async () => {
      await lab.restore("control");
      await lab.restore("migration");
      await lab.b.startLibvirtd();
      await reviveDaemon();
    },
    restartLibvirtd: async (side) => {
      await lab[side].killLibvirtd();
      await lab[side].startLibvirtd();
    },
  };
}

async function powerOff(lab: LabHandle, killDaemon: () => Promise<void>): Promise<void> {
  await Promise.all([lab.cut("control", "swallow"), lab.cut("migration", "swallow")]);
  await Promise.all([killDaemon(), lab.b.killLibvirtd()]);
  await killProcesses(
    lab.b,
    processesOf(lab.b).filter(({ isGuest }) => isGuest),
  );
  await lab.b.exec("sh", ["-c", FORGET_GUESTS]);
}

/** Both hosts, for as long as the tests of the file last. */
function useImpatience(lab: LabHandle): void {
  const hosts = lab.hosts.map((host) => ({ host, file: host.outsidePath(QEMU_CONF), was: "" }));
  const connectFor = (host: Host, retries: number): Promise<string> =>
    host.exec("sysctl", ["-q", `net.ipv4.tcp_syn_retries=${retries}`]);
  beforeAll(async () => {
    for (const each of hosts) {
      each.was = readFileSync(each.file, "utf8");
      writeFileSync(each.file, each.was + GIVE_UP_SOON);
      await connectFor(each.host, SYN_RETRIES.hasty);
      await each.host.stopLibvirtd();
      await each.host.startLibvirtd();
    }
  });
  afterAll(async () => {
    for (const { host, file, was } of hosts) {
      writeFileSync(file, was);
      await connectFor(host, SYN_RETRIES.normal);
      // One that lost its peer during a migration may take long to exit by itself.
      await host.killLibvirtd();
      await host.startLibvirtd();
    }
  });
}

/** At 4 MiB/s: some seconds of pass 1, or of post-copy. */
const SLOW: GuestOptions = { filledMiB: 16 };

function slowParams({ lab }: Pick<Mortals, "lab">): Record<string, unknown> {
  return { dst: "host-b", dstqemu: lab.b.migrationAddress, maxBandwidth: 4 };
}

/** libvirt is connecting to a migration address that does not answer: no data has been sent. */
export async function startConnecting(mortals: Mortals): Promise<Guest> {
  const guest = await mortals.lab.a.startGuest(SLOW);
  await mortals.lab.cut("migration", "swallow");
  await mortals.a.call("VM.migrate", { vmID: guest.uuid, params: slowParams(mortals) });
  await mortals.a.migrationIs(guest.uuid, (each) => each["phase"] === "starting");
  // A host that vanishes while libvirt still opens its own connection to it is given up only by TCP,
  // after a quarter of an hour: keepalive begins once that connection is open.
  await until(
    async () => (await guest.residence()).length === 2,
    DEADLINE.deadlineMs,
    "host-b has prepared its half",
  );
  return guest;
}

/** In pass 1. */
export async function startRunning(mortals: Mortals, load: GuestOptions = {}): Promise<Guest> {
  const guest = await mortals.lab.a.startGuest({ ...SLOW, ...load });
  await migrateRunning(mortals.a, guest, slowParams(mortals));
  return guest;
}

/** The guest runs on host-b, and most of its memory is still on host-a. */
export async function startPostCopy(mortals: Mortals, load: GuestOptions = {}): Promise<Guest> {
  const guest = await mortals.lab.a.startGuest({ ...SLOW, ...load });
  await migrateRunning(mortals.a, guest, { ...slowParams(mortals), maxBandwidth: 1 });
  await mortals.a.call("VM.migrateChangeParams", {
    vmID: guest.uuid,
    params: { migrationTechnique: "post-copy" },
  });
  // The daemon reports post-copy once libvirt has accepted the switch; here it has happened.
  await guest.counterAdvances({ by: 1, on: mortals.lab.b });
  return guest;
}

export interface Told {
  readonly ended: Readonly<Record<string, unknown>>;
  /** The last VM_status. */
  readonly status: Readonly<Record<string, unknown>>;
}

export const ARRIVED: Told = {
  ended: { outcome: "completed", reason: "arrived", code: 0, where: "destination" },
  status: { status: "Down", exitCode: 0, exitReason: 4 },
};
export const FAILED_HERE: Told = {
  ended: { outcome: "failed", reason: "libvirt", where: "source", confirmed: true },
  status: { status: "Up" },
};
export const LOST_IN_POST_COPY: Told = {
  ended: { outcome: "failed", reason: "guestLost", code: 12, where: "nowhere" },
  status: { status: "Down", exitCode: 1, exitReason: 12 },
};
export const CRASHED: Told = {
  ended: { outcome: "failed", reason: "guestCrashed", code: 12, where: "nowhere", confirmed: true },
  status: { status: "Down", exitCode: 1, exitReason: 2 },
};
export const STOPPED: Told = {
  ended: { outcome: "failed", reason: "guestStopped", code: 12, where: "nowhere", confirmed: true },
  // It was stopped on purpose: an engine need not restart it.
  status: { status: "Down", exitCode: 0 },
};

/** Reported once, and VM.getStats agrees. */
export async function expectTold(daemon: Daemon, guest: Guest, told: Told): Promise<void> {
  expect(await daemon.ended(guest.uuid, DEADLINE)).toMatchObject(told.ended);
  const events = heard(daemon, guest.uuid);
  expect(events.filter(({ name }) => name === "VM_migration_ended")).toHaveLength(1);
  const last = events.filter(({ name }) => name === "VM_status").at(-1);
  expect(last?.fields).toMatchObject(told.status);
  if (told.status !== LOST_IN_POST_COPY.status)
    expect(await vmStats(daemon, guest.uuid)).toMatchObject({ status: told.status["status"] });
}

/** It runs on host-a, and the other host has removed its half of the migration. */
export async function expectStays({ lab }: Pick<Mortals, "lab">, guest: Guest): Promise<void> {
  await until(
    async () => (await guest.residence()).length === 1,
    DEADLINE.deadlineMs,
    () => `${guest.name} has one home`,
  );
  await expectRunsOn(guest, lab.a);
}
