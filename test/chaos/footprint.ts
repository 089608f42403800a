/**
 * What a host and its daemon hold at the end of a round: file descriptors, threads, connections to
 * libvirtd, mounts, QEMU processes, files. Read from /proc, from libvirtd's own count of its
 * clients and from the host's folders.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import type { Host } from "../lab/api.ts";
import { processesOf } from "../lab/processes.ts";

const IMAGES = "/var/lib/vdsm-migrationd/images";
const JOURNAL = "/var/lib/vdsm-migrationd/journal";
const BYTES_PER_MIB = 1024 * 1024;
const KIB_PER_MIB = 1024;

export interface ProcessFootprint {
  readonly descriptors: number;
  readonly threads: number;
  readonly rssMiB: number;
}

export interface HostFootprint {
  readonly libvirtClients: number;
  readonly mounts: number;
  /** Processes, except those that libvirt starts to probe QEMU's capabilities. */
  readonly qemus: number;
  /** Distinct namespaces among the host's processes. */
  readonly networks: number;
  readonly images: readonly string[];
  readonly journalFiles: number;
  readonly journalMiB: number;
}

/** Of a process with this ID outside the host. */
export function processFootprint(pid: number): ProcessFootprint {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: field("Threads"),
    rssMiB: field("VmRSS") / KIB_PER_MIB,
  };
}

export async function hostFootprint(host: Host): Promise<HostFootprint> {
  const journal = filesBelow(host.outsidePath(JOURNAL));
  const processes = processesOf(host);
  return {
    libvirtClients: await libvirtClients(host),
    mounts: readFileSync(`/proc/${host.initPid}/mountinfo`, "utf8").trimEnd().split("\n").length,
    qemus: processes.filter(({ isGuest }) => isGuest).length,
    networks: new Set(processes.map(({ network }) => network)).size,
    images: filesBelow(host.outsidePath(IMAGES)).map(({ name }) => name),
    journalFiles: journal.length,
    journalMiB: journal.reduce((sum, { bytes }) => sum + bytes, 0) / BYTES_PER_MIB,
  };
}

async function libvirtClients(host: Host): Promise<number> {
  const info = await host.exec("virt-admin", ["server-clients-info", "libvirtd"]);
  return Number(/^nclients\s*:\s*(\d+)/m.exec(info)?.[1] ?? 0);
}

function filesBelow(folder: string): readonly { readonly name: string; readonly bytes: number }[] {
  try {
    return readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const name = path.join(entry.parentPath, entry.name);
        return { name, bytes: statSync(name, { throwIfNoEntry: false })?.size ?? 0 };
      });
  } catch (error) {
    // The folder is created on first use.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
