/**
 * The domain's definitions as the migrate call hands them to the destination: asked of libvirt in the
 * form that migrates, with the secrets in it (a console's password would else be lost), the running
 * one and, of a persistent domain, the lasting one. Where nothing is to be changed libvirt makes its
 * own, and none is given. What is changed is destination-xml.ts's.
 */
import { type Domain, ErrorCode, LibvirtError, type MigrateParams, XmlFlag } from "libvirt";
import { destinationXml, listenAddresses } from "./destination-xml.ts";
import type { MigrateCall } from "../port.ts";
import { listenMap, reachableAddresses } from "./listen-map.ts";

const MIGRATABLE = XmlFlag.MIGRATABLE | XmlFlag.SECURE;

type Definitions = Pick<MigrateParams, "destination_xml" | "persistent_xml">;

/** **Fails**: LibvirtError, also where the XML cannot be changed as the caller wants. */
export async function definitionsFor(domain: Domain, call: MigrateCall): Promise<Definitions> {
  const running = await domain.getXml(MIGRATABLE);
  const lasting = call.persistent ? await domain.getXml(MIGRATABLE | XmlFlag.INACTIVE) : null;
  const both = lasting === null ? [running] : [running, lasting];
  try {
    const listened = both.flatMap(listenAddresses);
    const listen = await listenMap(listened, call.destinationHosts, reachableAddresses());
    const placement = call.placement ?? {};
    const changed = destinationXml(running, placement, listen);
    const changedLasting = lasting === null ? null : destinationXml(lasting, placement, listen);
    if (changed === null && changedLasting === null) return {};
    return {
      destination_xml: changed ?? running,
      ...(lasting === null ? {} : { persistent_xml: changedLasting ?? lasting }),
    };
  } catch (error) {
    // Without a wish of the caller's libvirt may as well take its own definition.
    if (call.placement === undefined) return {};
    const message = error instanceof Error ? error.message : String(error);
    const { XML_ERROR: code } = ErrorCode;
    throw new LibvirtError("destination_xml", { code, domain: 0, level: 2, message });
  }
}
