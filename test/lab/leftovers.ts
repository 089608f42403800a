/**
 * Finds and stops, by process ID, what a test file left running on the lab's hosts: daemons, relays,
 * guests. Only a host's process 1, its libvirtd and their helpers may remain.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import type { Host, LabHandle } from "./api.ts";
import { until } from "./until.ts";

const BELONGS_TO_HOST = ["sh", "sleep", "libvirtd", "virtlogd", "dnsmasq"];
const GUEST = /^qemu-system-/;
const END_DEADLINE_MS = 10_000;

interface HostProcess {
  /** As seen from outside the host. */
  readonly pid: number;
  readonly program: string;
  readonly command: string;
}

/** Every process of the host except process 1. */
function processesOf(host: Host): readonly HostProcess[] {
  const namespace = readlinkSync(`/proc/${host.initPid}/ns/pid`);
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === host.initPid) return [];
    try {
      if (readlinkSync(`/proc/${pid}/ns/pid`) !== namespace) return [];
      const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean);
      // A process that has exited but is not yet reaped has no arguments.
      const [first] = args;
      if (first === undefined) return [];
      return [{ pid, program: path.basename(first), command: args.join(" ").slice(0, 120) }];
    } catch {
      // The process ended between listing and reading.
      return [];
    }
  });
}

/** False if the process has already ended. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

async function stopOn(host: Host): Promise<readonly string[]> {
  const running = processesOf(host);
  // A test that failed may have left libvirtd or QEMU stopped; both must run to be cleaned up.
  for (const { pid } of running) signal(pid, "SIGCONT");
  const leftovers = running.filter(({ program }) => !BELONGS_TO_HOST.includes(program));
  // Guests are removed through libvirt, so that it forgets them as well.
  const killed = leftovers.filter(({ program }) => !GUEST.test(program));
  for (const { pid } of killed) signal(pid, "SIGKILL");
  const gone = (): boolean => {
    const left = new Set(processesOf(host).map(({ pid }) => pid));
    return killed.every(({ pid }) => !left.has(pid));
  };
  await until(gone, END_DEADLINE_MS, () => `${host.name} to lose its leftovers`);
  return leftovers.map(({ pid, command }) => `${host.name}: ${command} (process ${pid})`);
}

/** Leaves the lab empty; returns what was still running, one text for each process. */
export async function stopLeftovers(lab: LabHandle): Promise<readonly string[]> {
  const stopped = await Promise.all(lab.hosts.map(stopOn));
  await lab.clear();
  return stopped.flat();
}
