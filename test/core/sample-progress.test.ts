/**
 * `progress` on the wire: VDSM's table of percentages, held below 100 until the migration completed
 * and never falling.
 */
import { describe, expect, it } from "vitest";
import { progressPercent } from "../../src/core/sample.ts";
import { MIB_BYTES } from "../../src/core/units.ts";
import { inPhase, NOT_BEGUN, sample } from "./fixtures.ts";

describe("the percentage of data no longer remaining", () => {
  it.each([
    [0, 0, 0],
    [100, 100, 0],
    [99, 100, 1],
    [50, 100, 50],
    [33, 100, 67],
    [2, 100, 98],
    [1, 100, 99],
    [0, 100, 99],
    [995, 1000, 1],
    [1, 1000, 99],
    [120, 100, 0],
  ])("%i of %i remaining gives %i while it runs", (dataRemainingBytes, dataTotalBytes, percent) => {
    expect(progressPercent({ dataRemainingBytes, dataTotalBytes }, 0)).toBe(percent);
  });

  it.each([
    ["a new pass with more remaining", 90, 100, 40, 40],
    ["nothing known any more", 0, 0, 40, 40],
    ["an equal one", 60, 100, 40, 40],
    ["a higher one replaces it", 59, 100, 40, 41],
  ])("it never falls: %s", (_name, dataRemainingBytes, dataTotalBytes, previous, percent) => {
    expect(progressPercent({ dataRemainingBytes, dataTotalBytes }, previous)).toBe(percent);
  });
});

describe("in a migration", () => {
  it("0 before the first data, with the status event of the timer only", () => {
    const run = inPhase("starting");
    run.cycle(NOT_BEGUN, { timer: false });
    expect(run.events("migrationStatus")).toEqual([]);
    run.cycle(NOT_BEGUN);
    expect(run.events("migrationStatus")).toEqual([
      { kind: "migrationStatus", progressPercent: 0, postCopy: false, downtimeMs: null },
    ]);
  });

  it("keeps its value through an empty last sample and is 100 once it arrived", () => {
    const run = inPhase("running");
    run.cycle(sample({ dataTotalBytes: 100 * MIB_BYTES, remainingMiB: 0 }));
    run.cycle({ ...NOT_BEGUN, type: "none" });
    expect(run.migration.sample.progressPercent).toBe(99);
    run.callEnded(null);
    run.location({ destination: "active" });
    expect(run.events("migrationStatus").at(-1)?.progressPercent).toBe(100);
  });

  it("is not 100 after a failure", () => {
    const run = inPhase("running");
    run.callEnded("other");
    run.location({ source: "active" });
    expect(run.migration.sample.progressPercent).toBeLessThan(100);
  });
});
