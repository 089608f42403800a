/** What passes as a destination, and that nothing passes that could be more than a host. */

import fc from "fast-check";
import { isIPv6 } from "node:net";
import { describe, expect, it } from "vitest";
import { formatHost, parseDestination, parseHost } from "../../src/core/address.ts";

describe("parseDestination takes", () => {
  it.each([
    ["a name", "host-b", { host: "host-b" }],
    ["a qualified name", "Host-B.Example.ORG", { host: "host-b.example.org" }],
    ["a name that begins with a digit", "3com.example", { host: "3com.example" }],
    ["a name and a port", "host-b:54321", { host: "host-b", port: 54_321 }],
    ["the lowest port", "host-b:1", { host: "host-b", port: 1 }],
    ["the highest port", "host-b:65535", { host: "host-b", port: 65_535 }],
    ["an IPv4 address", "10.0.0.255", { host: "10.0.0.255" }],
    ["an IPv4 address and a port", "10.0.0.2:54321", { host: "10.0.0.2", port: 54_321 }],
    ["an IPv6 address in brackets", "[FE80::1]", { host: "fe80::1" }],
    ["an IPv6 address and a port", "[2001:db8::2]:54321", { host: "2001:db8::2", port: 54_321 }],
    ["an IPv6 address alone", "2001:db8:0:0:0:0:0:2", { host: "2001:db8:0:0:0:0:0:2" }],
    ["a name that only begins like a number", "0xhost", { host: "0xhost" }],
    ["the loopback address", "::1", { host: "::1" }],
    ["an IPv4 address within IPv6", "::ffff:10.0.0.1", { host: "::ffff:10.0.0.1" }],
    ["a label of 63", `${"a".repeat(63)}.b`, { host: `${"a".repeat(63)}.b` }],
  ])("%s", (_what, text, expected) => {
    expect(parseDestination(text)).toEqual(expected);
  });
});

describe("parseDestination refuses", () => {
  it.each([
    ["nothing", ""],
    ["port 0", "host:0"],
    ["a port above 65535", "host:65536"],
    ["a port with a leading zero", "host:080"],
    ["an empty port", "host:"],
    ["a signed port", "host:+1"],
    ["two ports", "host:1:2"],
    ["a port alone", ":54321"],
    ["a path", "host/system"],
    ["a query", "host?no_verify=1"],
    ["a fragment", "host#x"],
    ["a user", "root@host"],
    ["a scheme", "qemu+ssh://host"],
    ["an option", "-oProxyCommand=x"],
    ["a label that begins with a hyphen", "a.-b"],
    ["a label that ends with a hyphen", "a-.b"],
    ["a label of 64", "a".repeat(64)],
    ["a name of 254", `${"a.".repeat(126)}aa`],
    ["an empty label", "a..b"],
    ["a trailing dot", "a."],
    ["white space", "host "],
    ["a new line", "host\n"],
    ["a NUL", "host\0"],
    ["a percent escape", "host%2f"],
    ["a letter outside ASCII", "höst"],
    ["the Kelvin sign, whose lower case is k", "\u212Aelvin"],
    ["an IPv4 address with three parts", "10.0.1"],
    ["an IPv4 address with a part above 255", "10.0.0.256"],
    ["an IPv4 address with octal parts", "010.0.0.1"],
    ["a number", "0"],
    ["a hexadecimal number", "0x7f000001"],
    ["a hexadecimal number at the end", "10.0.0.0xF"],
    ["a hexadecimal number without digits", "a.0x"],
    ["IPv6 with a zone", "[fe80::1%eth0]"],
    ["IPv6 with nine groups", "1:2:3:4:5:6:7:8:9"],
    ["IPv6 with two gaps", "1::2::3"],
    ["IPv6 with a gap for nothing", "1:2:3:4::5:6:7:8"],
    ["IPv6 with a group of five digits", "::12345"],
    ["a name in brackets", "[host]"],
    ["text after the brackets", "[::1]x"],
    ["brackets left open", "[::1"],
  ])("%s", (_what, text) => {
    expect(parseDestination(text)).toBeUndefined();
  });
});

describe("parseHost", () => {
  it.each([
    ["host-b", "host-b"],
    ["[::1]", "::1"],
    ["::1", "::1"],
    ["host-b:1", undefined],
    ["[::1]:1", undefined],
  ])("%s is %s", (text, expected) => {
    expect(parseHost(text)).toBe(expected);
  });
});

describe("properties", () => {
  it("an IPv6 address passes if Node takes it for one", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(parseDestination(address)).toEqual({ host: address.toLowerCase() });
      }),
    );
  });

  it("whatever has a colon in it passes only if Node agrees that it is one", () => {
    const text = fc.array(fc.constantFrom("0", "f", "1234", ":", "::", ".", "1.2.3.4"));
    fc.assert(
      fc.property(text, (parts) => {
        const address = parts.join("");
        expect(parseDestination(`[${address}]`) !== undefined).toBe(isIPv6(address));
      }),
      { numRuns: 2000 },
    );
  });

  it("what passes has no character that means something in a URI, and comes back the same", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const parsed = parseDestination(text);
        if (parsed === undefined) return;
        expect(parsed.host).toMatch(/^[a-z0-9.:-]+$/);
        expect(parseDestination(formatHost(parsed.host))).toEqual({ host: parsed.host });
      }),
    );
  });
});
