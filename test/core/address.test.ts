/** What passes as a destination, and that nothing passes that could be more than a host. */

import fc from "fast-check";
import { isIPv6 } from "node:net";
import { describe, expect, it } from "vitest";
import {
  certificateHost,
  formatHost,
  lowerCaseHost,
  parseDestination,
  parseHost,
  readDestination,
  uriHost,
} from "../../src/core/address.ts";

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
    ["a trailing dot", "Host-B.Example.", { host: "host-b.example" }],
    ["a trailing dot and a port", "host-b.:54321", { host: "host-b", port: 54_321 }],
    ["a name of 253 and a dot", `${"a.".repeat(126)}a.`, { host: `${"a.".repeat(126)}a` }],
    ["underscores", "_host_b.my_lab_", { host: "_host_b.my_lab_" }],
    ["a digit in front of each label", "1host.2lab.3org", { host: "1host.2lab.3org" }],
    ["a number in front", "10.0.0.host", { host: "10.0.0.host" }],
    ["a label that looks like a float", "host.1e1", { host: "host.1e1" }],
    ["IPv6 and a port of five digits", "FE80::1:54321", { host: "fe80::1", port: 54_321 }],
    ["IPv6 and the lowest such port", "fe80::1:10000", { host: "fe80::1", port: 10_000 }],
    [
      "eight groups and a port",
      "2001:db8:0:0:0:0:0:2:54321",
      { host: "2001:db8:0:0:0:0:0:2", port: 54_321 },
    ],
    [
      "IPv4 within IPv6 and a port",
      "::ffff:10.0.0.1:54321",
      { host: "::ffff:10.0.0.1", port: 54_321 },
    ],
    ["loopback and a port", "::1:54321", { host: "::1", port: 54_321 }],
    ["an address that ends in :: and a port", "fe80:::54321", { host: "fe80::", port: 54_321 }],
    ["a last group that is no port", "fd00::1:ab", { host: "fd00::1:ab" }],
    ["a last group of 0", "fd00::1:0", { host: "fd00::1:0" }],
    ["a last group with a leading zero", "fd00::1:0012", { host: "fd00::1:0012" }],
    ["one group behind the ::", "fd00::12", { host: "fd00::12" }],
    ["a zone", "FE80::1%Eth0", { host: "fe80::1%Eth0" }],
    ["a zone in brackets", "[fe80::1%eth0]", { host: "fe80::1%eth0" }],
    ["a zone and a port", "[fe80::1%eth0]:54321", { host: "fe80::1%eth0", port: 54_321 }],
    [
      "a zone and a port, no brackets",
      "fe80::1%eth0.7:5432",
      { host: "fe80::1%eth0.7", port: 5432 },
    ],
    ["a zone in digits", "fe80::1%2", { host: "fe80::1%2" }],
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
    ["two trailing dots", "a.."],
    ["a dot alone", "."],
    ["a dot in front", ".a"],
    ["an IPv4 address with a trailing dot", "10.0.0.1."],
    ["a name whose last label is a number", "host.2024"],
    ["a name whose last label is a number, and a dot", "host.2024."],
    ["a name of 254 and a dot", `${"a.".repeat(126)}aa.`],
    ["a zone of a global address", "[2001:db8::1%eth0]"],
    ["a zone of IPv4", "10.0.0.1%eth0"],
    ["a zone of a name", "host%eth0"],
    ["an empty zone", "[fe80::1%]"],
    ["a zone with a slash", "[fe80::1%a/b]"],
    ["a zone of 16", `[fe80::1%${"a".repeat(16)}]`],
    ["two zones", "[fe80::1%a%b]"],
    ["a zone outside the brackets", "[fe80::1]%eth0"],
    ["IPv6 with seven groups and a port", "1:2:3:4:5:6:7:54321"],
    ["IPv6 and a port above 65535", "fe80::1:70000"],
    ["IPv6 and five digits with a leading zero", "fe80::1:05432"],
    ["two ports of IPv6", "fe80::1:54321:54321"],
    ["a gap alone and a port", "::54321"],
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

describe("readDestination calls ambiguous, and shows in brackets", () => {
  it.each([
    ["fe80::1:5432", ["[fe80::1]:5432", "[fe80::1:5432]"]],
    ["FD00::A:1", ["[fd00::a]:1", "[fd00::a:1]"]],
    ["1:2:3:4:5:6:7:8:9", ["[1:2:3:4:5:6:7:8]:9"]],
    ["1:2:3:4:5:6:7:8:5432", ["[1:2:3:4:5:6:7:8]:5432"]],
    ["::ffff:10.0.0.1:443", ["[::ffff:10.0.0.1]:443"]],
    ["::1:443", ["[::1]:443", "[::1:443]"]],
  ])("%s", (text, spellings) => {
    expect(readDestination(text)).toEqual({ kind: "ambiguous", spellings });
    expect(parseDestination(text)).toBeUndefined();
  });
});

describe("one host, as each of its readers wants it", () => {
  it.each([
    ["host-b", "host-b", "host-b", "host-b"],
    ["10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"],
    ["fe80::1", "[fe80::1]", "[fe80::1]", "fe80::1"],
    ["fe80::1%eth0", "[fe80::1%eth0]", "[fe80::1%25eth0]", "fe80::1"],
    ["fe80::1%25", "[fe80::1%25]", "[fe80::1%2525]", "fe80::1"],
  ])("%s", (host, shown, inUri, inCertificate) => {
    expect([formatHost(host), uriHost(host), certificateHost(host)]).toEqual([
      shown,
      inUri,
      inCertificate,
    ]);
  });

  it("the case of a zone is kept, all else is lower case", () => {
    expect(lowerCaseHost("[FE80::A%Eth0]:54321")).toBe("[fe80::a%Eth0]:54321");
    expect(lowerCaseHost("Host-B.:54321")).toBe("host-b.:54321");
  });
});

describe("parseHost", () => {
  it.each([
    ["fd00::a:1", "fd00::a:1"],
    ["fe80::1%eth0", "fe80::1%eth0"],
    ["[FE80::1%Eth0]", "fe80::1%Eth0"],
    ["Host-B.", "host-b"],
    ["fe80::1:54321", undefined],
    ["[host-b]", undefined],
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
  it("an IPv6 address in brackets passes if Node takes it for one", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const expected = { host: address.toLowerCase() };
        expect(parseDestination(`[${address}]`)).toEqual(expected);
        expect(parseHost(address)).toBe(expected.host);
        const read = readDestination(address);
        if (read.kind === "ambiguous") expect(read.spellings).toContain(`[${expected.host}]`);
        else expect(read).toEqual({ kind: "destination", destination: expected });
      }),
    );
  });

  it("an IPv6 address and a port of five digits are read without brackets as with them", () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 10_000, max: 65_535 }), (address, port) => {
        const read = parseDestination(`${address}:${port}`);
        expect(read).toEqual(parseDestination(`[${address}]:${port}`));
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
        expect(parsed.host).toMatch(/^([a-z0-9_.-]+|[a-f0-9.:]+(%[a-zA-Z0-9_.-]+)?)$/);
        expect(parseDestination(formatHost(parsed.host))).toEqual({ host: parsed.host });
      }),
    );
  });
});
