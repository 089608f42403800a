/**
 * A lab guest: a domain that runs the kernel of guest/, and its serial output. Each host keeps its
 * own serial file for the guest, at the same path, so together the files hold every count that the
 * guest ever printed, and where.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type {
  CounterDeadline,
  CounterReading,
  DomainEntry,
  Guest,
  GuestOptions,
  Host,
} from "./api.ts";
import { GUEST_KERNEL_PATH } from "./host-config.ts";
import { readSerial, unbrokenFault } from "./serial.ts";
import { until } from "./until.ts";

const PAGES_PER_MIB = 256;
const TICK_MS = 10;
const DEFAULT_MEMORY_MIB = 48;
/** Taken by the guest's kernel and the firmware; the rest is for the working set. */
const RESERVED_MIB = 8;
const COUNTER_DEADLINE_MS = 10_000;

function serialPath(uuid: string): string {
  return `/var/log/libvirt/qemu/serial-${uuid}.log`;
}

function kernelParameters(options: GuestOptions): string {
  const workingSetMiB = options.workingSetMiB ?? 0;
  const filledMiB = options.filledMiB ?? workingSetMiB;
  const mostMiB = (options.memoryMiB ?? DEFAULT_MEMORY_MIB) - RESERVED_MIB;
  if (Math.max(workingSetMiB, filledMiB) > mostMiB) {
    throw new RangeError(`workingSetMiB and filledMiB are at most ${mostMiB} in this guest`);
  }
  const pages = (mib: number): number => Math.round(mib * PAGES_PER_MIB);
  const ticks = (ms: number): number => Math.round(ms / TICK_MS);
  const parameters: Record<string, number> = {
    ws: pages(workingSetMiB),
    rate: Math.round(options.ratePagesPerSecond ?? 0),
    fill: pages(filledMiB),
    shrink: options.shrinkPercent ?? 0,
    every: ticks(options.shrinkEveryMs ?? 0),
    after: ticks(options.shrinkAfterMs ?? 0),
    floor: pages(options.shrinkFloorMiB ?? 0),
  };
  return Object.entries(parameters)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

function description({ descriptionKiB = 0 }: GuestOptions): string {
  const text = "about this guest ".repeat(descriptionKiB * 64).slice(0, descriptionKiB * 1024);
  return text === "" ? "" : `\n  <description>${text}</description>`;
}

function domainXml(name: string, uuid: string, options: GuestOptions): string {
  return `<domain type='qemu'>
  <name>${name}</name>
  <uuid>${uuid}</uuid>${description(options)}
  <memory unit='MiB'>${options.memoryMiB ?? DEFAULT_MEMORY_MIB}</memory>
  <vcpu>${options.vcpus ?? 1}</vcpu>${options.domainXml ?? ""}${options.preservedOnPanic === true ? "\n  <on_crash>preserve</on_crash>" : ""}
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${GUEST_KERNEL_PATH}</kernel>
    <cmdline>${kernelParameters(options)}</cmdline>
  </os>${options.sleeps === true ? "\n  <features><acpi/></features>" : ""}
  <devices>
    <controller type='usb' model='none'/>
    <serial type='file'><source path='${serialPath(uuid)}' append='on'/></serial>
    <memballoon model='none'/>${options.preservedOnPanic === true ? "\n    <panic model='isa'/>" : ""}${options.devicesXml ?? ""}
  </devices>
</domain>
`;
}

function ignoreGone(result: { readonly status: number; readonly stderr: string }): void {
  const gone = /domain not found|failed to get domain|domain is not running|no domain/i;
  if (result.status !== 0 && !gone.test(result.stderr)) throw new Error(result.stderr);
}

/** "" if there is no such file: the guest was never on that host, or has left it. */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}

/** A guest that libvirt does not know yet; `allHosts` are those where it may be found. */
export function makeGuest(allHosts: readonly Host[], options: GuestOptions): Guest {
  const uuid = options.uuid ?? randomUUID();
  const name = options.name ?? `guest-${uuid.slice(0, 8)}`;
  return new LabGuest(allHosts, name, uuid, domainXml(name, uuid, options));
}

class LabGuest implements Guest {
  readonly name: string;
  readonly uuid: string;
  readonly xml: string;
  readonly #hosts: readonly Host[];

  constructor(hosts: readonly Host[], name: string, uuid: string, xml: string) {
    this.#hosts = hosts;
    this.name = name;
    this.uuid = uuid;
    this.xml = xml;
  }

  #serialOn(host: Host): string {
    return readIfThere(host.outsidePath(serialPath(this.uuid)));
  }

  #lastCountOn(host: Host): number {
    return Math.max(0, ...readSerial(this.#serialOn(host)).counts.slice(-2));
  }

  counter(): CounterReading {
    let best: CounterReading = { value: 0, hostName: undefined };
    for (const host of this.#hosts) {
      const value = this.#lastCountOn(host);
      if (value > best.value) best = { value, hostName: host.name };
    }
    return best;
  }

  counterAdvances(options: CounterDeadline = {}): Promise<CounterReading> {
    const target = this.counter().value + (options.by ?? 3);
    const { on } = options;
    return until(
      () => {
        const now = this.counter();
        return now.value >= target && (on === undefined || on.name === now.hostName)
          ? now
          : undefined;
      },
      options.deadlineMs ?? COUNTER_DEADLINE_MS,
      () => {
        const { value, hostName = "no host" } = this.counter();
        const wanted = on === undefined ? "" : ` on ${on.name}`;
        return `${this.name} to count to ${target}${wanted}; it is at ${value} on ${hostName}`;
      },
    );
  }

  assertUnbroken(): void {
    // The first reading sets the limit: what was printed by then is in every file of the second.
    const { value } = this.counter();
    const fault = unbrokenFault(
      this.#hosts.map((host) => this.#serialOn(host)),
      value,
    );
    if (fault !== undefined) throw new Error(`${this.name}: ${fault}`);
  }

  async residence(): Promise<readonly Host[]> {
    const listed = await Promise.all(
      this.#hosts.map(async (host): Promise<readonly DomainEntry[]> => host.domains()),
    );
    return this.#hosts.filter((_, i) => listed[i]?.some((domain) => domain.uuid === this.uuid));
  }

  qemuPid(host: Host): number | undefined {
    const file = host.outsidePath(`/run/libvirt/qemu/${this.name}.pid`);
    const text = readIfThere(file);
    return text === "" ? undefined : Number(text);
  }

  async #signalQemu(host: Host, signal: string): Promise<void> {
    const pid = this.qemuPid(host);
    if (pid === undefined) throw new Error(`${this.name} has no QEMU on ${host.name}`);
    await host.exec("sh", ["-c", 'kill -s "$1" "$2"', "kill", signal, String(pid)]);
  }

  stopQemu(host: Host): Promise<void> {
    return this.#signalQemu(host, "STOP");
  }

  contQemu(host: Host): Promise<void> {
    return this.#signalQemu(host, "CONT");
  }

  killQemu(host: Host): Promise<void> {
    return this.#signalQemu(host, "KILL");
  }

  async remove(): Promise<void> {
    for (const host of this.#hosts) {
      const known = await host.domains();
      const domain = known.find((entry) => entry.uuid === this.uuid);
      if (domain === undefined) continue;
      if (domain.state !== "shut off")
        ignoreGone(await host.tryExec("virsh", ["destroy", this.uuid]));
      if (domain.persistent) ignoreGone(await host.tryExec("virsh", ["undefine", this.uuid]));
    }
  }
}
