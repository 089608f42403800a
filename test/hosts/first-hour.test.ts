/**
 * Both hosts as shipped, without a TCP listener: a first migration fails, says why, and holds no
 * slot meanwhile.
 */
import { expect, it } from "vitest";
import { expectRunsOn, heard, useDaemons } from "./pair.ts";

const pair = useDaemons({ shipped: true });
/** libvirtd's port in the lab, where something answers. */
const LIBVIRT_PORT = 16_509;

const migrate = (vmID: string, dst: string): Promise<unknown> =>
  pair.a.call("VM.migrate", { vmID, params: { dst, stallingLimit: 10 } });

const failed = (message: RegExp): Record<string, unknown> => ({
  outcome: "failed",
  reason: "noDestination",
  code: 10,
  where: "source",
  message: expect.stringMatching(message),
});

it("a destination that listens nowhere is told to each VM, within seconds", async () => {
  const guests = await Promise.all([1, 2, 3].map(() => pair.lab.a.startGuest()));
  const [one, two, three] = guests;
  if (one === undefined || two === undefined || three === undefined) throw new Error("unreachable");
  await migrate(one.uuid, "host-b");
  await migrate(two.uuid, "host-b");

  expect((await pair.a.event("VM_migration_deferred", one.uuid)).fields).toMatchObject({
    reason: expect.stringMatching(/host-b:54321 refuses connections/),
    deferrals: 1,
    retryIn: expect.any(Number),
  });
  await pair.a.event("VM_migration_deferred", two.uuid);
  expect(await pair.a.call("VM.getMigrationStatus", { vmID: one.uuid })).toMatchObject({
    phase: "queued",
    deferrals: expect.any(Number),
    deferralReason: expect.stringMatching(/refuses/),
    status: { code: 0, message: expect.stringMatching(/refuses/) },
  });
  expect(await pair.a.call("VM.getStats", { vmID: one.uuid })).toMatchObject([
    { status: "Migration Source" },
  ]);
  // Both slots are free for a third one, whose destination answers.
  await migrate(three.uuid, `host-b:${LIBVIRT_PORT}`);
  expect(await pair.a.ended(three.uuid)).toMatchObject(failed(/no usable client certificate/));

  for (const { uuid } of [one, two]) {
    expect(await pair.a.ended(uuid, { deadlineMs: 15_000 })).toMatchObject(
      failed(/refuses connections.*addresses\.management_ip.*tried 3 times/),
    );
    const told = heard(pair.a, uuid).filter(({ name }) => name === "VM_migration_deferred");
    expect(told).toHaveLength(1);
  }
  expect(await pair.a.call("VM.getMigrationStatus", { vmID: one.uuid })).toMatchObject({
    phase: "ended",
    reason: "noDestination",
    status: { code: 10 },
  });
  await expectRunsOn(one, pair.lab.a);
});
