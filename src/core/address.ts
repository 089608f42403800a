/**
 * Addresses as they arrive on the wire: what a caller may name as a migration's destination.
 *
 * Strict on purpose. These strings end up in libvirt URIs and in sockets' connect calls, so nothing
 * passes that could be more than a host: no user, scheme, path, query, option or white space. A name
 * is what resolvers take for one: underscores, digits in front and a trailing dot are allowed. The
 * dot is taken off, since hosts files and certificates hold names without it, and two spellings would
 * be two destinations. A name whose last label is a number, decimal or hexadecimal, is no name but an
 * IPv4 address in a spelling that resolvers read and people do not (URL standard, host parsing), and
 * is refused.
 *
 * An IPv6 address and a port without brackets between them are read only where there is one way to:
 * no group of an address has five digits, and no zone has a colon. Nothing here resolves or connects.
 */

import { ipv4Octets, ipv6Groups, isLinkLocal } from "./ip.ts";

export interface Destination {
  /** Lower case; an IPv6 address without brackets, with its zone as given: `fe80::1%eth0`. */
  readonly host: string;
  /** Absent: the caller's default. */
  readonly port?: number;
}

export type ReadDestination =
  | { readonly kind: "destination"; readonly destination: Destination }
  /** Address and port, or address alone: what may have been meant, in brackets. */
  | { readonly kind: "ambiguous"; readonly spellings: readonly string[] }
  | { readonly kind: "invalid" };

/** RFC 1035, 2.3.4. */
const MAX_NAME_LENGTH = 253;
const MAX_PORT = 65_535;
/** The lowest port that is no group of an IPv6 address. */
const MIN_BARE_PORT = 10_000;

const asciiPattern = /^[\x21-\x7e]+$/;
const labelPattern = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const portPattern = /^[1-9][0-9]{0,4}$/;
/** inet_aton(3) takes these, too. */
const numberPattern = /^([0-9]+|0x[0-9a-f]*)$/;
const bracketPattern = /^\[([^[\]]*)\](?::(.*))?$/s;
/** A name or number of an interface; linux/if.h, IFNAMSIZ less its NUL. */
const zonePattern = /^[a-zA-Z0-9_.-]{1,15}$/;

const invalid: ReadDestination = { kind: "invalid" };

/**
 * `host`, `host:port`, an IPv6 address with a zone or without, in brackets with a port or without, or
 * without brackets where that is clear.
 * `readDestination("[FE80::1]:54321")` is `{ host: "fe80::1", port: 54321 }`, and so is `fe80::1:54321`;
 * `fe80::1:5432` is ambiguous. **Fails**: never.
 */
export function readDestination(text: string): ReadDestination {
  // Before the case is changed: outside ASCII are letters whose lower case is within it.
  if (!asciiPattern.test(text)) return invalid;
  const bracketed = bracketPattern.exec(text);
  if (bracketed !== null) {
    const [, inner = "", port] = bracketed;
    return withPort(readIpv6(inner), port);
  }
  const colon = text.indexOf(":");
  if (colon !== text.lastIndexOf(":")) return readBareIpv6(text);
  const host = readName(colon < 0 ? text : text.slice(0, colon));
  return withPort(host, colon < 0 ? undefined : text.slice(colon + 1));
}

/** The destination if there is one way to read it. **Fails**: never. */
export function parseDestination(text: string): Destination | undefined {
  const read = readDestination(text);
  return read.kind === "destination" ? read.destination : undefined;
}

/** The same without a port, so that nothing is ambiguous. **Fails**: never. */
export function parseHost(text: string): string | undefined {
  if (!asciiPattern.test(text)) return undefined;
  const [, inner] = /^\[([^[\]]*)\]$/.exec(text) ?? [];
  if (inner !== undefined) return readIpv6(inner);
  return readIpv6(text) ?? readName(text);
}

/** For people, and for `readDestination`: `formatHost("fe80::1")` is `[fe80::1]`. */
export function formatHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** As a URI wants it, a zone escaped (RFC 6874): `uriHost("fe80::1%eth0")` is `[fe80::1%25eth0]`. */
export function uriHost(host: string): string {
  return formatHost(host.replace("%", "%25"));
}

/** What a certificate holds of a host: a zone means something on one host only. */
export function certificateHost(host: string): string {
  return withoutZone(host);
}

/** As given but for the case, which an interface's name keeps. */
export function lowerCaseHost(text: string): string {
  const [address = "", ...zone] = text.split("%");
  return [address.toLowerCase(), ...zone].join("%");
}

function withoutZone(host: string): string {
  return host.split("%", 1)[0] ?? host;
}

function withPort(host: string | undefined, port: string | undefined): ReadDestination {
  if (host === undefined) return invalid;
  if (port === undefined) return { kind: "destination", destination: { host } };
  if (!isPort(port)) return invalid;
  return { kind: "destination", destination: { host, port: Number(port) } };
}

function isPort(text: string): boolean {
  return portPattern.test(text) && Number(text) <= MAX_PORT;
}

/** Two colons or more, no brackets. */
function readBareIpv6(text: string): ReadDestination {
  const colon = text.lastIndexOf(":");
  const last = text.slice(colon + 1);
  const alone = readIpv6(text);
  const front = isPort(last) ? readIpv6(text.slice(0, colon)) : undefined;
  if (front === undefined) return withPort(alone, undefined);
  if (front.includes("%") || Number(last) >= MIN_BARE_PORT) return withPort(front, last);
  const address = alone === undefined ? [] : [formatHost(alone)];
  return { kind: "ambiguous", spellings: [`${formatHost(front)}:${last}`, ...address] };
}

/** With a zone only where there are zones: an address of a link. */
function readIpv6(text: string): string | undefined {
  const [written = "", zone, ...rest] = text.split("%");
  const address = written.toLowerCase();
  const groups = ipv6Groups(address);
  if (groups === undefined || rest.length > 0) return undefined;
  if (zone === undefined) return address;
  return isLinkLocal(groups) && zonePattern.test(zone) ? `${address}%${zone}` : undefined;
}

/** A name or an IPv4 address. */
function readName(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (ipv4Octets(lower) !== undefined) return lower;
  const name = lower.endsWith(".") ? lower.slice(0, -1) : lower;
  const labels = name.split(".");
  const isName =
    name.length <= MAX_NAME_LENGTH &&
    labels.every((label) => labelPattern.test(label)) &&
    !numberPattern.test(labels.at(-1) ?? "");
  return isName ? name : undefined;
}
