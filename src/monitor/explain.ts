/**
 * VM.explainMigration: why a migration went as it did, read from the journal. Every decision with its
 * rule, numbers and time, also after a restart and long after the end, as far as the segments reach.
 */
import { isoTime } from "../clock.ts";
import type { Segment } from "../journal/segments.ts";
import { decisionsIn, replay, type ExplainedDecision, type ReplayedMigration } from "./replay.ts";
import type { ExplainQuestion, WireObject } from "./service.ts";

/** null: the journal knows no such migration. `journal`: "ok", or why it is not written. */
export function explain(
  segments: readonly Segment[],
  { vmId, migrationId }: ExplainQuestion,
  journal: string,
): WireObject | null {
  const known = replay(segments, "").migrations.filter(({ request }) => request.vmId === vmId);
  const asked = migrationId === null ? known.at(-1) : known.find(({ id }) => id === migrationId);
  if (asked === undefined) return null;
  const decisions = decisionsIn(segments, asked.id);
  const first = decisions[0];
  return {
    ...summary(asked),
    vmId,
    journal,
    // Older segments may be gone: then the beginning is.
    complete: first?.rule === "accepted",
    decisions: decisions.map((decision) => ({
      time: isoTime(decision.wallMs),
      afterMs: Math.round(sinceMs(first ?? decision, decision)),
      rule: decision.rule,
      what: decision.what,
      numbers: decision.numbers,
    })),
    others: known.filter((each) => each !== asked).map(summary),
  };
}

/** Of two boots only the wall clock knows. */
function sinceMs(first: ExplainedDecision, later: ExplainedDecision): number {
  return first.bootId === later.bootId ? later.atMs - first.atMs : later.wallMs - first.wallMs;
}

function summary({ id, request, migration, acceptedAtWallMs }: ReplayedMigration): WireObject {
  return {
    migrationId: id,
    acceptedAt: isoTime(acceptedAtWallMs),
    dst: request.dst,
    outcome: migration.outcome?.outcome ?? "none",
    reason: migration.outcome?.reason ?? "none",
  };
}
