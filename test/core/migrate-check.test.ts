/** What VM.migrateCheck's answers mean: the words and whether they stand in the way. */
import { describe, expect, it } from "vitest";
import {
  type DiskFact,
  type Findings,
  bandwidthFinding,
  checkNames,
  checksOf,
  disksFinding,
  good,
  hostDevicesFinding,
  slotFinding,
} from "../../src/core/migrate-check.ts";

it("every check is there, in the table's order", () => {
  const findings = Object.fromEntries(checkNames.map((name) => [name, good(name)])) as Findings;
  expect(checksOf(findings)).toEqual(
    checkNames.map((check) => ({ check, ok: true, detail: check })),
  );
});

describe("slotFinding", () => {
  it.each([
    [0, 2, 0, true],
    [1, 2, 0, true],
    [2, 2, 0, false],
    [3, 2, 0, false],
    [1, 2, 1, false],
    [null, 2, 0, null],
    [1, null, 0, null],
  ])("%j of %j in use, %d waiting: %j", (inUse, limit, queued, ok) => {
    expect(slotFinding(inUse, limit, queued).ok).toBe(ok);
  });
});

describe("bandwidthFinding", () => {
  const rule = { maxBandwidthMiBps: 52, minBandwidthMiBps: 10 };
  it.each([
    [1, 0, /^52 MiB\/s of 52: 1 migrations here, 1 there/],
    [1, 1, /^26 MiB\/s/],
    [4, 0, /^13 MiB\/s/],
    [6, 0, /^10 MiB\/s.*floor/],
    [2, null, /^26 MiB\/s.*unknown there/],
  ])("%d here, %j there", (here, there, detail) => {
    expect(bandwidthFinding(rule, here, there)).toEqual({
      ok: true,
      detail: expect.stringMatching(detail),
    });
  });
});

describe("disksFinding", () => {
  const disk = (kind: DiskFact["kind"]): DiskFact => ({
    target: "vda",
    source: "/x",
    kind,
    why: kind,
  });
  it.each<[DiskFact[], boolean | null]>([
    [[], true],
    [[disk("safe")], true],
    [[disk("safe"), disk("unknown")], null],
    [[disk("unknown"), disk("local")], false],
  ])("%#", (disks, ok) => expect(disksFinding(disks).ok).toBe(ok));
});

it("hostDevicesFinding", () => {
  expect(hostDevicesFinding([])).toEqual({ ok: true, detail: "none" });
  expect(hostDevicesFinding(["pci device"]).ok).toBeNull();
});
