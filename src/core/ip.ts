/**
 * IP addresses as text and as numbers: what is one, and when two spellings are the same. Dotted IPv4
 * in its one plain form; IPv6 as RFC 4291, 2.2 has it. Names, ports and brackets are not known here.
 */

const octetPattern = /^(0|[1-9][0-9]{0,2})$/;
const groupPattern = /^[0-9a-f]{1,4}$/;

const GROUPS = 8;

/** `ipv4Octets("10.0.0.1")` is `[10, 0, 0, 1]`; undefined for anything else. */
export function ipv4Octets(text: string): readonly number[] | undefined {
  const octets = text.split(".");
  return octets.length === 4 &&
    octets.every((each) => octetPattern.test(each) && Number(each) <= 255)
    ? octets.map(Number)
    : undefined;
}

/**
 * The eight numbers of an IPv6 address in lower case, without brackets and zone: eight groups, or
 * fewer around one `::`; the last two may be written as IPv4.
 */
export function ipv6Groups(text: string): readonly number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const parts = halves.map((half, index) => groupsOf(half, index === halves.length - 1));
  const [front, back] = parts;
  if (front === undefined) return undefined;
  if (halves.length === 1) return front.length === GROUPS ? front : undefined;
  if (back === undefined) return undefined;
  const missing = GROUPS - front.length - back.length;
  return missing >= 1
    ? [...front, ...Array.from({ length: missing }, () => 0), ...back]
    : undefined;
}

function groupsOf(half: string, mayEndInIpv4: boolean): readonly number[] | undefined {
  if (half === "") return [];
  const groups = half.split(":");
  const octets = mayEndInIpv4 ? ipv4Octets(groups.at(-1) ?? "") : undefined;
  const plain = octets === undefined ? groups : groups.slice(0, -1);
  if (!plain.every((group) => groupPattern.test(group))) return undefined;
  const numbers = plain.map((group) => Number.parseInt(group, 16));
  if (octets === undefined) return numbers;
  const [a = 0, b = 0, c = 0, d = 0] = octets;
  return [...numbers, a * 256 + b, c * 256 + d];
}

/** fe80::/10, the addresses that need a zone to be reached. */
export function isLinkLocal([first = 0]: readonly number[]): boolean {
  return first >= 0xfe_80 && first <= 0xfe_bf;
}

/** The IPv4 address in an IPv4-mapped one (`::ffff:10.0.0.1`). */
export function mappedIpv4(groups: readonly number[]): readonly number[] | undefined {
  const [, , , , , marker, high = 0, low = 0] = groups;
  if (marker !== 0xff_ff || groups.slice(0, 5).some((group) => group !== 0)) return undefined;
  return [high >> 8, high & 0xff, low >> 8, low & 0xff];
}

/**
 * One text for all spellings of an address; undefined for what is none. An IPv4-mapped one is the
 * IPv4 address. `canonicalIp("::FFFF:10.0.0.1")` is `10.0.0.1`, `canonicalIp("fe80:0::1")` is
 * `fe80:0:0:0:0:0:0:1`.
 */
export function canonicalIp(text: string): string | undefined {
  const octets = ipv4Octets(text);
  if (octets !== undefined) return octets.join(".");
  const groups = ipv6Groups(text.toLowerCase());
  if (groups === undefined) return undefined;
  return mappedIpv4(groups)?.join(".") ?? groups.map((group) => group.toString(16)).join(":");
}
