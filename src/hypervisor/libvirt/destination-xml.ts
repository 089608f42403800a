/**
 * A domain's XML as the destination needs it: with other CPUs and NUMA nodes if the caller names them,
 * and with another address wherever the guest listens on one of this host's own, which the destination
 * does not have. Everything else stays as libvirt wrote it, byte for byte.
 */
import type { Placement } from "../port.ts";
import {
  edited,
  elementsIn,
  type XmlAttribute,
  type XmlEdit,
  type XmlElement,
} from "./xml-elements.ts";

/** An address of this host, and the one that replaces it on the destination. */
export type ListenMap = ReadonlyMap<string, string>;

/** Every address or name that a device of the guest listens on, as written in the XML. */
export function listenAddresses(xml: string): readonly string[] {
  return listens(elementsIn(xml)).map(({ value }) => value);
}

/** The XML for the destination; null if nothing changes. **Fails**: Error if it is not well-formed. */
export function destinationXml(
  xml: string,
  { cpusets, numaNodesets }: Placement,
  listen: ListenMap,
): string | null {
  const elements = elementsIn(xml);
  const edits = [
    ...(cpusets === undefined ? [] : pinned(elements, cpusets.slice(0, maxVcpus(xml, elements)))),
    ...(numaNodesets === undefined ? [] : placed(elements, numaNodesets)),
    ...listens(elements).flatMap(({ value, start, end }) => {
      const text = listen.get(value);
      return text === undefined ? [] : [{ start, end, text }];
    }),
  ];
  const result = edited(xml, edits);
  return result === xml ? null : result;
}

function at(elements: readonly XmlElement[], path: string): readonly XmlElement[] {
  return elements.filter((element) => element.path === path);
}

/**
 * Where the guest listens: its consoles, and character devices that wait for a connection. The first
 * address of a console is given twice, as an attribute and as an element.
 */
function listens(elements: readonly XmlElement[]): readonly XmlAttribute[] {
  return elements.flatMap(({ path, attributes }) => {
    const found = listenAttribute(path, attributes);
    return found === undefined || found.value === "" ? [] : [found];
  });
}

const BOUND = /^domain\/devices\/.*\/source$/;

function listenAttribute(
  path: string,
  attributes: XmlElement["attributes"],
): XmlAttribute | undefined {
  if (path === "domain/devices/graphics") return attributes.get("listen");
  if (path === "domain/devices/graphics/listen") {
    return attributes.get("type")?.value === "address" ? attributes.get("address") : undefined;
  }
  const binds = BOUND.test(path) && attributes.get("mode")?.value === "bind";
  return binds ? attributes.get("host") : undefined;
}

/** A domain's permanent definition may have fewer vCPUs than are running now. */
function maxVcpus(xml: string, elements: readonly XmlElement[]): number {
  const [vcpu] = at(elements, "domain/vcpu");
  return vcpu === undefined ? 1 : Number(xml.slice(vcpu.contentStart, vcpu.contentEnd));
}

/** Replaces the vcpupin elements of `cputune`; its other elements stay. */
function pinned(elements: readonly XmlElement[], cpusets: readonly string[]): readonly XmlEdit[] {
  const pins = cpusets.map((cpuset, vcpu) => `<vcpupin vcpu='${vcpu}' cpuset='${cpuset}'/>`);
  const gone = at(elements, "domain/cputune/vcpupin").map(removed);
  return [...gone, insertInto(elements, "cputune", pins.join(""))];
}

/** Binds the guest's nodes to these nodes, in the mode that each had. */
function placed(elements: readonly XmlElement[], nodesets: readonly string[]): readonly XmlEdit[] {
  const before = at(elements, "domain/numatune/memnode");
  const modes = new Map(
    before.map(({ attributes }) => [
      attributes.get("cellid")?.value ?? "",
      attributes.get("mode")?.value ?? DEFAULT_MODE,
    ]),
  );
  const nodes = nodesets.map((nodeset, cell) => {
    const mode = modes.get(String(cell)) ?? DEFAULT_MODE;
    return `<memnode cellid='${cell}' mode='${mode}' nodeset='${nodeset}'/>`;
  });
  return [...before.map(removed), insertInto(elements, "numatune", nodes.join(""))];
}

/** libvirt's default. Source: libvirt's documentation of memnode. */
const DEFAULT_MODE = "strict";

function removed({ start, end }: XmlElement): XmlEdit {
  return { start, end, text: "" };
}

/** At the end of the domain's element of this name, which is added if there is none. */
function insertInto(elements: readonly XmlElement[], name: string, text: string): XmlEdit {
  const [element] = at(elements, `domain/${name}`);
  if (element === undefined) {
    const [domain] = at(elements, "domain");
    if (domain === undefined) throw new Error("XML: no domain element");
    const { contentEnd } = domain;
    return { start: contentEnd, end: contentEnd, text: `<${name}>${text}</${name}>` };
  }
  if (element.selfClosing) {
    return { start: element.start, end: element.end, text: `<${name}>${text}</${name}>` };
  }
  return { start: element.contentEnd, end: element.contentEnd, text };
}
