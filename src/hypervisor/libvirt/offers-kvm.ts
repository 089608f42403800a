/**
 * Whether a host's capabilities, as libvirt describes them, include KVM. libvirt asks QEMU, which can
 * open the device even if this process cannot (systemd's PrivateDevices hides it).
 */
import { elementsIn } from "./xml-elements.ts";

/** **Fails**: Error if it is not well-formed. */
export function offersKvm(capabilitiesXml: string): boolean {
  return elementsIn(capabilitiesXml).some(
    ({ path, attributes }) =>
      path === "capabilities/guest/arch/domain" && attributes.get("type")?.value === "kvm",
  );
}
