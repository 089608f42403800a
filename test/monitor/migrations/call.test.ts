/** What a request becomes for libvirt's call: the console that is followed, and where the guest goes. */
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../../src/config/config.ts";
import type { VmDetails } from "../../../src/hypervisor/port.ts";
import { callTemplate } from "../../../src/monitor/migrations/call.ts";
import { settingsFrom } from "../../../src/config/settings.ts";
import { requestOf } from "../../journal/fixtures.ts";

const VM = "11111111-1111-4111-8111-111111111111";
const details: VmDetails = {
  vmId: VM,
  name: "vm",
  runState: "running",
  persistent: false,
  memoryBytes: 1,
  graphics: [],
  vcpus: 1,
  numaNodes: 0,
};
const settings = settingsFrom(parseConfig({}));

describe("callTemplate", () => {
  it.each<[VmDetails["graphics"], string | undefined]>([
    [["vnc", "spice"], "spice://console"],
    [["spice", "vnc"], "spice://console"],
    [["other", "vnc"], "vnc://console"],
    [["other"], undefined],
    [[], undefined],
  ])("of a guest with %j follows %j", (graphics, graphicsUri) => {
    const request = { ...requestOf(VM), consoleAddress: "console" };
    expect(callTemplate(request, "host-b", { ...details, graphics }, settings).graphicsUri).toBe(
      graphicsUri,
    );
  });

  it("has the placement that was asked for, and none otherwise", () => {
    const placement = { cpusets: ["0"], numaNodesets: ["1"] };
    const request = { ...requestOf(VM), ...placement, dstqemu: "10.0.0.2" };
    expect(callTemplate(request, "host-b", details, settings)).toMatchObject({
      placement,
      destinationHosts: ["host-b", "10.0.0.2"],
    });
    expect(callTemplate(requestOf(VM), "host-b", details, settings)).not.toHaveProperty(
      "placement",
    );
  });
});
