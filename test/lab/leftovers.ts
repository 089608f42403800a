/**
 * Finds and stops, by process ID, what a test file left running on the lab's hosts: daemons, relays,
 * guests. Only a host's process 1, its libvirtd and their helpers may remain.
 */
import type { Host, LabHandle } from "./api.ts";
import { type HostProcess, killProcesses, processesOf, signal } from "./processes.ts";

const BELONGS_TO_HOST = ["sh", "sleep", "libvirtd", "virtlogd", "dnsmasq"];
const COMMAND_SHOWN_CHARS = 120;

const describe =
  (host: Host, why = "") =>
  ({ pid, command }: HostProcess): string =>
    `${host.name}: ${command.slice(0, COMMAND_SHOWN_CHARS)} (process ${pid}${why})`;

async function stopOn(host: Host): Promise<readonly string[]> {
  const running = processesOf(host).filter(({ pid }) => pid !== host.initPid);
  // A test that failed may have left libvirtd or QEMU stopped; both must run to be cleaned up.
  for (const { pid } of running) signal(pid, "SIGCONT");
  const leftovers = running.filter(({ program }) => !BELONGS_TO_HOST.includes(program));
  await killProcesses(
    host,
    leftovers.filter(({ isGuest }) => !isGuest),
  );
  // Through libvirt, so that it forgets them as well.
  await host.removeGuests();
  const unknown = processesOf(host).filter(({ isGuest }) => isGuest);
  await killProcesses(host, unknown);
  return [
    ...leftovers.map(describe(host)),
    ...unknown.map(describe(host, ", unknown to libvirtd")),
  ];
}

/** Leaves the lab empty; returns what was still running, one text for each process. */
export async function stopLeftovers(lab: LabHandle): Promise<readonly string[]> {
  const stopped = await Promise.all(lab.hosts.map(stopOn));
  await lab.clear();
  return stopped.flat();
}
