/** Whether a host has KVM, in libvirt's own words about it. */

import { expect, it } from "vitest";
import { offersKvm } from "../../../src/hypervisor/libvirt/offers-kvm.ts";

const guest = (arch: string, ...types: readonly string[]): string => `
  <guest>
    <os_type>hvm</os_type>
    <arch name='${arch}'>
      <wordsize>64</wordsize>
      <emulator>/usr/bin/qemu-system-${arch}</emulator>
      <machine maxCpus='255'>pc</machine>
      ${types.map((type) => `<domain type='${type}'/>`).join("\n      ")}
    </arch>
  </guest>`;
const host = "<host><cpu><arch>x86_64</arch></cpu><iommu support='no'/></host>";
const capabilities = (...guests: readonly string[]): string =>
  `<capabilities>\n\n  ${host}\n${guests.join("")}\n</capabilities>\n`;

it.each<[string, string, boolean]>([
  ["QEMU alone", capabilities(guest("x86_64", "qemu")), false],
  ["QEMU and KVM", capabilities(guest("i686", "qemu", "kvm"), guest("x86_64", "qemu")), true],
  [
    "a domain with an emulator of its own",
    capabilities(
      guest("x86_64", "qemu").replace(
        "</arch>",
        "<domain type='kvm'><emulator>/usr/bin/qemu-kvm</emulator></domain></arch>",
      ),
    ),
    true,
  ],
  ["no guests", capabilities(), false],
  ["a word in a comment", capabilities("<!-- <domain type='kvm'/> -->"), false],
])("%s: %s", (_what, xml, expected) => {
  expect(offersKvm(xml)).toBe(expected);
});
