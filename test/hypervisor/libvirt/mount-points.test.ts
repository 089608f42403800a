/** What a path lies on, by the kernel's table; and that nothing is asked of what may not answer. */
import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { guestDevicesIn } from "../../../src/hypervisor/libvirt/guest-devices.ts";
import { MountPoints } from "../../../src/hypervisor/libvirt/mount-points.ts";

const TABLE = `
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /dev rw - devtmpfs udev rw
30 22 8:2 / /srv rw shared:2 master:3 - xfs /dev/sda2 rw
31 30 0:40 / /srv/nfs rw - nfs4 10.0.0.1:/a rw,hard
32 31 0:41 / /srv/nfs/inner rw - tmpfs tmpfs rw
33 22 0:42 /img /with\\040space\\011and\\134 rw - nfs 10.0.0.1:/b rw
34 22 0:43 / /auto rw - autofs systemd-1 rw
35 34 0:44 / /auto/home rw - nfs 10.0.0.1:/c rw
36 22 0:45 / /hidden/deep rw - nfs 10.0.0.1:/d rw
37 22 8:3 / /hidden rw - xfs /dev/sda3 rw
38 22 8:4 / /twice rw - ext4 /dev/sda4 rw
39 38 0:46 / /twice rw - nfs4 10.0.0.1:/e rw
40 22 8:2 /images /bound rw - xfs /dev/sda2 rw
41 22 0:47 / /gluster rw - fuse.glusterfs g:/v rw
42 22 0:48 / /sshfs rw - fuse.sshfs h: rw
43 22 0:49 / /ceph rw - ceph m:/ rw
`;

it.each([
  ["/etc/x", "ext4"],
  ["/", "ext4"],
  ["/srv/x.img", "xfs"],
  ["/srvx/x.img", "ext4"],
  ["/srv/nfs/x.img", "nfs4"],
  ["/srv/nfs", "nfs4"],
  ["/srv/nfs/inner/x", "tmpfs"],
  ["/with space\tand\\/x", "nfs"],
  ["/auto/home/x", "nfs"],
  ["/auto/other/x", "autofs"],
  ["/hidden/deep/x", "xfs"],
  ["/twice/x", "nfs4"],
  ["/bound/x", "xfs"],
])("%s lies on %s", (file, type) => {
  expect(new MountPoints(TABLE).typeAt(file)).toBe(type);
});

it("in a root that is no mount of its own, and without a table", () => {
  const inside = "50 7 0:1 / /proc rw - proc proc rw\n51 7 0:2 / /data rw - nfs h:/x rw\n";
  expect(new MountPoints(inside).typeAt("/data/x")).toBe("nfs");
  expect(new MountPoints(inside).typeAt("/x")).toBeNull();
  expect(new MountPoints("").typeAt("/x")).toBeNull();
});

it.each([
  ["/srv/nfs/no/such.img", "safe", "on NFS"],
  ["/with space\tand\\/x", "safe", "on NFS"],
  ["/gluster/x", "safe", "on GlusterFS"],
  ["/ceph/x", "safe", "on Ceph"],
  ["/sshfs/x", "unknown", "on fuse.sshfs"],
  ["/auto/other/x", "unknown", "on autofs"],
])("a disk at %s, which nobody can look at: %s, %s", async (file, kind, why) => {
  const source = file.replace("\t", "&#9;");
  const xml = `<domain><devices><disk type='file'><source file='${source}'/><target dev='vda'/></disk></devices></domain>`;
  const { disks } = await guestDevicesIn(xml, () => Promise.resolve(new MountPoints(TABLE)));
  expect(disks).toMatchObject([{ target: "vda", source: file, kind, why }]);
});

it("links are followed, up to where nobody is asked", async () => {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "mounts-")));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const at = (name: string): string => path.join(folder, name);
  symlinkSync("/srv/nfs", at("absolute"));
  symlinkSync("absolute/images", at("chain"));
  symlinkSync("../../../../../../../srv", at("up"));
  symlinkSync("round", at("round"));
  writeFileSync(at("disk"), "");
  symlinkSync("disk", at("plain"));
  // This machine's folder as the tables of others would have it.
  const mounts = new MountPoints(`${TABLE}60 22 0:50 / ${folder} rw - tmpfs tmpfs rw\n`);
  const types = await Promise.all(
    ["absolute/x", "chain/x", "up/nfs/x", "plain", "disk"].map((name) => mounts.typeOf(at(name))),
  );
  expect(types).toEqual(["nfs4", "nfs4", "nfs4", "tmpfs", "tmpfs"]);
  expect(await mounts.typeOf(at("round"))).toBeNull();
  expect(await mounts.typeOf(at("missing"))).toBeNull();
});
