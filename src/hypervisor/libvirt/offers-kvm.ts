/**
 * Whether a host's capabilities, as libvirt describes them, have KVM: libvirt asks QEMU, which can open
 * the device where this process may not (systemd's PrivateDevices hides it).
 */
import { elementsIn } from "./xml-elements.ts";

/** **Fails**: Error for what is not well-formed. */
export function offersKvm(capabilitiesXml: string): boolean {
  return elementsIn(capabilitiesXml).some(
    ({ path, attributes }) =>
      path === "capabilities/guest/arch/domain" && attributes.get("type")?.value === "kvm",
  );
}
