/**
 * Reservations over restarts: each daemon's first segment has those of before, so that they outlive
 * the segments they were written in.
 */
import { rmSync } from "node:fs";
import { expect, it } from "vitest";
import { segmentPath } from "../../../src/journal/segments.ts";
import { IncomingSlots } from "../../../src/monitor/incoming/slots.ts";
import { desk, OTHER_VM, VM, type Desk } from "../../journal/fixtures.ts";

const reservation = { vmId: VM, source: "host2", reservedAtMs: 7 };
const other = { vmId: OTHER_VM, source: "host3", reservedAtMs: 9 };

/** The next daemon, as main.ts has it: what was known first, then a segment with all that is live. */
async function taken(from: Desk): Promise<{ readonly own: Desk; readonly slots: IncomingSlots }> {
  await from.journal.close();
  const own = from.restarted();
  const notAsked = (): never => {
    throw new Error("nobody comes in here");
  };
  const slots = new IncomingSlots({
    hostView: { refresh: notAsked, views: notAsked, transfer: notAsked },
    settings: notAsked,
    clock: own.clock,
    log: own.log,
    journal: own.migrations,
  });
  slots.restore((await own.replayed()).reservations);
  await own.journal.begin({
    epoch: own.epoch,
    nextSeq: () => own.nextSeq,
    carried: () => [own.migrations.slotsRecord()],
  });
  return { own, slots };
}

it("those of the daemon that ran before are known to the one after the next, too", async () => {
  const first = await desk();
  first.migrations.slots(
    new Map([
      [VM, reservation],
      [OTHER_VM, other],
    ]),
  );
  const second = await taken(first);
  const third = await taken(second.own);
  rmSync(segmentPath(first.folder, 1));
  rmSync(segmentPath(first.folder, 2));
  expect((await third.own.replayed()).reservations).toEqual([reservation, other]);
  third.slots.release(VM);
  const fourth = await taken(third.own);
  expect((await fourth.own.replayed()).reservations).toEqual([other]);
});
