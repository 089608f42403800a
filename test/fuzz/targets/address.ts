/**
 * Addresses: what is accepted is one host and perhaps a port, parses to the same again, and the
 * URIs passed to libvirt contain that host and nothing else.
 */

import fc from "fast-check";
import { isIPv4, isIPv6 } from "node:net";
import {
  formatHost,
  lowerCaseHost,
  parseDestination,
  parseHost,
} from "../../../src/core/address.ts";
import { parseMigrate } from "../../../src/wire/requests.ts";
import { anyString } from "../json-text.ts";
import { ADDRESSES, VM_IDS } from "../requests.ts";
import { claimUris } from "../service.ts";
import { claim, pure, show } from "../target.ts";

interface Addresses {
  readonly dst: string;
  readonly dstqemu: string;
  readonly consoleAddress: string;
}

const PARTS =
  "host|b|A|1|10|0|255|256|fe80|ffff|1e1|xn--a|_|%eth0|-|é|.|.|:|::|[|]|%|/|@|?|#| |\t|\n|\0|\\|$&|{host}|\u212a|\uff0e|\u3002|\u00ad|%2f|65535|65536"
    .split("|")
    .concat("a".repeat(63), "|");

const assembled = fc
  .array(fc.constantFrom(...PARTS), { maxLength: 10, size: "max" })
  .map((parts) => parts.join(""));
const groups = fc
  .array(fc.constantFrom("", "0", "1", "fe80", "ABCD", "12345", "10.0.0.1", "::"), {
    minLength: 2,
    maxLength: 9,
    size: "max",
  })
  .map((each) => each.join(":"));
const address = fc.oneof(
  fc.constantFrom(...ADDRESSES),
  assembled,
  groups,
  fc
    .tuple(groups, fc.constantFrom("", ":1", ":0", ":65536", ":", "x"))
    .map(([v6, port]) => `[${v6}]${port}`),
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.ipV6(),
  fc.domain(),
  fc.webAuthority(),
  anyString,
);

const HOST = /^([a-z0-9_.-]+|[a-f0-9.:]+(%[a-zA-Z0-9_.-]{1,15})?)$/;

function claimDestination(text: string): void {
  const destination = parseDestination(text);
  if (destination === undefined) return;
  const { host, port } = destination;
  claim(HOST.test(host) && host.length <= 253, `not a host: ${show(host)}`);
  const isName = !host.includes(":") && !/^[0-9.]+$/.test(host);
  claim(isName || isIPv4(host) || isIPv6(host), `not an address: ${show(host)}`);
  claim(port === undefined || (Number.isInteger(port) && port >= 1 && port <= 65_535), `port`);
  const written = `${formatHost(host)}${port === undefined ? "" : `:${port}`}`;
  const again = parseDestination(written);
  claim(again?.host === host && again.port === port, `${written} is parsed as ${show(again)}`);
  claim(parseHost(formatHost(host)) === host, `not a host: ${host}`);
  claim(parseDestination(lowerCaseHost(text))?.host === host, "upper and lower case differ");
  // URL parsers must see the same host too; they may shorten IPv6 and do not support zones.
  if (host.includes("%")) return;
  const { hostname, username, pathname, search, hash } = new URL(`tcp://${written}`);
  const isSame = host.includes(":") || hostname === host;
  claim(isSame && username + pathname + search + hash === "", `another host: ${hostname}`);
}

export const addresses = pure<Addresses>(
  {
    name: "address",
    input: fc.record({ dst: address, dstqemu: address, consoleAddress: address }),
    share: 9,
  },
  (input) => {
    for (const text of Object.values(input)) claimDestination(text);
    const [vmID = ""] = VM_IDS;
    let request: ReturnType<typeof parseMigrate>;
    try {
      request = parseMigrate({ vmID, ...input });
    } catch {
      // An invalid one hides the others.
      for (const dst of Object.values(input)) {
        if (parseDestination(dst) !== undefined) claimUris(parseMigrate({ vmID, dst }));
      }
      return;
    }
    claimUris(request);
  },
);
