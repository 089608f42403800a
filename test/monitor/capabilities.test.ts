/** kvmEnabled as libvirt said it last, how often it is asked, and which hypervisor an answer is about. */

import { expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import type { CallResult } from "../../src/hypervisor/port.ts";
import { simulatedHost } from "../../src/host/this-host.ts";
import { Capabilities } from "../../src/monitor/capabilities.ts";
import { settingsFrom } from "../../src/config/settings.ts";

const MINUTE_MS = 60_000;
const silent = (): CallResult<boolean> => ({ kind: "disconnected", message: "no libvirtd" });
const says = (value: boolean): CallResult<boolean> => ({ kind: "ok", value });

it("is what libvirt says, kept for a minute, and what it said last while it is silent", async () => {
  let nowMs = 0;
  let answer = silent();
  let asked = 0;
  const capabilities = new Capabilities({
    thisHost: simulatedHost("host-a", ""),
    version: "1.2.3",
    settings: () => settingsFrom(parseConfig({})),
    clock: { monotonicMs: () => nowMs, wallMs: () => 0 },
    hypervisor: {
      hasKvm: () => {
        asked += 1;
        return Promise.resolve(answer);
      },
    },
  });
  const kvmEnabled = async (): Promise<unknown> => (await capabilities.answer()).kvmEnabled;

  expect(await kvmEnabled()).toBe("false");
  answer = says(true);
  expect(await kvmEnabled()).toBe("true");
  answer = says(false);
  nowMs += MINUTE_MS - 1;
  expect(await kvmEnabled()).toBe("true");
  expect(asked).toBe(2);
  answer = silent();
  nowMs += 1;
  expect(await kvmEnabled()).toBe("true");
  answer = says(false);
  expect(await kvmEnabled()).toBe("false");
  expect(asked).toBe(4);
});

it.each([
  ["libvirt", {}],
  ["simulated", { kind: "simulated", host: "host-a", scenario: "/scenario.json" }],
])("says that its hypervisor is %s", async (kind, hypervisor) => {
  const capabilities = new Capabilities({
    thisHost: simulatedHost("host-a", ""),
    version: "1.2.3",
    settings: () => settingsFrom(parseConfig({ hypervisor })),
    clock: { monotonicMs: () => 0, wallMs: () => 0 },
    hypervisor: { hasKvm: () => Promise.resolve(says(true)) },
  });
  expect(await capabilities.answer()).toMatchObject({ hostName: "host-a", hypervisor: kind });
});
