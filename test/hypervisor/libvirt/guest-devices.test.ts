/** What ties a guest to its host, by libvirt's own rule of safety, from XML as libvirt writes it. */
import { describe, expect, it } from "vitest";
import { guestDevicesIn } from "../../../src/hypervisor/libvirt/guest-devices.ts";

/** A file of this machine: on a file system of its own, or on an overlay, never on a shared one. */
const HERE = import.meta.filename;

async function disk(type: string, inner: string) {
  const xml = `<domain><devices><disk type='${type}' device='disk'>${inner}<target dev='vda' bus='virtio'/></disk></devices></domain>`;
  const { disks } = await guestDevicesIn(xml);
  return disks[0];
}

describe("a disk", () => {
  it.each<[string, string, string, string]>([
    ["without a medium", "file", "", "safe"],
    ["that is read-only", "file", `<source file='${HERE}'/><readonly/>`, "safe"],
    ["on this host's file system", "file", `<source file='${HERE}'/>`, "local"],
    ["that is not there", "file", "<source file='/no/such/disk'/>", "unknown"],
    [
      "of a network storage",
      "network",
      "<source protocol='rbd' name='p/v'><host name='h'/></source>",
      "safe",
    ],
    ["of the block layer", "block", "<source dev='/dev/vg/lv'/>", "safe"],
    [
      "of NVMe",
      "nvme",
      "<source type='pci' namespace='1'><address domain='0x0000'/></source>",
      "local",
    ],
    ["of a pool", "volume", "<source pool='p' volume='v'/>", "unknown"],
  ])("%s", async (_name, type, inner, kind) => {
    expect(await disk(type, inner)).toMatchObject({ target: "vda", kind });
  });

  it("is judged by its own source, not by that of its backing chain", async () => {
    const chain = `<source protocol='nbd' name='x'/><backingStore type='file'><source file='${HERE}'/></backingStore>`;
    expect(await disk("network", chain)).toMatchObject({ kind: "safe", source: "x" });
  });
});

it("a guest without any has none", async () => {
  expect(await guestDevicesIn("<domain><devices/></domain>")).toEqual({
    disks: [],
    hostDevices: [],
  });
});

it("devices of the host are named by their kind", async () => {
  const xml =
    "<domain><devices><hostdev mode='subsystem' type='pci'/><interface type='hostdev'/><interface type='bridge'/></devices></domain>";
  expect((await guestDevicesIn(xml)).hostDevices).toEqual(["pci device", "interface"]);
});
