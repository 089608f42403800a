/**
 * Whether a destination is this host itself, by its name or by an address. Names are compared as they
 * stand; what a name resolves to is asked elsewhere and brought here as addresses. The port does not
 * matter: another daemon on this host has the same libvirt, which migrates to itself for nobody.
 */

import { canonicalIp } from "./ip.ts";

export interface OwnAddress {
  readonly address: string;
  /** Its interface, by name and by number: the two spellings of a zone. */
  readonly interfaceName: string;
  readonly scopeId: number;
}

export interface OwnHost {
  /** The host's name, as the system has it. */
  readonly name: string;
  /** Of all its interfaces. */
  readonly addresses: readonly OwnAddress[];
  /** Every loopback address is its own. Not so for simulated hosts, which share those of one machine. */
  readonly ownsLoopback: boolean;
}

/** RFC 6761, 6.3, and what distributions write into their hosts files. */
const LOOPBACK_NAMES: ReadonlySet<string> = new Set([
  "localhost",
  "localhost.localdomain",
  "localhost4",
  "localhost6",
  "ip6-localhost",
  "ip6-loopback",
]);

/** `host` as `parseDestination` gives it: a name or an address. **Fails**: never. */
export function isOwnHost(host: string, own: OwnHost): boolean {
  const name = own.name.toLowerCase().replace(/\.$/, "");
  return (
    host === name ||
    LOOPBACK_NAMES.has(host) ||
    host.endsWith(".localhost") ||
    isOwnAddress(host, own)
  );
}

/**
 * Loopback, unspecified (a connection to which reaches this host), or on one of the interfaces, in
 * whatever spelling. With a zone it must be that interface's: another host of another link may have
 * the same link-local address. False for a name.
 */
export function isOwnAddress(
  text: string,
  { addresses, ownsLoopback }: Omit<OwnHost, "name">,
): boolean {
  const [written = "", zone] = text.split("%");
  const address = canonicalIp(written);
  if (address === undefined) return false;
  return (
    (ownsLoopback && isLoopback(address)) ||
    addresses.some(
      (each) =>
        canonicalIp(each.address.split("%", 1)[0] ?? "") === address &&
        (zone === undefined || zone === each.interfaceName || zone === String(each.scopeId)),
    )
  );
}

const UNSPECIFIED_IPV6 = "0:0:0:0:0:0:0:0";
const LOOPBACK_IPV6 = "0:0:0:0:0:0:0:1";

/** Of a canonical address: 127.0.0.0/8 and 0.0.0.0/8, ::1 and ::. */
function isLoopback(address: string): boolean {
  return (
    address === UNSPECIFIED_IPV6 ||
    address === LOOPBACK_IPV6 ||
    address.startsWith("127.") ||
    address.startsWith("0.")
  );
}
