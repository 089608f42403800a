/**
 * The engine compares a poll's statusTime with the notify_time of the last event and drops what is
 * older: all of them are of one clock.
 */
import { expect, it } from "vitest";
import { SmallHost } from "./small-host.ts";

const GONE = "11111111-1111-4111-8111-111111111111";
const HERE = "22222222-2222-4222-8222-222222222222";
const COMING = "33333333-3333-4333-8333-333333333333";
const BASE_MS = 2 ** 31 - 1;

it("every statusTime is at least the notify_time of the events before it", async () => {
  const host = await SmallHost.up();
  host.hypervisor.put(GONE);
  host.hypervisor.put(HERE);
  await host.depart(GONE);

  const notified = Number(host.events.at(-1)?.params["notify_time"]);
  expect(notified).toBeGreaterThan(BASE_MS);
  const created = await host.service.migrationCreate({ vmId: COMING }, "host2");
  const all = await host.service.allVmStats();
  const list = await host.service.vmList();
  const answers = [await host.stats(HERE), await host.stats(GONE), ...all, ...list];
  const times = [created["params"], ...answers].map((answer) =>
    Number((answer as Record<string, unknown>)["statusTime"]),
  );
  for (const time of times) expect(time).toBeGreaterThanOrEqual(notified);
});
