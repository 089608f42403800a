/**
 * migrateChangeParams: what may be changed in which state, that nothing is applied if one part is
 * impossible, and when the stall clock starts over.
 */
import { describe, expect, it } from "vitest";
import type { Changes } from "../../src/core/input.ts";
import { FILE_REQUEST, inPhase, kinds, LIMITS, PHASES, sample } from "./fixtures.ts";

type Location = Parameters<typeof inPhase>[0];

const PARTS: Readonly<Record<string, Changes>> = {
  downtime: { downtimeMs: 900 },
  maxBandwidth: { maxBandwidthMiBps: 90 },
  stallingLimit: { stallingLimitMs: 4_000 },
  timeout: { progressTimeoutMs: 60_000 },
  "post-copy": { migrationTechnique: "post-copy" },
  "pre-copy": { migrationTechnique: "pre-copy" },
};

const ALL = ["downtime", "maxBandwidth", "stallingLimit", "timeout", "post-copy", "pre-copy"];
const IN_POST_COPY = ["stallingLimit", "timeout", "post-copy"];
const IN_FILE = ["stallingLimit", "timeout"];

function matrix(allowed: Readonly<Record<string, readonly string[]>>): [string, string, string][] {
  return Object.entries(allowed).flatMap(([phase, parts]) =>
    Object.keys(PARTS).map((part): [string, string, string] => [
      part,
      phase,
      parts.includes(part) ? "changed" : "impossible",
    ]),
  );
}

function phaseOf(name: string): Location {
  const phase = [...PHASES, "settling", "ended"].find((one) => one === name);
  if (phase === undefined) throw new Error(`no phase ${name}`);
  return phase as Location;
}

describe("part by part and state by state", () => {
  const remote = { queued: ALL, preparing: ALL, starting: ALL, running: ALL };
  it.each(matrix({ ...remote, postCopy: IN_POST_COPY }))("%s while %s: %s", (part, phase, kind) => {
    const run = inPhase(phaseOf(phase));
    const before = run.migration;
    expect(run.change(PARTS[part] ?? {})).toBe(kind);
    if (kind === "impossible") expect(run.migration).toBe(before);
  });

  const file = { queued: IN_FILE, preparing: IN_FILE, starting: IN_FILE, running: IN_FILE };
  it.each(matrix(file))("%s while a save is %s: %s", (part, phase, kind) => {
    expect(inPhase(phaseOf(phase), FILE_REQUEST).change(PARTS[part] ?? {})).toBe(kind);
  });

  it.each(["settling", "ended"] as const)("%s: nothing migrates any more", (phase) => {
    for (const changes of Object.values(PARTS)) {
      expect(inPhase(phase).change(changes)).toBe("notMigrating");
    }
  });

  it.each(["preparing", "starting", "running"] as const)(
    "%s with a cancel pending: refused",
    (phase) => {
      const run = inPhase(phase);
      run.give({ kind: "cancel" });
      for (const changes of Object.values(PARTS)) expect(run.change(changes)).toBe("impossible");
    },
  );

  it("post-copy without the flag is impossible, pre-copy is not", () => {
    const run = inPhase("running", {
      postCopy: { possible: false, unavailableReason: "tunneled" },
    });
    expect(run.change({ migrationTechnique: "post-copy" })).toBe("impossible");
    expect(run.change({ migrationTechnique: "pre-copy" })).toBe("changed");
  });
});

describe("as a whole", () => {
  it.each<[string, Changes]>([
    ["a limit and a downtime", { stallingLimitMs: 1_000, downtimeMs: 900 }],
    ["a limit and the way back", { stallingLimitMs: 1_000, migrationTechnique: "pre-copy" }],
    ["post-copy and a bandwidth", { migrationTechnique: "post-copy", maxBandwidthMiBps: 9 }],
    ["a timeout, post-copy and a downtime", { progressTimeoutMs: 1, downtimeMs: 1 }],
  ])("in post-copy %s: nothing of it is applied", (_name, changes) => {
    const run = inPhase("postCopy");
    const before = run.migration;
    expect(run.change(changes)).toBe("impossible");
    expect(run.migration).toBe(before);
  });

  it("everything at once is stored in one step", () => {
    const run = inPhase("running");
    const kind = run.change({
      downtimeMs: 900,
      maxBandwidthMiBps: 90,
      stallingLimitMs: 4_000,
      progressTimeoutMs: 60_000,
      migrationTechnique: "post-copy",
    });
    expect(kind).toBe("changed");
    expect(run.migration).toMatchObject({
      limits: {
        ...LIMITS,
        maxBandwidthMiBps: 90,
        stallingLimitMs: 4_000,
        progressTimeoutMs: 60_000,
      },
      downtime: { owner: "engine", wantedMs: 900 },
      postCopy: { wanted: true },
    });
  });

  it("what is not named stays", () => {
    const run = inPhase("running", { limits: { ...LIMITS, stallingLimitMs: 7_000 } });
    run.change({ progressTimeoutMs: 60_000 });
    expect(run.migration.limits).toMatchObject({ stallingLimitMs: 7_000, maxBandwidthMiBps: 52 });
    expect(run.migration.downtime?.wantedMs).toBe(500);
  });
});

describe("the clock starts anew", () => {
  it.each<[string, Changes, boolean]>([
    ["downtime raised by 1 ms: yes", { downtimeMs: 501 }, true],
    ["downtime equal: no", { downtimeMs: 500 }, false],
    ["downtime lowered: no", { downtimeMs: 499 }, false],
    ["maxBandwidth raised by 1 MiB/s: yes", { maxBandwidthMiBps: 53 }, true],
    ["maxBandwidth equal: no", { maxBandwidthMiBps: 52 }, false],
    ["maxBandwidth lowered: no", { maxBandwidthMiBps: 51 }, false],
    ["one raised, the other lowered: yes", { maxBandwidthMiBps: 9, downtimeMs: 501 }, true],
    ["stallingLimit: no", { stallingLimitMs: 1 }, false],
    ["timeout raised: no", { progressTimeoutMs: 99_000 }, false],
    ["post-copy wished: no, only once it begins", { migrationTechnique: "post-copy" }, false],
  ])("%s", (_name, changes, anew) => {
    const run = inPhase("running");
    run.nowMs = 8_000;
    run.change(changes);
    expect(run.migration.advance?.lastAdvanceAtMs).toBe(anew ? 8_000 : 0);
  });

  it("there is no clock to start before the call", () => {
    const run = inPhase("queued");
    run.change({ downtimeMs: 900 });
    expect(run.migration.advance).toBeNull();
  });
});

describe("carried out", () => {
  it("stored while queued, used at the start", () => {
    const run = inPhase("queued");
    run.change({ maxBandwidthMiBps: 30, downtimeMs: 900 });
    run.give({ kind: "admitted" });
    expect(run.migration.downtime?.wantedMs).toBe(900);
    const destination = {
      kind: "counted",
      migrations: 0,
      askedAtMs: Number.MAX_SAFE_INTEGER,
    } as const;
    const effects = run.give({
      kind: "prepared",
      sourceMigrations: 1,
      destination,
      runState: "running",
    });
    expect(effects).toContainEqual({ kind: "call", bandwidthMiBps: 30, postcopy: true });
  });

  it("by the next cycle at once, woken or not, until libvirt took it", () => {
    const run = inPhase("running");
    run.change({ downtimeMs: 900, maxBandwidthMiBps: 30, migrationTechnique: "post-copy" });
    const wished = ["setMaxBandwidth", "setMaxDowntime", "startPostCopy"];
    expect(kinds(run.cycle(sample(), { timer: false }))).toEqual(wished);
    run.refused("startPostCopy", "internalError");
    run.refused("setMaxDowntime", "locked");
    run.accepted("setMaxBandwidth", 30);
    expect(kinds(run.cycle(sample(), { timer: false }))).toEqual(wished.slice(1));
  });

  it("post-copy is not asked for before data flow, and the wish can be taken back", () => {
    const run = inPhase("starting");
    run.change({ migrationTechnique: "post-copy" });
    expect(kinds(run.cycle(null))).toEqual([]);
    run.change({ migrationTechnique: "pre-copy" });
    expect(kinds(run.cycle(sample()))).not.toContain("startPostCopy");
  });
});
