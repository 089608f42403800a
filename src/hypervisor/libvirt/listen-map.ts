/**
 * Which address of the destination replaces which of this host's: one in the same network if any is
 * known there, otherwise that of its daemon. Names are resolved; an address of the same family is
 * preferred.
 */
import { BlockList, isIP } from "node:net";
import { canonicalIp } from "../../core/ip.ts";
import { ownAddresses, type OwnInterfaceAddress } from "../../host/own-addresses.ts";
import { resolver } from "../../host/resolver.ts";
import type { ListenMap } from "./destination-xml.ts";

/** If the resolver takes longer, the address stays as it is and the migration goes on. */
const RESOLVE_MS = 5_000;

type Own = Pick<OwnInterfaceAddress, "address" | "prefixLength">;

/** What a device listens on, as written in the XML, and which address of this host that is. */
export interface OwnListen {
  readonly text: string;
  readonly own: Own;
}

/** Where this host can be reached: not loopback, not link-local. */
export function reachableAddresses(): readonly Own[] {
  return ownAddresses().filter(
    ({ internal, address }) => !internal && !address.toLowerCase().startsWith("fe80:"),
  );
}

/**
 * `listened`: addresses and names in any spelling. `hosts`: names or addresses of the
 * destination, its daemon's first. Never rejects.
 */
export async function listenMap(
  listened: readonly string[],
  hosts: readonly string[],
  own: readonly Own[],
): Promise<ListenMap> {
  const found = await Promise.all(listened.map((text) => ownListen(text, own)));
  const affected = found.filter((each) => each !== null);
  if (affected.length === 0) return new Map();
  const there = (await Promise.all(hosts.map(addressesOf))).flat();
  return listenMapAmong(affected, there);
}

async function ownListen(text: string, own: readonly Own[]): Promise<OwnListen | null> {
  const addresses = isIP(text) === 0 ? await addressesOf(text) : [text];
  const spelled = new Set(addresses.map(canonicalIp));
  const found = own.find(({ address }) => spelled.has(canonicalIp(address)));
  return found === undefined ? null : { text, own: found };
}

/** `there`: addresses of the destination, best first. Pure. */
export function listenMapAmong(
  affected: readonly OwnListen[],
  there: readonly string[],
): ListenMap {
  return new Map(
    affected.flatMap(({ text, own }) => {
      const near = there.find((each) => isInNetwork(each, own));
      const alike = there.find((each) => isIP(each) === isIP(own.address));
      const found = near ?? alike ?? there[0];
      return found === undefined ? [] : [[text, found] as const];
    }),
  );
}

function isInNetwork(address: string, { address: own, prefixLength }: Own): boolean {
  const family = isIP(address);
  if (family === 0 || family !== isIP(own)) return false;
  const type = family === 6 ? "ipv6" : "ipv4";
  const network = new BlockList();
  network.addSubnet(own, prefixLength, type);
  return network.check(address, type);
}

async function addressesOf(host: string): Promise<readonly string[]> {
  // A scope is this host's own name of one of its links.
  if (isIP(host) !== 0) return host.includes("%") ? [] : [host];
  const resolved = await resolver.resolve(host, AbortSignal.timeout(RESOLVE_MS));
  return resolved.kind === "found" ? resolved.all.map(({ address }) => address) : [];
}
