/**
 * Who this daemon's host is: for a real one what the system says; for a simulated one its name in the
 * simulated world and the address at which its daemon listens, as several of them share one machine.
 */
import { hostname } from "node:os";
import type { OwnHost } from "../core/own-host.ts";
import { machineId } from "./machine-id.ts";
import { ownAddresses } from "./own-addresses.ts";

export interface ThisHost {
  /** For messages and files. */
  readonly name: string;
  /** Of the installation; null: there is none. */
  readonly machineId: string | null;
  /** As things are now: addresses come and go. */
  ownHost(): OwnHost;
}

export function realHost(): ThisHost {
  const name = hostname();
  return {
    name,
    machineId: machineId(),
    ownHost: () => ({ name, addresses: ownAddresses(), ownsLoopback: true }),
  };
}

/** `address`: of its daemon; "" has none. */
export function simulatedHost(name: string, address: string): ThisHost {
  const addresses = address === "" ? [] : [{ address, interfaceName: "simulated", scopeId: 0 }];
  return { name, machineId: null, ownHost: () => ({ name, addresses, ownsLoopback: false }) };
}
