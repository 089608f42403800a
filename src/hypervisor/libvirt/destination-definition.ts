/**
 * The domain's definitions as the migrate call passes them to the destination: libvirt's migratable
 * XML with its secrets (without them a console would lose its password), of the running domain and, if
 * it is persistent, of its permanent definition. If nothing is to be changed none is passed, and
 * libvirt uses its own. destination-xml.ts decides what changes.
 */
import { type Domain, ErrorCode, LibvirtError, type MigrateParams, XmlFlag } from "libvirt";
import { destinationXml, listenAddresses } from "./destination-xml.ts";
import type { MigrateCall } from "../port.ts";
import { listenMap, reachableAddresses } from "./listen-map.ts";
import { messageOf } from "../../errors.ts";

const MIGRATABLE = XmlFlag.MIGRATABLE | XmlFlag.SECURE;

type Definitions = Pick<MigrateParams, "destination_xml" | "persistent_xml">;

/** **Fails**: LibvirtError, also if the XML cannot be changed as the caller wants. */
export async function definitionsFor(domain: Domain, call: MigrateCall): Promise<Definitions> {
  const running = await domain.getXml(MIGRATABLE);
  const permanent = call.persistent ? await domain.getXml(MIGRATABLE | XmlFlag.INACTIVE) : null;
  const both = permanent === null ? [running] : [running, permanent];
  try {
    const listened = both.flatMap(listenAddresses);
    const listen = await listenMap(listened, call.destinationHosts, reachableAddresses());
    const placement = call.placement ?? {};
    const changed = destinationXml(running, placement, listen);
    const changedPermanent =
      permanent === null ? null : destinationXml(permanent, placement, listen);
    if (changed === null && changedPermanent === null) return {};
    return {
      destination_xml: changed ?? running,
      ...(permanent === null ? {} : { persistent_xml: changedPermanent ?? permanent }),
    };
  } catch (error) {
    // If the caller wants no placement, libvirt's own definition will do.
    if (call.placement === undefined) return {};
    const message = messageOf(error);
    const { XML_ERROR: code } = ErrorCode;
    throw new LibvirtError("destination_xml", { code, domain: 0, level: 2, message });
  }
}
