/**
 * VM.explainMigration: why a migration went the way it did, read from the journal. Every decision with its
 * rule, numbers and time, after a restart too and long after the end, as far back as the segments go.
 */
import { isoTime } from "../../clock.ts";
import type { LineFilter, Segment } from "../../journal/segments.ts";
import { decisionsIn, replay, type ExplainedDecision, type ReplayedMigration } from "./replay.ts";
import type { Explanation } from "../../wire/results.ts";
import type { ExplainQuestion } from "../service.ts";

/** A longer explanation is cut in the middle. */
export const DECISIONS_TOLD_MAX = 2_000;
const FIRST_TOLD = 200;
/** At most this many other migrations of the VM are listed, the latest. */
const OTHERS_TOLD_MAX = 50;

/**
 * Reads the journal twice, so that only what the answer needs is parsed: first which migrations the VM
 * had, then what was decided in the one in question and how the others ended.
 */
export async function explainFrom(
  read: (wanted: LineFilter) => Promise<readonly Segment[]>,
  question: ExplainQuestion,
  journal: string,
): Promise<Explanation | null> {
  const { vmId } = question;
  const begun = await read((line) => line.startsWith(MIGRATION_LINE) && line.includes(vmId));
  const ids = new Set(replay(begun, "").migrations.map(({ id }) => id));
  if (ids.size === 0) return null;
  const asked = question.migrationId ?? [...ids].at(-1);
  const wanted = (line: string): boolean => {
    const id = idIn(line);
    if (id === null || !ids.has(id)) return false;
    return !line.startsWith(STEP_LINE) || line.includes(id === asked ? DECISIONS : OUTCOME);
  };
  return explain(await read(wanted), question, journal);
}

/** MigrationJournal writes `k` first, then `id`. */
const MIGRATION_LINE = '{"k":"migration","id":"';
const STEP_LINE = '{"k":"step","id":"';
const DECISIONS = '"x":[';
const OUTCOME = '"rule":"outcome"';

function idIn(line: string): string | null {
  for (const start of [STEP_LINE, MIGRATION_LINE]) {
    if (line.startsWith(start)) return line.slice(start.length, line.indexOf('"', start.length));
  }
  return null;
}

/** null: no such migration in the journal. `journal`: "ok", or why it cannot be written. */
export function explain(
  segments: readonly Segment[],
  { vmId, migrationId }: ExplainQuestion,
  journal: string,
): Explanation | null {
  const known = replay(segments, "").migrations.filter(({ request }) => request.vmId === vmId);
  const asked = migrationId === null ? known.at(-1) : known.find(({ id }) => id === migrationId);
  if (asked === undefined) return null;
  const decisions = decisionsIn(segments, asked.id);
  const first = decisions[0];
  const told =
    decisions.length <= DECISIONS_TOLD_MAX
      ? decisions
      : [...decisions.slice(0, FIRST_TOLD), ...decisions.slice(FIRST_TOLD - DECISIONS_TOLD_MAX)];
  const others = known.filter((each) => each !== asked);
  return {
    ...summary(asked),
    vmId,
    journal,
    // Its beginning may have been in a segment that is gone.
    complete: first?.rule === "accepted",
    omitted: decisions.length - told.length,
    decisions: told.map((decision) => ({
      time: isoTime(decision.wallMs),
      afterMs: afterMs(first ?? decision, decision),
      rule: decision.rule,
      what: decision.what,
      numbers: decision.numbers,
    })),
    others: others.slice(-OTHERS_TOLD_MAX).map(summary),
  };
}

/** null: the host was rebooted in between, and no monotonic clock spans that. */
function afterMs(first: ExplainedDecision, later: ExplainedDecision): number | null {
  return first.bootId === later.bootId ? Math.round(later.atMs - first.atMs) : null;
}

function summary({
  id,
  request,
  migration,
  acceptedAtWallMs,
}: ReplayedMigration): Explanation["others"][number] {
  return {
    migrationId: id,
    acceptedAt: isoTime(acceptedAtWallMs),
    dst: request.dst,
    outcome: migration.end?.outcome.outcome ?? "none",
    reason: migration.end?.outcome.reason ?? "none",
  };
}
