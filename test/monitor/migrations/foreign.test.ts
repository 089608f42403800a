/** A migration that somebody else started, as the daemon shows it: its passes count from 1. */
import { expect, it } from "vitest";
import type { JobStats } from "../../../src/core/job-stats.ts";
import { NO_JOB } from "../small-hypervisor.ts";
import { SmallHost } from "../small-host.ts";

const VM = "11111111-1111-4111-8111-111111111111";

function outgoing(fields: Partial<JobStats>): JobStats {
  return { ...NO_JOB, type: "unbounded", operation: "migrationOut", ...fields };
}

const passOf = async (host: SmallHost): Promise<number | undefined> =>
  (await host.service.migrations()).find(({ phase }) => phase === "foreign")?.pass;

it("counts passes from the first one whose data flow, anew for each job", async () => {
  const host = await SmallHost.up();
  // libvirt has a number, of the job before or 0, from the start.
  for (const [memoryIteration, dataTotalBytes, pass] of [
    [0, 0, 0],
    [1, 2 ** 30, 1],
    [2, 2 ** 30, 2],
    [4, 2 ** 30, 4],
    [0, 0, 0],
    [1, 2 ** 30, 1],
  ] as const) {
    host.hypervisor.put(VM, {}, outgoing({ memoryIteration, dataTotalBytes }));
    await host.until(
      async () => ((await passOf(host)) === pass ? pass : undefined),
      `pass ${pass} at iteration ${memoryIteration}`,
    );
  }
  host.hypervisor.put(VM);
  await host.until(async () => ((await passOf(host)) === undefined ? true : undefined), "none");
  // The number goes on where a job of before was cancelled.
  host.hypervisor.put(VM, {}, outgoing({ memoryIteration: 9, dataTotalBytes: 2 ** 30 }));
  expect(await host.until(() => passOf(host), "the next one")).toBe(1);
});
