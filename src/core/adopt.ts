/**
 * Another party's migration (virsh, a daemon whose journal is lost) that the engine asks this daemon to
 * look after. Its call was not made here and its return will not be seen here: the end is found by
 * locating the guest, and the destination is not known, since libvirt does not report it.
 */
import { advanceFrom } from "./advance.ts";
import { downtimeBySchedule } from "./downtime.ts";
import type { Input } from "./input.ts";
import { isOutgoing } from "./job-stats.ts";
import type { Limits, Migration } from "./migration.ts";
import { type Turn, decide } from "./turn.ts";
import { newMigration } from "./new-migration.ts";

export const UNKNOWN_DESTINATION = "a host that its starter knows";

export interface ForeignMigration {
  readonly vmId: string;
  readonly vmName: string;
  readonly memoryBytes: number;
  readonly limits: Limits;
}

/** What is known of it before it is adopted. What libvirt holds stays until the engine changes it. */
export function foreignMigration(facts: ForeignMigration, nowMs: number): Migration {
  return newMigration(
    {
      ...facts,
      mode: "remote",
      destination: UNKNOWN_DESTINATION,
      runState: "running",
      downtime: downtimeBySchedule(null),
      schedule: null,
      postCopy: { possible: true, unavailableReason: null },
    },
    nowMs,
  );
}

/** From now on it is watched and steered. Unchanged if the job is not an outgoing migration. */
export function adopted(
  migration: Migration,
  { stats, inPostCopy }: Input<"adopt">,
  turn: Turn,
): Migration {
  const { postCopy } = migration;
  const { nowMs } = turn;
  if (!isOutgoing(stats)) return migration;
  decide(turn, "adopted", "another party's job", {
    timeElapsedMs: stats.timeElapsedMs,
    inPostCopy,
  });
  const returned = {
    sinceMs: nowMs,
    succeeded: false,
    refusal: null,
    unwatched: "foreign",
  } as const;
  return {
    ...migration,
    phase: inPostCopy ? "postCopy" : "starting",
    postCopy: inPostCopy ? { ...postCopy, wanted: false, begun: true } : postCopy,
    call: { madeAtMs: nowMs - stats.timeElapsedMs, returned },
    advance: advanceFrom(nowMs),
  };
}
