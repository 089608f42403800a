/** The port's contract for post-copy. */
import { expect, it } from "vitest";
import { until } from "../lab/until.ts";
import {
  begin,
  callTo,
  expectOk,
  flowing,
  refusalOf,
  SLOW_MIBPS,
  type Stage,
  stateIs,
} from "./stage.ts";

const DEADLINE_MS = 20_000;

export function postCopies(stage: () => Stage): void {
  it("is refused where the call was without it", async () => {
    const vmId = await stage().startGuest("endless");
    const ended = begin(stage(), vmId, callTo(stage()));
    await flowing(stage(), vmId);
    expect((await stage().a.startPostCopy(vmId)).kind).toBe("refused");
    expectOk(await stage().a.abortJob(vmId));
    await ended;
  });

  it("runs over there while the rest arrives; an abort is refused", async () => {
    const { a, b } = stage();
    const vmId = await stage().startGuest("quiet");
    const ended = begin(
      stage(),
      vmId,
      callTo(stage(), { postcopy: true, postcopyBandwidthMiBps: SLOW_MIBPS, persistent: true }),
    );
    await flowing(stage(), vmId);
    expectOk(await a.startPostCopy(vmId));
    await stateIs(a, vmId, "postCopy");
    await stateIs(b, vmId, "incomingPostCopy");
    expect(expectOk(await b.jobView(vmId))).toEqual({ kind: "incoming" });
    expect(refusalOf(await a.abortJob(vmId))).toBe("invalidState");
    expectOk(await ended);
    expect(expectOk(await b.runState(vmId))).toBe("running");
    await stateIs(a, vmId, "noVm");
  });

  it("whose link is cut is given up, and resumed when the link is back", async () => {
    const { a, b } = stage();
    const vmId = await stage().startGuest("quiet");
    const post = { postcopy: true, postcopyBandwidthMiBps: SLOW_MIBPS } as const;
    const ended = begin(stage(), vmId, callTo(stage(), post));
    await flowing(stage(), vmId);
    expectOk(await a.startPostCopy(vmId));
    await stateIs(b, vmId, "incomingPostCopy");
    const mend = await stage().cutMigrationLink();
    expectOk(await a.pausePostCopy(vmId));
    await stateIs(a, vmId, "postCopyFailed");
    await mend();
    expect((await ended).kind).toBe("refused");
    // libvirt answers so until the dead connection is gone on both sides.
    const resumed = await until(
      async () => {
        const result = await a.migrate(vmId, callTo(stage(), { ...post, resume: true }));
        return refusalOf(result) === "invalidState" ? undefined : result;
      },
      DEADLINE_MS,
      "it can be resumed",
    );
    expectOk(resumed);
    expect(expectOk(await b.runState(vmId))).toBe("running");
  });
}
