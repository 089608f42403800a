/**
 * What throws where nothing may: a port that throws for one VM costs that VM's migration alone. The
 * others are begun, watched and ended; the log says once what it was; and where the fault goes away
 * the migration that had it goes on.
 */
import { expect, it } from "vitest";
import { Defects, DEFECT_LOGGED_EVERY_MS } from "../../src/defects.ts";
import { MissedInputs } from "../../src/monitor/migrations/missed-inputs.ts";
import { Watchers } from "../../src/monitor/migrations/watchers.ts";
import { SmallHost, SteppingClock, WELCOMING } from "./small-host.ts";
import type { SmallHypervisor } from "./small-hypervisor.ts";

const BAD = "11111111-1111-4111-8111-111111111111";
const GOOD = "22222222-2222-4222-8222-222222222222";

async function pair(): Promise<SmallHost> {
  const host = await SmallHost.up({ destination: WELCOMING });
  host.hypervisor.put(BAD);
  host.hypervisor.put(GOOD);
  return host;
}

function defectLines(host: SmallHost, vmId: string): readonly string[] {
  return host.lines.filter((line) => line.includes("unexpected error") && line.includes(vmId));
}

/** Its call is out, and comes back with the guest gone. */
async function expectDeparts(host: SmallHost, vmId: string): Promise<void> {
  await host.until(() => host.hypervisor.out.has(vmId) || undefined, `the call of ${vmId}`);
  host.hypervisor.leave(vmId);
  expect(await host.event("VM_migration_ended", vmId)).toMatchObject({ outcome: "completed" });
}

type Port = Parameters<SmallHypervisor["faults"]["add"]>[0];

it.each<[string, readonly Port[]]>([
  ["looking at it before its call", [`vmDetails ${BAD}`, `runState ${BAD}`]],
  ["its XML", [`domainXml ${BAD}`]],
  ["its first downtime", [`maxDowntimeMs ${BAD}`]],
  ["its call", [`migrate ${BAD}`]],
])("%s throws: it fails alone, and the cause is logged", async (_name, faults) => {
  const host = await pair();
  // Accepted while all is well.
  const accepted = host.migrate(BAD);
  host.hypervisor.onCall = (call) => {
    if (call !== `jobView ${BAD}`) return;
    for (const fault of faults) host.hypervisor.faults.add(fault);
  };
  await accepted.catch(() => undefined);
  await host.migrate(GOOD);
  await expectDeparts(host, GOOD);
  host.hypervisor.faults.clear();
  host.hypervisor.onCall = () => undefined;
  expect(await host.event("VM_migration_ended", BAD)).toMatchObject({
    outcome: "failed",
    where: "source",
  });
  const lines = defectLines(host, BAD);
  expect(lines).not.toHaveLength(0);
  for (const line of lines) expect(line).toContain("a defect in");
});

it.each<Port>([
  `jobView ${BAD}`,
  `vmDetails ${BAD}`,
  `runState ${BAD}`,
  `setMaxBandwidth ${BAD}`,
  `maxBandwidthMiBps ${BAD}`,
  "scan *",
])("%s throws while both migrate: neither is held up", async (fault) => {
  const host = await pair();
  await host.migrate(BAD);
  await host.migrate(GOOD);
  const { hypervisor } = host;
  await host.until(() => hypervisor.out.size === 2 || undefined, "both calls");
  hypervisor.flow(BAD);
  hypervisor.faults.add(fault);
  hypervisor.tell({ kind: "passBegan", vmId: BAD, pass: 2 });
  await host.until(
    () => hypervisor.called.filter((call) => call.startsWith("scan")).length > 6 || undefined,
    "some cycles",
  );
  hypervisor.leave(GOOD);
  expect(await host.event("VM_migration_ended", GOOD)).toMatchObject({ outcome: "completed" });
  hypervisor.faults.clear();
  hypervisor.leave(BAD);
  expect(await host.event("VM_migration_ended", BAD)).toMatchObject({ outcome: "completed" });
  expect(host.lines.filter((line) => line.includes("unexpected error")).length).toBeLessThan(3);
});

it("a step that throws in each cycle keeps no other one unserved, and its own end is seen", async () => {
  const host = await pair();
  await host.migrate(BAD);
  await host.migrate(GOOD);
  await host.until(() => host.hypervisor.out.size === 2 || undefined, "both calls");
  host.hypervisor.garble(BAD);
  await host.until(() => defectLines(host, BAD)[0], "the defect is logged");
  host.hypervisor.flow(GOOD);
  const running = (each: Readonly<Record<string, unknown>>): boolean => each["phase"] === "running";
  await host.until(async () => (await host.service.migrations()).find(running), "GOOD runs");
  host.hypervisor.leave(GOOD);
  expect(await host.event("VM_migration_ended", GOOD)).toMatchObject({ outcome: "completed" });
  host.hypervisor.leave(BAD);
  expect(await host.event("VM_migration_ended", BAD)).toMatchObject({ outcome: "completed" });
  expect(defectLines(host, BAD)).toHaveLength(1);
});

it("a client's connection that throws at an event stops nothing", async () => {
  const host = await pair();
  host.onEvent = () => {
    throw new Error("a defect in the sink");
  };
  await host.migrate(GOOD);
  await expectDeparts(host, GOOD);
});

it("a destination's client that throws for one VM does not hold up another", async () => {
  let broken = true;
  const host = await SmallHost.up({
    destination: (method) => {
      if (broken && method === "VM.getStats") throw new Error("a defect in the peer client");
      return WELCOMING(method);
    },
  });
  host.hypervisor.put(BAD);
  host.hypervisor.put(GOOD);
  await host.migrate(BAD);
  await host.until(() => host.hypervisor.out.has(BAD) || undefined, "the call");
  host.hypervisor.leave(BAD);
  await host.until(() => defectLines(host, BAD)[0], "the defect is logged");
  broken = false;
  expect(await host.event("VM_migration_ended", BAD)).toMatchObject({ outcome: "completed" });
  await host.migrate(GOOD);
  await expectDeparts(host, GOOD);
});

it("a waiter whose question throws fails alone", async () => {
  const watchers = new Watchers<number>();
  const bad = watchers.waitFor(
    1,
    (value) => {
      if (value === 2) throw new Error("a defect in the question");
      return false;
    },
    60_000,
  );
  const good = watchers.waitFor(1, (value) => value === 2, 60_000);
  watchers.tell(2);
  await expect(bad).rejects.toThrow("a defect");
  expect(await good).toBe(true);
  watchers.tell(3);
  const never = watchers.waitFor(
    1,
    () => {
      throw new Error("at once");
    },
    1,
  );
  await expect(never).rejects.toThrow("at once");
});

it("the same defect is logged at once, and then once a minute with how often it was", () => {
  const clock = new SteppingClock();
  const logged: Record<string, unknown>[] = [];
  const say = (fields: Record<string, unknown>): void => void logged.push(fields);
  const log = { debug: say, info: say, warn: say, error: say, child: () => log };
  const defects = new Defects(log, clock);
  const fail = (vmId: string): null =>
    defects.contained("step", vmId, () => {
      throw new Error("broken");
    });
  for (let times = 0; times < 100; times += 1) expect(fail(BAD)).toBeNull();
  fail(GOOD);
  expect(logged).toMatchObject([
    { vmId: BAD, where: "step", repeated: 0 },
    { vmId: GOOD, where: "step", repeated: 0 },
  ]);
  clock.monotonicStepMs += DEFECT_LOGGED_EVERY_MS;
  fail(BAD);
  expect(logged[2]).toMatchObject({ vmId: BAD, repeated: 99 });
});

it("an input whose step threw is given again until it is taken", () => {
  const missed = new MissedInputs();
  const ended = { kind: "callEnded", refusal: null } as const;
  missed.note({ kind: "admitted" }, 0);
  expect(missed.sinceMs).toBeNull();
  missed.note(ended, 0);
  expect(missed.has("callEnded")).toBe(true);
  missed.giveAgain((input) => missed.note(input, 1_000));
  expect(missed.sinceMs).toBe(0);
  const given: unknown[] = [];
  missed.giveAgain((input) => given.push(input));
  expect(given).toEqual([ended]);
  expect(missed.sinceMs).toBeNull();
});
