/**
 * The host's UUID as libvirt sees it: the firmware's, or host_uuid of its configuration. libvirt
 * compares it to refuse a migration to the host itself.
 */
import { elementsIn } from "./xml-elements.ts";

/** From the host's capabilities; null: they have none. **Fails**: Error if they are not well-formed. */
export function hostUuidIn(capabilitiesXml: string): string | null {
  const found = elementsIn(capabilitiesXml).find(({ path }) => path === "capabilities/host/uuid");
  if (found === undefined) return null;
  return capabilitiesXml.slice(found.contentStart, found.contentEnd).trim();
}
