/**
 * Which hypervisor the configuration chooses. libvirt's binding is loaded only where it is wanted: a
 * simulated host needs no libvirt.
 */
import { systemClock } from "./clock.ts";
import type { Config } from "./config/config.ts";
import { secondsToMs } from "./core/units.ts";
import { realHost, simulatedHost, type ThisHost } from "./host/this-host.ts";
import type { Hypervisor } from "./hypervisor/port.ts";
import type { Log } from "./logger.ts";

export interface ChosenHypervisor {
  readonly hypervisor: Hypervisor;
  /** As it stands in messages, after the configuration key. Example: `libvirt.uri: "qemu:///system"`. */
  readonly name: string;
}

/** `config`: now, as a reload may have changed it. Rejects if a scenario cannot be used. */
export async function createHypervisor(config: () => Config, log: Log): Promise<ChosenHypervisor> {
  const callTimeoutMs = (): number => secondsToMs(config().libvirt.call_timeout);
  switch (config().hypervisor.kind) {
    case "libvirt":
      return await onLibvirt(config().libvirt.uri, callTimeoutMs, log);
    case "simulated":
      return await onSimulation(config().hypervisor, callTimeoutMs, log);
  }
}

async function onLibvirt(
  uri: string,
  callTimeoutMs: () => number,
  log: Log,
): Promise<ChosenHypervisor> {
  const { LibvirtHypervisor } = await import("./hypervisor/libvirt/hypervisor.ts");
  return {
    hypervisor: new LibvirtHypervisor({ uri, callTimeoutMs }, systemClock, log),
    name: `libvirt.uri: "${uri}"`,
  };
}

async function onSimulation(
  { host, scenario, world_socket: socket }: Config["hypervisor"],
  callTimeoutMs: () => number,
  log: Log,
): Promise<ChosenHypervisor> {
  log.warn({ host }, "SIMULATED: no guest of this host is real");
  const { SimulatedHypervisor } = await import("./hypervisor/simulated/hypervisor.ts");
  if (socket !== "") {
    const { WorldClient } = await import("./hypervisor/simulated/world-client.ts");
    return {
      hypervisor: new SimulatedHypervisor(new WorldClient(socket, host), callTimeoutMs),
      name: `hypervisor.world_socket: "${socket}"`,
    };
  }
  const { liveWorldOf } = await import("./hypervisor/simulated/scenario-file.ts");
  const { LocalLink } = await import("./hypervisor/simulated/live-world.ts");
  const world = liveWorldOf(scenario, systemClock);
  return {
    hypervisor: new SimulatedHypervisor(new LocalLink(world, host), callTimeoutMs),
    name: `hypervisor.scenario: "${scenario}"`,
  };
}

export function thisHostOf({ hypervisor, addresses }: Config): ThisHost {
  switch (hypervisor.kind) {
    case "libvirt":
      return realHost();
    case "simulated":
      return simulatedHost(hypervisor.host, addresses.management_ip);
  }
}
