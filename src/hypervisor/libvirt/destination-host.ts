/**
 * A look at another host's libvirt, over a connection of the daemon's own to the URI at which this
 * host's libvirt would reach it: what answers there, and whether the guest's CPU is available. The
 * connection is closed at once; nothing there is changed.
 */
import { CompareCpuFlag, type Connection } from "libvirt";
import type { Finding } from "../../core/migrate-check.ts";
import type { CallResult, DestinationHost } from "../port.ts";
import { messageOf, openConnection, resultOf } from "./connections.ts";
import { cpuComparison, versionText } from "./translate/host.ts";
import { elementsIn, type XmlElement } from "./xml-elements.ts";

export interface GuestXml {
  readonly domainXml: string;
  /** Of this host. */
  readonly capabilitiesXml: string;
}

const LOOK_DEADLINE_MS = 5_000;
/** A host that swallows packets occupies a thread for two minutes. */
const LOOKS_MAX = 4;

export class DestinationHosts {
  /** Looks that have not ended. */
  #out = 0;

  /** Never rejects. `here`: what is to be compared there. */
  async look(
    uri: string,
    here: () => Promise<CallResult<GuestXml>>,
  ): Promise<CallResult<DestinationHost>> {
    if (this.#out >= LOOKS_MAX) return { kind: "busy" };
    this.#out += 1;
    const looked = lookAt(uri, here).finally(() => {
      this.#out -= 1;
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<CallResult<DestinationHost>>((resolve) => {
      timer = setTimeout(() => resolve({ kind: "noAnswer" }), LOOK_DEADLINE_MS);
    });
    return Promise.race([looked, late]).finally(() => clearTimeout(timer));
  }
}

async function lookAt(
  uri: string,
  here: () => Promise<CallResult<GuestXml>>,
): Promise<CallResult<DestinationHost>> {
  const [opened, guest] = await Promise.all([opening(uri), here()]);
  if (!("connection" in opened)) return opened;
  const { connection } = opened;
  try {
    return await resultOf(factsOf(connection, guest), () => false);
  } finally {
    // It never rejects, and calls in flight end by themselves.
    void connection.close();
  }
}

async function opening(
  uri: string,
): Promise<{ connection: Connection } | { kind: "disconnected"; message: string }> {
  try {
    return { connection: await openConnection(uri) };
  } catch (error) {
    return { kind: "disconnected", message: messageOf(error) };
  }
}

async function factsOf(
  connection: Connection,
  guest: CallResult<GuestXml>,
): Promise<DestinationHost> {
  return {
    hostName: await connection.hostname(),
    libvirtVersion: versionText(await connection.libVersion()),
    hypervisorVersion: versionText(await connection.version()),
    cpu:
      guest.kind === "ok"
        ? await cpuFinding(connection, guest.value)
        : { ok: null, detail: "this host's libvirt does not provide the domain's XML" },
  };
}

async function cpuFinding(connection: Connection, guest: GuestXml): Promise<Finding> {
  const hosts = await hostsCpu(connection, guest.capabilitiesXml);
  const domain = elementsIn(guest.domainXml);
  const [cpu] = at(domain, "domain/cpu");
  if (cpu === undefined) return { ok: null, detail: `the guest's XML names no CPU; ${hosts.text}` };
  const mode = cpu.attributes.get("mode")?.value ?? "custom";
  if (mode !== "custom") {
    // The guest has this host's own CPU.
    return { ok: hosts.same ? true : null, detail: `the guest's CPU is ${mode}; ${hosts.text}` };
  }
  const xml = guest.domainXml.slice(cpu.start, cpu.end);
  const [type] = at(domain, "domain/os/type");
  const kind = {
    virtType: at(domain, "domain")[0]?.attributes.get("type")?.value,
    arch: type?.attributes.get("arch")?.value,
    machine: type?.attributes.get("machine")?.value,
  };
  const compared = await cpuComparison(
    connection.compareHypervisorCpu(xml, kind, CompareCpuFlag.FAIL_INCOMPATIBLE),
  );
  switch (compared.kind) {
    case "fits":
      return { ok: true, detail: `the guest's CPU is available there; ${hosts.text}` };
    case "differs":
      return { ok: false, detail: `the guest's CPU is not available there: ${compared.why}` };
    case "unknown":
      return { ok: null, detail: `libvirt there cannot compare CPUs: ${compared.why}` };
  }
}

async function hostsCpu(
  connection: Connection,
  capabilitiesXml: string,
): Promise<{ readonly same: boolean; readonly text: string }> {
  const [cpu] = at(elementsIn(capabilitiesXml), "capabilities/host/cpu");
  if (cpu === undefined) return { same: false, text: "libvirt does not know this host's CPU" };
  const xml = capabilitiesXml.slice(cpu.start, cpu.end);
  const compared = await cpuComparison(
    connection.compareCpu(xml, CompareCpuFlag.FAIL_INCOMPATIBLE),
  );
  switch (compared.kind) {
    case "fits":
      return compared.identical
        ? { same: true, text: "the hosts' CPUs are the same" }
        : { same: true, text: "the destination's CPU has every feature of this host's, and more" };
    case "differs":
      return { same: false, text: `the hosts' CPUs differ: ${compared.why}` };
    case "unknown":
      return { same: false, text: `the hosts' CPUs were not compared: ${compared.why}` };
  }
}

function at(elements: readonly XmlElement[], path: string): readonly XmlElement[] {
  return elements.filter((element) => element.path === path);
}
