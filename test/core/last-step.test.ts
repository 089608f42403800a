/** Nothing remains, or libvirt has taken the guest away already: no stall event, but the hard limit. */
import { describe, expect, it } from "vitest";
import type { CycleInput } from "../../src/core/input.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import { inPhase, kinds, LIMITS, sample, type Run } from "./fixtures.ts";

const OWN = { limits: { ...LIMITS, stallingLimitMs: 1_000, progressTimeoutMs: 10_000 } };

interface View {
  readonly stats?: JobStats;
  readonly fields?: Partial<CycleInput>;
}

/** Cycles of a second each. */
function cycles(run: Run, seconds: number, { stats, fields }: View): string[] {
  return Array.from({ length: seconds }, () => {
    run.nowMs += 1_000;
    return kinds(run.cycle(stats ?? null, fields));
  }).flat();
}

const DONE = sample({ processedMiB: 10, remainingMiB: 0 });

describe("in its last step", () => {
  it.each<[string, (run: Run) => void, View]>([
    ["nothing remains", (run) => run.cycle(DONE), { stats: DONE }],
    ["nothing remained, and libvirt says nothing of the VM", (run) => run.cycle(DONE), {}],
    [
      "it stands for the switchover, and libvirt says nothing",
      () => {},
      { fields: { switchover: true } },
    ],
    ["the VM is not here any more", () => {}, { fields: { gone: true } }],
    ["libvirt said that it has left", (run) => run.give({ kind: "stoppedByJob" }), {}],
    [
      "libvirt said that the job is complete",
      (run) => run.give({ kind: "jobCompleted", stats: { ...DONE, type: "completed" } }),
      {},
    ],
  ])("%s: no stall event", (_name, before, view) => {
    const run = inPhase("running", OWN);
    before(run);
    cycles(run, 9, view);
    expect(run.events("stalling")).toEqual([]);
  });

  it("one that hangs there is ended by the hard limit all the same", () => {
    const run = inPhase("running", OWN);
    run.cycle(DONE);
    expect(cycles(run, 10, {})).toContain("abort");
    expect(run.events("stalling")).toMatchObject([{ stalling: { aborting: true } }]);
  });
});

describe("not in its last step", () => {
  it.each<[string, View]>([
    ["libvirt says nothing", {}],
    [
      "it stands for the switchover, and bytes that remain stand still",
      { fields: { switchover: true }, stats: sample({ remainingMiB: 3 }) },
    ],
  ])("%s: a stall is said", (_name, view) => {
    const run = inPhase("running", OWN);
    cycles(run, 3, view);
    expect(run.events("stalling").length).toBeGreaterThan(0);
  });

  it("a stall that was said and is over is said to be over, though nothing remains", () => {
    const run = inPhase("running", OWN);
    cycles(run, 3, {});
    run.nowMs += 1_000;
    run.cycle(DONE);
    expect(run.events("stalling").at(-1)).toMatchObject({ stalling: { progressing: true } });
  });
});
