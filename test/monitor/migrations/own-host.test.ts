/** Names that resolve to this host, and that nothing waits for a resolver that does not answer. */

import { expect, it } from "vitest";
import { type MigrateRequest, PLAIN_OPTIONS } from "../../../src/monitor/service.ts";
import { ownByResolving, refuseOwnHost } from "../../../src/monitor/migrations/own-host.ts";
import type { OwnHost } from "../../../src/core/own-host.ts";
import { realHost, simulatedHost } from "../../../src/host/this-host.ts";
import { ownAddresses } from "../../../src/host/own-addresses.ts";

const named = (name: string) => (): OwnHost => ({ ...realHost().ownHost(), name });

const request = (fields: Partial<MigrateRequest>): MigrateRequest => ({
  vmId: "v",
  mode: "remote",
  dst: "192.0.2.1",
  ...PLAIN_OPTIONS,
  ...fields,
});

it.each<[string, Partial<MigrateRequest>]>([
  ["dst", { dst: "localhost:1" }],
  ["dstqemu", { dstqemu: "localhost" }],
  ["dst", { dst: "[::ffff:127.0.0.1]" }],
])("%s resolves to this host: %j", async (parameter, fields) => {
  const itself = await ownByResolving(request(fields), named("host-a"));
  expect(itself).toMatchObject({ code: "invalidParams", details: { parameter } });
  expect(itself?.message).toMatch(new RegExp(`^${parameter}: ".*" \\(.*\\) is this host itself$`));
});

it.each([[{}], [{ dst: "no-such-name.invalid" }], [{ mode: "file", dst: "/localhost" } as const]])(
  "%j does not",
  async (fields) => {
    expect(await ownByResolving(request(fields), named("host-a"))).toBeNull();
  },
);

it("the addresses of its interfaces are refused at once, whatever its name", () => {
  const own = ownAddresses().map(({ address }) => address);
  expect(own).toContain("127.0.0.1");
  for (const address of own.filter((each) => !each.includes(":"))) {
    expect(() => refuseOwnHost(request({ dst: `${address}:1` }), named("host-a")())).toThrow(
      /this host itself/,
    );
  }
  expect(() =>
    refuseOwnHost(request({ dst: "HOST-A".toLowerCase() }), named("HOST-A")()),
  ).toThrow();
  expect(() => refuseOwnHost(request({}), named("host-a")())).not.toThrow();
});

it("simulated hosts on one machine's loopback addresses are not each other", async () => {
  const ownHost = (): OwnHost => simulatedHost("host-a", "127.0.0.2").ownHost();
  const toItself = request({ dst: "127.0.0.2:1" });
  expect(() => refuseOwnHost(toItself, ownHost())).toThrow(/this host itself/);
  expect(await ownByResolving(toItself, ownHost)).toMatchObject({ code: "invalidParams" });
  expect(() => refuseOwnHost(request({ dst: "localhost" }), ownHost())).toThrow();
  for (const dst of ["127.0.0.3:1", "127.0.0.1", "[::1]"]) {
    expect(() => refuseOwnHost(request({ dst }), ownHost())).not.toThrow();
    expect(await ownByResolving(request({ dst }), ownHost)).toBeNull();
  }
});
