/** What the daemon needs to know of a domain's XML: its consoles, and its number of NUMA nodes. */
import type { VmDetails } from "../port.ts";
import { elementsIn, type XmlElement } from "./xml-elements.ts";

/** Empty for XML that cannot be parsed, which libvirt never writes. Never throws. */
export function devicesIn(xml: string): Pick<VmDetails, "graphics" | "numaNodes"> {
  let elements: readonly XmlElement[];
  try {
    elements = elementsIn(xml);
  } catch {
    return { graphics: [], numaNodes: 0 };
  }
  const at = (path: string): readonly XmlElement[] =>
    elements.filter((element) => element.path === path);
  return {
    graphics: at("domain/devices/graphics").map(({ attributes }) => {
      const type = attributes.get("type")?.value;
      return type === "spice" || type === "vnc" ? type : "other";
    }),
    numaNodes: at("domain/cpu/numa/cell").length,
  };
}
