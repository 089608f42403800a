/** Two of the three names by which a host is known make it the same host. */
import { expect, it } from "vitest";
import { isSameHost, type HostIdentity } from "../../src/journal/host-identity.ts";

const OWN: HostIdentity = { name: "host1", machineId: "m1", hostUuid: "u1" };

it.each<[string, Partial<HostIdentity>, boolean]>([
  ["itself", {}, true],
  ["renamed", { name: "renamed" }, true],
  ["with another board, or a libvirtd that makes up its UUID", { hostUuid: "u2" }, true],
  ["installed anew", { machineId: "m2" }, true],
  ["another host with the same image", { name: "host2", hostUuid: "u2" }, false],
  ["another host of the same make", { name: "host2", machineId: "m2" }, false],
  ["another host with the same name", { machineId: "m2", hostUuid: "u2" }, false],
  ["another host", { name: "host2", machineId: "m2", hostUuid: "u2" }, false],
  ["libvirt did not say", { hostUuid: null }, true],
  ["libvirt did not say, and it was renamed", { hostUuid: null, name: "renamed" }, false],
  ["no machine-id", { machineId: null }, true],
  ["known by its name alone", { machineId: null, hostUuid: null }, true],
  ["known by another name alone", { name: "host2", machineId: null, hostUuid: null }, false],
])("%s", (_name, fields, same) => {
  const written = { ...OWN, ...fields };
  expect(isSameHost(written, OWN)).toBe(same);
  expect(isSameHost(OWN, written)).toBe(same);
});
