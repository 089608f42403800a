/** Whole daemons move a simulated guest, and say that it is one. */
import { expect, it } from "vitest";
import { useSimulatedHosts, vmId } from "./simulated-hosts.ts";

const hosts = useSimulatedHosts([{ filledMiB: 20 }]);

it("says SIMULATED in its log and to whoever asks", async () => {
  expect(hosts.a.process.log()).toMatch(/"SIMULATED: /);
  expect(await hosts.a.call("Host.getCapabilities")).toMatchObject({
    hostName: "host-a",
    hypervisor: "simulated",
  });
});

it("moves a guest to the other host", async () => {
  await hosts.a.call("VM.migrate", { vmID: vmId(1), params: { dst: hosts.b.address } });
  expect(await hosts.a.ended(vmId(1))).toMatchObject({ outcome: "completed", confirmed: true });
  await hosts.expectRunsOn("host-b", 1);
});
