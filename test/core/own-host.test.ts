/** Which destinations are this host itself: names, loopback, and any spelling of its addresses. */

import { describe, expect, it } from "vitest";
import { parseDestination } from "../../src/core/address.ts";
import { type OwnHost, isOwnHost } from "../../src/core/own-host.ts";

const own: OwnHost = {
  name: "Host-A.Example.",
  addresses: [
    { address: "127.0.0.1", interfaceName: "lo", scopeId: 0 },
    { address: "10.0.0.1", interfaceName: "eth0", scopeId: 0 },
    { address: "2001:db8::1", interfaceName: "eth0", scopeId: 0 },
    { address: "fe80::a", interfaceName: "eth0", scopeId: 2 },
  ],
  ownsLoopback: true,
};

/** As a caller writes it. */
function isOwn(dst: string): boolean {
  const destination = parseDestination(dst);
  if (destination === undefined) throw new Error(`no destination: ${dst}`);
  return isOwnHost(destination.host, own);
}

describe("this host itself", () => {
  it.each([
    "host-a.example",
    "HOST-A.EXAMPLE",
    "host-a.example.",
    "host-a.example:54321",
    "host-a.example.:1",
    "localhost",
    "LOCALHOST:54321",
    "localhost.",
    "any.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "127.0.0.1",
    "127.1.2.3:54321",
    "0.0.0.0",
    "[::1]",
    "::1:54321",
    "::",
    "0:0:0:0:0:0:0:1",
    "[::ffff:127.0.0.1]",
    "10.0.0.1",
    "10.0.0.1:16514",
    "[::ffff:10.0.0.1]:54321",
    "[::FFFF:A00:1]",
    "2001:db8::1",
    "2001:DB8:0:0:0:0:0:1",
    "2001:db8:0:0::1:54321",
    "fe80::a",
    "[fe80:0:0::A%eth0]:54321",
    "fe80::a%2",
  ])("%s", (dst) => {
    expect(isOwn(dst)).toBe(true);
  });
});

describe("another host", () => {
  it.each([
    "host-a",
    "host-a.example.org",
    "xhost-a.example",
    "localhost.example",
    "notlocalhost",
    "10.0.0.2",
    "10.0.0.10",
    "128.0.0.1",
    "2001:db8::2",
    "[::ffff:10.0.0.2]",
    "fe80::b",
    "fe80::a%eth1",
    "fe80::a%3",
    "[::2]",
  ])("%s", (dst) => {
    expect(isOwn(dst)).toBe(false);
  });
});

it("a simulated host, which shares one machine with others, owns only its own loopback address", () => {
  const simulated = { ...own, addresses: own.addresses.slice(0, 1), ownsLoopback: false };
  expect(isOwnHost("127.0.0.1", simulated)).toBe(true);
  expect(isOwnHost("127.0.0.2", simulated)).toBe(false);
  expect(isOwnHost("localhost", simulated)).toBe(true);
});
