/** What VM.getMigrationStatus says of a migration that its destination deferred. */
import { expect, it } from "vitest";
import { migrationStatus } from "../../src/wire/migration-answer.ts";
import { inPhase } from "../core/fixtures.ts";

it("the reason of a deferral is told as long as it waits, how often for ever", () => {
  const run = inPhase("preparing");
  run.give({ kind: "deferred", retryAtMs: run.nowMs + 5_000, reason: "full" });
  expect(migrationStatus(run.migration, run.nowMs)).toMatchObject({
    phase: "queued",
    deferrals: 1,
    deferralReason: "full",
    retryIn: 5,
  });

  run.give({ kind: "admitted" });
  const destination = { kind: "unknown", silentQueries: 0 } as const;
  run.give({ kind: "prepared", sourceMigrations: 1, destination, runState: "running" });
  const begun = migrationStatus(run.migration, run.nowMs);
  expect(begun).toMatchObject({ phase: "starting", deferrals: 1 });
  expect(begun).not.toHaveProperty("deferralReason");
  expect(begun).not.toHaveProperty("retryIn");
});
