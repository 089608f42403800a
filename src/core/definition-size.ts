/**
 * The maximum size of a domain's definition, and of a message that contains it: a daemon must be able
 * to send and to receive whatever the hypervisor accepts.
 */

/** What libvirt accepts. Source: libvirt, remote_protocol.x, REMOTE_STRING_MAX. */
export const DEFINITION_MAX_BYTES = 4 * 1024 * 1024;

/**
 * JSON's longest encoding of a byte of XML: VDSM's JSON is ASCII, where the two bytes of `é` become the
 * six of `\u00e9`. Quotes and line ends only double.
 */
const JSON_GROWTH_MAX = 3;

/** Everything else in such a message: names, statistics, the envelope. */
const REST_BYTES = 1024 * 1024;

/** The longest message with this many copies of a definition. */
export function definitionMessageBytes(copies: number): number {
  return copies * JSON_GROWTH_MAX * DEFINITION_MAX_BYTES + REST_BYTES;
}
