/**
 * A domain's XML for another host: what is changed, and that nothing else is, to the byte. The
 * documents are written as libvirt writes them, with what a hostile or odd one may hold.
 */
import { describe, expect, it } from "vitest";
import {
  destinationXml,
  listenAddresses,
} from "../../../src/hypervisor/libvirt/destination-xml.ts";
import { devicesIn } from "../../../src/hypervisor/libvirt/devices.ts";
import { listenMap, listenMapAmong } from "../../../src/hypervisor/libvirt/listen-map.ts";
import { edited, elementsIn } from "../../../src/hypervisor/libvirt/xml-elements.ts";

const NO_LISTEN = new Map<string, string>();
const MOVED = new Map([["10.0.0.1", "10.0.0.2"]]);

/** What a parser that writes anew would change: all of it stays. */
const ODD = `
  <metadata>
    <app:note xmlns:app="http://example.org/&quot;app&quot;" at='a > b'>
      <![CDATA[<cputune><vcpupin vcpu='9' cpuset='9'/></cputune><graphics listen='10.0.0.1'/>]]>
    </app:note>
    <!-- <cputune> <listen type='address' address='10.0.0.1'/> -->
    <cputune><vcpupin vcpu='0' cpuset='7'/></cputune>
  </metadata>
  <title>a &amp; b &#x2014; c&#10;</title>`;
const QEMU = `
  <qemu:commandline>
    <qemu:arg value='-set'/>
    <qemu:env name='graphics' value='10.0.0.1'/>
  </qemu:commandline>`;

function domain(inner: string, vcpu = "<vcpu placement='static'>2</vcpu>"): string {
  return `<?xml version='1.0'?>
<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>vm</name>${ODD}
  ${vcpu}${inner}${QEMU}
</domain>
`;
}

describe("pinning", () => {
  it("takes the place of the pinning that there is, and of nothing else in cputune", () => {
    const before = domain(
      "<cputune><shares>9</shares><vcpupin vcpu='0' cpuset='4'/><emulatorpin cpuset='1'/><vcpupin vcpu='1' cpuset='5'></vcpupin></cputune>",
    );
    expect(destinationXml(before, { cpusets: ["0-3,^2", "6"] }, NO_LISTEN)).toBe(
      domain(
        "<cputune><shares>9</shares><emulatorpin cpuset='1'/><vcpupin vcpu='0' cpuset='0-3,^2'/><vcpupin vcpu='1' cpuset='6'/></cputune>",
      ),
    );
  });

  it.each([
    ["where there is none", "", "\n"],
    ["where cputune is empty", "<cputune/>", ""],
  ])("%s", (_name, inner, after) => {
    const before = domain(inner);
    const result = destinationXml(before, { cpusets: ["1", "2"] }, NO_LISTEN);
    const cputune =
      "<cputune><vcpupin vcpu='0' cpuset='1'/><vcpupin vcpu='1' cpuset='2'/></cputune>";
    expect(result).toBe(
      inner === ""
        ? before.replace(`${after}</domain>`, `${after}${cputune}</domain>`)
        : before.replace(inner, cputune),
    );
  });

  it("does not name more vCPUs than the definition has at most", () => {
    const before = domain("<cputune/>", "<vcpu>1</vcpu>");
    expect(destinationXml(before, { cpusets: ["1", "2"] }, NO_LISTEN)).toBe(
      domain("<cputune><vcpupin vcpu='0' cpuset='1'/></cputune>", "<vcpu>1</vcpu>"),
    );
  });
});

describe("NUMA nodes", () => {
  it("keep the mode that each had", () => {
    const before = domain(
      "<numatune><memory mode='strict' nodeset='0-1'/><memnode cellid='1' mode='preferred' nodeset='1'/></numatune>",
    );
    expect(destinationXml(before, { numaNodesets: ["0", "0,2"] }, NO_LISTEN)).toBe(
      domain(
        "<numatune><memory mode='strict' nodeset='0-1'/><memnode cellid='0' mode='strict' nodeset='0'/><memnode cellid='1' mode='preferred' nodeset='0,2'/></numatune>",
      ),
    );
  });
});

describe("an address to listen on", () => {
  it("becomes the destination's wherever something listens on it, and nowhere else", () => {
    const inner = (address: string) => `<devices>
    <graphics type='vnc' port='5900' listen='${address}' passwd='10.0.0.1'>
      <listen type='address' address="${address}"/>
      <listen type='network' address='10.0.0.1' network='default'/>
    </graphics>
    <graphics type='spice' listen='0.0.0.0'><listen type='address' address='0.0.0.0'/></graphics>
    <serial type='tcp'><source mode='bind' host='${address}' service='4000' tls='no'/></serial>
    <serial type='tcp'><source mode='connect' host='10.0.0.1' service='4000'/></serial>
    <rng model='virtio'><backend model='egd' type='tcp'><source mode='bind' host='${address}' service='1'/></backend></rng>
    <disk type='network'><source protocol='nbd'><host name='10.0.0.1'/></source></disk>
  </devices>`;
    expect(destinationXml(domain(inner("10.0.0.1")), {}, MOVED)).toBe(domain(inner("10.0.0.2")));
  });

  it("is found wherever it stands, an address or a name", () => {
    const inner =
      "<devices><graphics type='vnc' listen='::1'/><graphics type='vnc' listen='host-a'/><graphics type='vnc' socket='/x'/></devices>";
    expect(listenAddresses(domain(inner))).toEqual(["::1", "host-a"]);
  });
});

it("nothing to be changed is null: libvirt makes its own", () => {
  const same = domain("<cputune><vcpupin vcpu='0' cpuset='4'/></cputune>");
  expect(destinationXml(same, {}, MOVED)).toBeNull();
});

describe("listenMapAmong", () => {
  const own = [{ text: "10.0.0.1", own: { address: "10.0.0.1", prefixLength: 24 } }];
  it.each<[string, string[], string | undefined]>([
    ["one in its own network", ["192.168.7.2", "10.0.0.9"], "10.0.0.9"],
    ["else the first of its family", ["fe80::2", "192.168.7.2", "172.16.0.2"], "192.168.7.2"],
    ["else the first", ["2001:db8::2"], "2001:db8::2"],
    ["none where none is known", [], undefined],
  ])("%s", (_name, there, expected) => {
    expect(listenMapAmong(own, there).get("10.0.0.1")).toBe(expected);
  });
});

describe("listenMap", () => {
  const own = [
    { address: "10.0.0.1", prefixLength: 24 },
    { address: "2001:db8::1", prefixLength: 64 },
  ];
  it.each<[string, string, string | undefined]>([
    ["an own address", "10.0.0.1", "10.0.0.2"],
    ["in another spelling", "2001:DB8:0::1", "10.0.0.2"],
    ["mapped into IPv6", "::ffff:10.0.0.1", "10.0.0.2"],
    ["another host's", "10.0.0.3", undefined],
    ["every address", "0.0.0.0", undefined],
    ["loopback, by name", "localhost", undefined],
  ])("%s", async (_name, text, expected) => {
    const map = await listenMap([text], ["10.0.0.2"], own);
    expect(map.get(text)).toBe(expected);
  });

  it("a name that resolves to an own address", async () => {
    const loopback = [{ address: "127.0.0.1", prefixLength: 8 }];
    const map = await listenMap(["localhost"], ["10.0.0.2"], loopback);
    expect(map.get("localhost")).toBe("10.0.0.2");
  });
});

describe("elementsIn", () => {
  it("finds attributes in either quotes, with entities, where they stand", () => {
    const xml = `<a x="1 > 0" y='&lt;&#65;&#x42;'><b z = "q"/></a>`;
    const [a, b] = elementsIn(xml);
    expect(a?.attributes.get("x")?.value).toBe("1 > 0");
    expect(a?.attributes.get("y")?.value).toBe("<AB");
    const z = b?.attributes.get("z");
    expect(xml.slice(z?.start, z?.end)).toBe("q");
    expect(b).toMatchObject({ path: "a/b", selfClosing: true });
  });

  it.each(["<a>", "</a>", "<a></b>", "<a", "<a x=1/>", "<!-- ", "<a><![CDATA[</a>", "<a b='<'/>"])(
    "%s is not well-formed",
    (xml) => expect(() => elementsIn(xml)).toThrow(/^XML/),
  );

  it("edits keep the rest", () => {
    const edits = [
      { start: 3, end: 4, text: "D" },
      { start: 0, end: 1, text: "A" },
    ];
    expect(edited("abcd", edits)).toBe("AbcD");
  });
});

it("devicesIn: consoles in their order, and NUMA nodes; nothing of what cannot be read", () => {
  const xml = domain(
    "<cpu><numa><cell id='0'/><cell id='1'/></numa></cpu><devices><graphics type='vnc'/><graphics type='spice'/><graphics type='egl-headless'/></devices>",
  );
  expect(devicesIn(xml)).toEqual({ graphics: ["vnc", "spice", "other"], numaNodes: 2 });
  expect(devicesIn("<domain")).toEqual({ graphics: [], numaNodes: 0 });
});
