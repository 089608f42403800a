/**
 * The host's UUID as libvirt has it: the firmware's, or host_uuid of its configuration. It is what
 * libvirt compares to tell that a migration would go to its own host.
 */
import { elementsIn } from "./xml-elements.ts";

/** From the host's capabilities; null: they hold none. **Fails**: Error for what is not well-formed. */
export function hostUuidIn(capabilitiesXml: string): string | null {
  const found = elementsIn(capabilitiesXml).find(({ path }) => path === "capabilities/host/uuid");
  if (found === undefined) return null;
  return capabilitiesXml.slice(found.contentStart, found.contentEnd).trim();
}
