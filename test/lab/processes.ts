/**
 * The processes of a lab host, as seen and signalled from outside it: those in its process namespace.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import type { Host } from "./api.ts";
import { until } from "./until.ts";

const END_DEADLINE_MS = 10_000;

export interface HostProcess {
  /** As seen from outside the host. */
  readonly pid: number;
  readonly program: string;
  readonly command: string;
  /** The QEMU of a domain; false for those that libvirt starts to probe QEMU's capabilities. */
  readonly isGuest: boolean;
  /** Identifies the network namespace. */
  readonly network: string;
}

/** Every process of the host that has not ended, process 1 included. */
export function processesOf(host: Host): readonly HostProcess[] {
  const namespace = readlinkSync(`/proc/${host.initPid}/ns/pid`);
  return readdirSync("/proc").flatMap((entry): HostProcess[] => {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) return [];
    try {
      if (readlinkSync(`/proc/${pid}/ns/pid`) !== namespace) return [];
      const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean);
      const [first] = args;
      // A process that has ended but is not yet reaped has no arguments.
      if (first === undefined) return [];
      const program = path.basename(first);
      const command = args.join(" ");
      const isGuest = program.startsWith("qemu-system-") && command.includes("guest=");
      return [{ pid, program, command, isGuest, network: readlinkSync(`/proc/${pid}/ns/net`) }];
    } catch {
      // The process ended between listing and reading.
      return [];
    }
  });
}

/** False if the process has already ended. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Returns once they are gone. */
export async function killProcesses(host: Host, processes: readonly HostProcess[]): Promise<void> {
  for (const { pid } of processes) signal(pid, "SIGKILL");
  const gone = (): boolean => {
    const left = new Set(processesOf(host).map(({ pid }) => pid));
    return processes.every(({ pid }) => !left.has(pid));
  };
  await until(gone, END_DEADLINE_MS, () => `${host.name} to lose processes that were killed`);
}
