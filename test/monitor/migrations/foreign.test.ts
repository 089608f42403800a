/** A migration that somebody else started, as the daemon shows it: its passes count from 1. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import type { JobStats } from "../../../src/core/job-stats.ts";
import { NO_JOB } from "../small-hypervisor.ts";
import { SmallHost, WELCOMING } from "../small-host.ts";
import { called, handClock, move, pass, vm } from "../../journal/formats/scenes.ts";

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

it("is not what a look from before its end shows of a migration of our own", async () => {
  const clock = handClock(100_000);
  const vars = { migration_monitor_interval: 1 };
  const host = await SmallHost.up({ clock, vars, destination: WELCOMING });
  // The second one keeps the loop going, so that no question has a look of its own.
  for (const n of [1, 2]) {
    host.hypervisor.put(vm(n));
    await host.migrate(vm(n));
    await called(host, n);
    move(host, n, 10);
  }
  await pass(host, 1);
  await host.service.cancel(vm(1), "a test");
  await host.until(() => host.told("VM_migration_ended", vm(1)).length > 0 || undefined, "its end");
  const phases = async (): Promise<readonly string[]> =>
    (await host.service.migrations(vm(1))).map(({ phase }) => phase);
  expect(await phases()).toEqual(["ended"]);

  // Somebody else's, later: it is asked in turn.
  host.hypervisor.put(vm(1), {}, outgoing({ memoryIteration: 1, dataTotalBytes: 2 ** 30 }));
  await pass(host, 11);
  expect(await phases()).toEqual(["ended", "foreign"]);
});

/** What it has of the return of the call. */
function returns({ folder }: SmallHost): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(path.join(folder, name), "utf8").split("\n"))
    .filter((line) => line.startsWith('{"k":"step"') && line.includes('"returned":'));
}

it("adopted, it is located in each cycle, which is no news for the journal", async () => {
  const host = await SmallHost.up();
  const job = outgoing({ memoryIteration: 1, dataTotalBytes: 2 ** 30 });
  host.hypervisor.put(VM, {}, job);
  await host.until(() => passOf(host), "it is seen");
  await host.service.changeParams(VM, { progressTimeoutMs: 60_000 }, "a test");
  const cycles = async (count: number): Promise<void> => {
    const from = host.told("VM_migration_status", VM).length;
    const seen = (): number => host.told("VM_migration_status", VM).length - from;
    await host.until(() => seen() >= count || undefined, `${count} cycles`);
  };
  await cycles(3);
  const before = returns(host);
  await cycles(5);
  expect(returns(host)).toEqual(before);
});
