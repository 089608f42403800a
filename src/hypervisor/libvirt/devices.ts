/** What of a domain's XML the daemon has to know: its consoles, and how many NUMA nodes it has. */
import type { VmDetails } from "../port.ts";
import { elementsIn, type XmlElement } from "./xml-elements.ts";

/** Nothing of what cannot be read; libvirt writes it itself. Never throws. */
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
