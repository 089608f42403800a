/**
 * The checks of a chaos run find what they are meant to find: a check that never fails proves
 * nothing.
 */
import { describe, expect, it } from "vitest";
import type { HostFootprint, ProcessFootprint } from "./footprint.ts";
import { Leaks } from "./leaks.ts";
import { Ledger } from "./ledger.ts";
import { type Sample, verdict } from "./soak-figures.ts";
import { CAP_GRACE_MS, WatchRules } from "./watch-rules.ts";
import type { MigrationEntry } from "./wire.ts";

const ENTRY: MigrationEntry = {
  vmId: "v",
  mode: "remote",
  phase: "running",
  acceptedAt: "2026-01-01T00:00:00.000Z",
  progressPercent: 10,
  capAppliedMiBps: 16,
  maxBandwidthMiBps: 16,
  minBandwidthMiBps: 2,
  sourceMigrations: 1,
  destinationMigrations: 1,
  isPostCopy: false,
  hasData: true,
  stallReason: "",
  outcome: null,
};

/** What is found when this has lasted longer than the grace period. */
function faultsOf(entries: readonly MigrationEntry[], calmSinceMs: number | null = 0) {
  const rules = new WatchRules();
  const looks = [{ siteName: "host-a", entries }];
  return [0, CAP_GRACE_MS / 2, CAP_GRACE_MS].map(
    (nowMs) => rules.faults(looks, nowMs, calmSinceMs).length,
  );
}

describe("a cap above the rule's is found after the grace period", () => {
  it.each([
    { what: "it is the rule's", entries: [ENTRY], found: [0, 0, 0] },
    {
      what: "this host has two",
      entries: [{ ...ENTRY, sourceMigrations: 2 }],
      found: [0, 0, 1],
    },
    {
      what: "the destination has three",
      entries: [{ ...ENTRY, destinationMigrations: 3 }],
      found: [0, 0, 1],
    },
    {
      what: "two move data and each counts only itself",
      entries: [ENTRY, { ...ENTRY, vmId: "w" }],
      found: [0, 0, 2],
    },
    {
      what: "the floor wins",
      entries: [{ ...ENTRY, sourceMigrations: 4, minBandwidthMiBps: 20 }],
      found: [0, 0, 0],
    },
    {
      what: "it is in post-copy",
      entries: [{ ...ENTRY, sourceMigrations: 2, isPostCopy: true }],
      found: [0, 0, 0],
    },
  ])("$what", ({ entries, found }) => {
    expect(faultsOf(entries)).toEqual(found);
  });

  it("not while something is disturbed", () => {
    expect(faultsOf([{ ...ENTRY, sourceMigrations: 2 }], null)).toEqual([0, 0, 0]);
    expect(faultsOf([{ ...ENTRY, sourceMigrations: 2 }], 1)).toEqual([0, 0, 0]);
  });
});

describe("progress", () => {
  const look = (entry: Partial<MigrationEntry>) => [
    { siteName: "host-a", entries: [{ ...ENTRY, ...entry }] },
  ];

  it("a fall within one migration is found, and a new migration starts over", () => {
    const rules = new WatchRules();
    expect(rules.faults(look({}), 0, 0)).toEqual([]);
    expect(rules.faults(look({ progressPercent: 9 }), 1, 0)).toHaveLength(1);
    expect(rules.faults(look({ progressPercent: 0, acceptedAt: "later" }), 2, 0)).toEqual([]);
  });
});

describe("ends", () => {
  const fault = (accepted: number, perhaps: number, told: number): string | undefined => {
    const ledger = new Ledger();
    for (let i = 0; i < accepted; i += 1) ledger.accepted("host-a", "v");
    for (let i = 0; i < perhaps; i += 1) ledger.perhaps("host-a", "v");
    return ledger.fault("host-a", "v", told);
  };

  it.each([
    { accepted: 0, perhaps: 0, told: 0 },
    { accepted: 2, perhaps: 0, told: 2 },
    { accepted: 1, perhaps: 1, told: 1 },
    { accepted: 1, perhaps: 1, told: 2 },
  ])("as many as accepted: $accepted and perhaps $perhaps, $told reported", (each) => {
    expect(fault(each.accepted, each.perhaps, each.told)).toBeUndefined();
  });

  it.each([
    { accepted: 1, perhaps: 0, told: 0 },
    { accepted: 1, perhaps: 0, told: 2 },
    { accepted: 1, perhaps: 1, told: 3 },
    { accepted: 0, perhaps: 0, told: 1 },
  ])("too few or too many: $accepted and perhaps $perhaps, $told reported", (each) => {
    expect(fault(each.accepted, each.perhaps, each.told)).toMatch(/accepted \d/);
  });
});

describe("leaks", () => {
  const own: ProcessFootprint = { descriptors: 30, threads: 15, rssMiB: 80 };
  const host: HostFootprint = {
    libvirtClients: 4,
    mounts: 20,
    qemus: 2,
    networks: 1,
    images: [],
    journalFiles: 1,
    journalMiB: 0,
  };

  it.each([
    { what: "file descriptors", own: { ...own, descriptors: 90 }, host },
    { what: "threads", own: { ...own, threads: 40 }, host },
    { what: "connections to libvirtd", own, host: { ...host, libvirtClients: 40 } },
    { what: "mounts", own, host: { ...host, mounts: 21 } },
    { what: "QEMU processes", own, host: { ...host, qemus: 3 } },
    { what: "network namespaces", own, host: { ...host, networks: 2 } },
    { what: "images", own, host: { ...host, images: ["x.save"] } },
    { what: "MiB of journal", own, host: { ...host, journalMiB: 100 } },
  ])("of $what are found", (later) => {
    const leaks = new Leaks();
    expect(leaks.faults(own, host, 2)).toEqual([]);
    expect(leaks.faults(later.own, later.host, 2)).toEqual([expect.stringContaining(later.what)]);
  });

  it("slow growth is found within one daemon process, not across two", () => {
    const rounds = Array.from({ length: 22 }, (_, round) => 20 + round);
    const one = new Leaks();
    expect(rounds.map((each) => one.trendFault(1, each)).at(-1)).toMatch(/grew from/);
    const two = new Leaks();
    const faults = rounds.map((each, round) => two.trendFault(round < 11 ? 1 : 2, each));
    expect(faults.filter((each) => each !== undefined)).toEqual([]);
  });
});

describe("the verdict of a soak", () => {
  const samples = (grow: number): Sample[] =>
    Array.from({ length: 100 }, (_, index) => ({
      atMs: index,
      rssMiB: 80 + (index < 20 ? 0 : grow * index),
      descriptors: 30,
      threads: 15,
      libvirtClients: 4,
      journalMiB: 0,
    }));

  it.each([
    { grow: 0, flat: true },
    { grow: 0.5, flat: false },
  ])("flat: $flat with $grow MiB a sample", ({ grow, flat }) => {
    expect(verdict({ name: "host-a", samples: samples(grow) }, 100).flat).toBe(flat);
  });
});
