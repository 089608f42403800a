/** What a step of a migration says in the log: its story must be told there without the journal. */
import { describe, expect, it } from "vitest";
import type { Effect } from "../../../src/core/effect.ts";
import type { Migration } from "../../../src/core/migration.ts";
import { createLog } from "../../../src/logger.ts";
import { logStep } from "../../../src/monitor/migrations/run-log.ts";
import { inPhase, type Run, sample } from "../../core/fixtures.ts";

/** What a step adds to the log. */
function said(before: Migration, run: Run, effects: readonly Effect[]): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    level: "info",
    stream: { write: (line) => void lines.push(JSON.parse(line)) },
  });
  logStep(log, before, run.migration, effects);
  return lines;
}

function afterCycle(run: Run, fields: Parameters<Run["cycle"]>[1] = {}, stats = sample()) {
  const before = run.migration;
  return said(before, run, run.cycle(stats, fields));
}

describe("the log of a migration", () => {
  it("has its cap and what that is a share of, when it changes and only then", () => {
    const run = inPhase("running");
    const shared = { sourceMigrations: 2 };
    expect(afterCycle(run, shared)).toMatchObject([
      {
        msg: "bandwidth cap changed",
        level: "info",
        fromMiBps: 52,
        capMiBps: 26,
        maxBandwidthMiBps: 52,
        sourceMigrations: 2,
        destinationMigrations: 1,
      },
    ]);
    expect(afterCycle(run, shared)).toEqual([]);
  });

  it("says that a silent destination has it halved", () => {
    const run = inPhase("running");
    const destination = { kind: "silent", silentQueries: 1 } as const;
    expect(afterCycle(run, { destination })).toMatchObject([
      { msg: "bandwidth cap changed", capMiBps: 26, destination: "silent", silentQueries: 1 },
    ]);
  });

  it("has each stall with its reason, and its end", () => {
    const run = inPhase("running", {});
    run.change({ stallingLimitMs: 2_000 });
    afterCycle(run);
    run.nowMs += 2_000;
    expect(afterCycle(run)).toMatchObject([
      { msg: "migration is stalling", level: "warn", reason: "noData", count: 1, pass: 1 },
    ]);
    run.nowMs += 1_000;
    const moved = afterCycle(run, {}, sample({ processedMiB: 50 }));
    expect(moved).toMatchObject([{ msg: "migration advances again", level: "info" }]);
  });

  it("has phases, and once what is to end it", () => {
    const run = inPhase("running");
    const before = run.migration;
    expect(said(before, run, run.give({ kind: "cancel" }))).toMatchObject([
      { msg: "migration is to end", why: "cancel" },
    ]);
    const stopping = run.migration;
    expect(said(stopping, run, run.callEnded("aborted"))).toMatchObject([
      { msg: "phase changed", from: "running", to: "settling" },
    ]);
  });
});
