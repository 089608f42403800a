/**
 * What ties a guest to this host: its disks, by libvirt's own rule of what is safe, and devices of the
 * host.
 *
 * A disk without a source is safe, and so is one that is read-only. A file is safe on a file system
 * that libvirt considers shared; network storage always is. A block device satisfies libvirt's rule,
 * although this host cannot tell whether the destination has it.
 * Source: libvirt, qemuMigrationSrcIsSafe and virFileIsSharedFS.
 */
import type { DiskFact } from "../../core/migrate-check.ts";
import type { GuestDevices } from "../port.ts";
import { MountPoints } from "./mount-points.ts";
import { elementsIn, type XmlElement } from "./xml-elements.ts";

/** What libvirt considers shared, by the kernel's names for the magic numbers there. */
const SHARED_TYPES: ReadonlyMap<string, string> = new Map([
  ["nfs", "NFS"],
  ["nfs4", "NFS"],
  ["gfs2", "GFS2"],
  ["ocfs2", "OCFS2"],
  ["afs", "AFS"],
  ["smbfs", "SMB"],
  ["cifs", "CIFS"],
  ["smb3", "SMB"],
  ["ceph", "Ceph"],
  ["gpfs", "GPFS"],
  ["acfs", "ACFS"],
  ["beegfs", "BeeGFS"],
  ["fuse.glusterfs", "GlusterFS"],
  ["fuse.quobyte", "Quobyte"],
]);
/** Their server is not known here; autofs mounts another file system only on access. */
const UNKNOWN_TYPES = /^(?:fuse(?:blk)?(?:\..*)?|autofs)$/;

/** **Fails**: Error for XML that is not well-formed. */
export async function guestDevicesIn(
  xml: string,
  mounts: () => Promise<MountPoints> = () => MountPoints.now(),
): Promise<GuestDevices> {
  const elements = elementsIn(xml);
  const mounted = await mounts();
  const disks = elements.filter(({ path }) => path === "domain/devices/disk");
  return {
    disks: await Promise.all(disks.map((disk) => diskFact(disk, elements, mounted))),
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

async function diskFact(
  disk: XmlElement,
  all: readonly XmlElement[],
  mounts: MountPoints,
): Promise<DiskFact> {
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
  if (child("source") === undefined) return fact("safe", "no medium inserted", "empty");
  if (child("readonly") !== undefined) return fact("safe", "read-only", file || dev || dir);
  switch (valueOf(disk.attributes, "type")) {
    case "file":
      return { ...(await fileFact(file, mounts)), target, source: file };
    case "network":
      return fact("safe", "network storage", valueOf(source, "name"));
    case "block":
      return fact("safe", "a block device; whether the destination has it is not known here", dev);
    case "nvme":
    case "vhostuser":
    case "vhostvdpa":
      return fact("local", "a device of this host", valueOf(source, "type"));
    default:
      return fact("unknown", "of an unknown kind", dir);
  }
}

async function fileFact(
  file: string,
  mounts: MountPoints,
): Promise<Pick<DiskFact, "kind" | "why">> {
  const type = await mounts.typeOf(file);
  if (type === null) return { kind: "unknown", why: "cannot be examined" };
  const name = SHARED_TYPES.get(type);
  if (name !== undefined) return { kind: "safe", why: `on ${name}` };
  if (UNKNOWN_TYPES.test(type)) return { kind: "unknown", why: `on ${type}` };
  return {
    kind: "local",
    why: "on a local file system; libvirt considers migration without shared storage unsafe",
  };
}
