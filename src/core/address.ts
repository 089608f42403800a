/**
 * Addresses as they arrive on the wire: what a caller may name as a migration's destination.
 *
 * Strict on purpose. These strings end up in libvirt URIs and in sockets' connect calls, so nothing
 * passes that could be more than a host: no user, scheme, path, query, option, zone or white space.
 * A name whose last label is a number, decimal or hexadecimal, is no name but an IPv4 address in a
 * spelling that resolvers read and people do not (URL standard, host parsing), and is refused. Nothing here resolves or connects.
 */

export interface Destination {
  /** Lower case; an IPv6 address without brackets. */
  readonly host: string;
  /** Absent: the caller's default. */
  readonly port?: number;
}

/** RFC 1035, 2.3.4. */
const MAX_NAME_LENGTH = 253;
const MAX_PORT = 65_535;

const asciiPattern = /^[\x21-\x7e]+$/;
const labelPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const portPattern = /^[1-9][0-9]{0,4}$/;
const octetPattern = /^(0|[1-9][0-9]{0,2})$/;
const groupPattern = /^[0-9a-f]{1,4}$/;
/** inet_aton(3) takes these, too. */
const numberPattern = /^([0-9]+|0x[0-9a-f]*)$/;
const bracketPattern = /^\[([^[\]]*)\](?::(.*))?$/s;

/**
 * `host`, `host:port`, `[v6]`, `[v6]:port`, or an IPv6 address alone (two or more colons).
 * `parseDestination("[FE80::1]:54321")` is `{ host: "fe80::1", port: 54321 }`.
 * **Fails**: never; undefined for anything else.
 */
export function parseDestination(text: string): Destination | undefined {
  // Before the case is changed: outside ASCII are letters whose lower case is within it.
  if (!asciiPattern.test(text)) return undefined;
  const lower = text.toLowerCase();
  const bracketed = bracketPattern.exec(lower);
  if (bracketed !== null) {
    const [, host = "", port] = bracketed;
    return isIpv6(host) ? withPort(host, port) : undefined;
  }
  if (isIpv6(lower)) return { host: lower };
  const colon = lower.indexOf(":");
  const host = colon < 0 ? lower : lower.slice(0, colon);
  if (!isIpv4(host) && !isHostName(host)) return undefined;
  return withPort(host, colon < 0 ? undefined : lower.slice(colon + 1));
}

/** The same without a port: `host`, an IPv4 address, `[v6]` or `v6`. **Fails**: never. */
export function parseHost(text: string): string | undefined {
  const destination = parseDestination(text);
  return destination?.port === undefined ? destination?.host : undefined;
}

/** The host as a URI wants it: `formatHost("fe80::1")` is `[fe80::1]`. */
export function formatHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function withPort(host: string, port: string | undefined): Destination | undefined {
  if (port === undefined) return { host };
  if (!portPattern.test(port) || Number(port) > MAX_PORT) return undefined;
  return { host, port: Number(port) };
}

function isHostName(name: string): boolean {
  const labels = name.split(".");
  const last = labels.at(-1) ?? "";
  return (
    name.length <= MAX_NAME_LENGTH &&
    labels.every((label) => labelPattern.test(label)) &&
    !numberPattern.test(last)
  );
}

function isIpv4(text: string): boolean {
  const octets = text.split(".");
  return (
    octets.length === 4 && octets.every((each) => octetPattern.test(each) && Number(each) <= 255)
  );
}

/** RFC 4291, 2.2: eight groups, or fewer around one `::`; the last two may be written as IPv4. */
function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const counts = halves.map((half, index) => countGroups(half, index === halves.length - 1));
  if (counts.some((count) => count === undefined)) return false;
  const total = counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  return halves.length === 2 ? total <= 7 : total === 8;
}

function countGroups(half: string, mayEndInIpv4: boolean): number | undefined {
  if (half === "") return 0;
  const groups = half.split(":");
  const last = groups.at(-1) ?? "";
  const ipv4 = mayEndInIpv4 && isIpv4(last);
  const plain = ipv4 ? groups.slice(0, -1) : groups;
  return plain.every((group) => groupPattern.test(group))
    ? groups.length + (ipv4 ? 1 : 0)
    : undefined;
}
