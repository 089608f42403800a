/**
 * How large a domain's definition may be, and a message that holds it: what libvirt takes, a daemon
 * must be able to say and to hear.
 */

/** The longest string of a call to libvirt, and so the longest XML of a domain. Source: libvirt,
 * remote_protocol.x, REMOTE_STRING_MAX. */
export const LIBVIRT_STRING_MAX_BYTES = 4 * 1024 * 1024;

/**
 * JSON's longest spelling of a byte of XML: VDSM's JSON is ASCII, where the two bytes of `é` become
 * the six of `\u00e9`. Quotes and line ends only double.
 */
const JSON_GROWTH_MAX = 3;

/** Everything else in such a message: names, statistics, the envelope. */
const REST_BYTES = 1024 * 1024;

/** The longest message with so many copies of one definition. */
export function definitionMessageBytes(copies: number): number {
  return copies * JSON_GROWTH_MAX * LIBVIRT_STRING_MAX_BYTES + REST_BYTES;
}
