/**
 * What ties a guest to this host: its disks by libvirt's own rule of safety, and devices of the host.
 *
 * A disk without a source and one that is read-only are safe. A file is safe on a file system that
 * libvirt counts as shared, a device of a network storage always is; a local device of the block layer
 * passes libvirt's rule, though whether the destination has it nobody here can tell.
 * Source: libvirt, qemuMigrationSrcIsSafe and virFileIsSharedFS.
 */
import { readFile, statfs } from "node:fs/promises";
import type { DiskFact } from "../core/migrate-check.ts";
import { elementsIn, type XmlElement } from "./xml-elements.ts";

export interface GuestDevices {
  readonly disks: readonly DiskFact[];
  readonly hostDevices: readonly string[];
}

/** A file system that hangs (NFS without its server) must not hang whoever asks. */
const LOOK_MS = 2_000;

/** `f_type` of what libvirt takes for shared. Source: linux/magic.h. */
const SHARED_TYPES: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x01_16_19_70, "GFS2"],
  [0x74_61_63_6f, "OCFS2"],
  [0x6b_41_46_53, "AFS"],
  [0x51_7b, "SMB"],
  [0xff_53_4d_42, "CIFS"],
  [0xfe_53_4d_42, "SMB2"],
  [0x00_c3_64_00, "Ceph"],
  [0x47_50_46_53, "GPFS"],
]);
const FUSE_TYPE = 0x65_73_55_46;
const SHARED_FUSE = ["fuse.glusterfs", "fuse.quobyte"];

/** Never rejects for what a file system says. **Fails**: Error for XML that is not well-formed. */
export async function guestDevicesIn(xml: string): Promise<GuestDevices> {
  const elements = elementsIn(xml);
  const disks = elements.filter(({ path }) => path === "domain/devices/disk");
  return {
    disks: await Promise.all(disks.map((disk) => diskFact(disk, elements))),
    hostDevices: elements
      .filter(({ path }) => path === "domain/devices/hostdev" || path === INTERFACE)
      .filter(
        ({ path, attributes }) => path !== INTERFACE || valueOf(attributes, "type") === "hostdev",
      )
      .map(({ path, attributes }) =>
        path === INTERFACE ? "interface" : `${valueOf(attributes, "type") || "host"} device`,
      ),
  };
}

const INTERFACE = "domain/devices/interface";

function valueOf(attributes: XmlElement["attributes"], name: string): string {
  return attributes.get(name)?.value ?? "";
}

async function diskFact(disk: XmlElement, all: readonly XmlElement[]): Promise<DiskFact> {
  const inside = all.filter(({ start, end }) => start > disk.start && end <= disk.end);
  const child = (name: string): XmlElement | undefined =>
    inside.find(({ path }) => path === `${disk.path}/${name}`);
  const target = valueOf(child("target")?.attributes ?? new Map(), "dev");
  const source = child("source")?.attributes ?? new Map();
  const [file, dev, dir] = [
    valueOf(source, "file"),
    valueOf(source, "dev"),
    valueOf(source, "dir"),
  ];
  const fact = (kind: DiskFact["kind"], why: string, name = file): DiskFact => ({
    target,
    source: name,
    kind,
    why,
  });
  if (child("source") === undefined) return fact("safe", "no medium", "empty");
  if (child("readonly") !== undefined) return fact("safe", "read-only", file || dev || dir);
  switch (valueOf(disk.attributes, "type")) {
    case "file":
      return { ...(await fileFact(file)), target, source: file };
    case "network":
      return fact("safe", "network storage", valueOf(source, "name"));
    case "block":
      return fact("safe", "a device; whether the destination has it too is not known here", dev);
    case "nvme":
    case "vhostuser":
    case "vhostvdpa":
      return fact("local", "a device of this host", valueOf(source, "type"));
    default:
      return fact("unknown", "of a kind that is not known here", dir);
  }
}

async function fileFact(file: string): Promise<Pick<DiskFact, "kind" | "why">> {
  const late = new Promise<"late">((resolve) => {
    setTimeout(() => resolve("late"), LOOK_MS).unref();
  });
  const looked = await Promise.race([typeOf(file), late]);
  if (looked === "late") return { kind: "unknown", why: "its file system does not answer" };
  if (looked === null) return { kind: "unknown", why: "it cannot be looked at" };
  const name = SHARED_TYPES.get(looked);
  if (name !== undefined) return { kind: "safe", why: `on ${name}` };
  if (looked === FUSE_TYPE) return fuseFact(file);
  return {
    kind: "local",
    why: "on a file system of this host; libvirt calls its migration without shared storage unsafe",
  };
}

async function typeOf(file: string): Promise<number | null> {
  try {
    return (await statfs(file)).type;
  } catch {
    return null;
  }
}

async function fuseFact(file: string): Promise<Pick<DiskFact, "kind" | "why">> {
  const mounts = await readFile("/proc/self/mounts", "utf8").catch(() => "");
  const over = mounts
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, at = ""]) => file === at || file.startsWith(`${at}/`))
    .toSorted(([, one = ""], [, other = ""]) => other.length - one.length);
  const type = over[0]?.[2] ?? "";
  return SHARED_FUSE.includes(type)
    ? { kind: "safe", why: `on ${type}` }
    : { kind: "unknown", why: `on ${type || "FUSE"}` };
}
