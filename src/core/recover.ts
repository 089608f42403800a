/**
 * A migration as a journal left it, or one that somebody else began, brought under watch. Nobody
 * saw libvirt's call come back, and nobody will: its end is found by asking the place, and where the
 * reason for a failure is not known, that is said.
 *
 * Within one boot every clock goes on as if nothing had happened: the first sample shows what moved
 * meanwhile. What was on its way to libvirt may or may not have arrived, so it is wished for again.
 */
import { advanceFrom } from "./advance.ts";
import { downtimeBySchedule } from "./downtime.ts";
import { NEVER_COUNTED } from "./host-count.ts";
import { type JobStats, isOutgoing } from "./job-stats.ts";
import type { Advance, Limits, Migration } from "./migration.ts";
import { newMigration } from "./new-migration.ts";

/** The daemon was started anew, the host was not. Ended ones stay as they are. */
export function takenOver(migration: Migration, nowMs: number): Migration {
  if (migration.phase === "ended") return { ...migration, pending: [] };
  if (migration.callAtMs === null) return backInTheQueue(migration);
  return {
    ...migration,
    pending: [],
    sampled: false,
    callReturned: true,
    unwatched: migration.unwatched ?? "daemonDown",
    settlingSinceMs: nowMs,
    // What cannot be taken back follows from what this daemon has read itself.
    pausedCopyReads: 0,
    thereReads: 0,
    lostReads: 0,
    readAtMs: null,
    undecidedSinceMs: null,
    heardAtMs: null,
    // Silent queries are counted anew by the new daemon.
    destinationCount: NEVER_COUNTED,
    cap: { ...migration.cap, appliedMiBps: null, silentQueriesSeen: 0, cyclesSinceVerified: null },
    advance: migration.advance === null ? null : { ...migration.advance, gapEndedAtMs: nowMs },
  };
}

/** Nothing of it has reached libvirt: it begins, or ends, as any other that waits. */
function backInTheQueue(migration: Migration): Migration {
  return {
    ...migration,
    phase: "queued",
    pending: [],
    waitingEnd: null,
    undecidedSinceMs: null,
    pausedCopyReads: 0,
    thereReads: 0,
    lostReads: 0,
  };
}

/**
 * The host was restarted: its guests are gone, or were started anew, and monotonic times of before
 * mean nothing. What is left to find out is whether the guest had arrived.
 */
export function afterReboot(migration: Migration, nowMs: number): Migration {
  if (migration.phase === "ended") {
    // Times of the boot before mean nothing in this one: what counts from its end begins anew.
    return {
      ...migration,
      pending: [],
      acceptedAtMs: nowMs,
      endedAtMs: nowMs,
      thereReads: 0,
      readAtMs: null,
    };
  }
  return {
    ...migration,
    phase: "settling",
    pending: [],
    sampled: false,
    callReturned: true,
    unwatched: "hostDown",
    waitingEnd: null,
    acceptedAtMs: nowMs,
    callAtMs: migration.callAtMs === null ? null : nowMs,
    settlingSinceMs: nowMs,
    pausedCopyReads: 0,
    thereReads: 0,
    lostReads: 0,
    readAtMs: null,
    undecidedSinceMs: null,
    heardAtMs: null,
    reservedThere: false,
    // The domain's own value was libvirt's, and went with it.
    downtimeFoundMs: null,
    retryAtMs: null,
    stop: null,
    advance: migration.advance === null ? null : rebased(migration.advance, nowMs),
  };
}

function rebased(advance: Advance, nowMs: number): Advance {
  return { ...advanceFrom(nowMs), pass: advance.pass, processedBytes: advance.processedBytes };
}

export interface ForeignMigration {
  readonly vmId: string;
  readonly vmName: string;
  readonly memoryBytes: number;
  readonly limits: Limits;
  readonly stats: JobStats;
  /** libvirt shows the guest paused here for post-copy. */
  readonly inPostCopy: boolean;
}

/** Where a migration goes that this daemon did not begin: libvirt does not say. */
export const UNKNOWN_DESTINATION = "a host that its starter knows";

/** Somebody else's outgoing migration, from now on steered; null if it is none. */
export function adopted(foreign: ForeignMigration, nowMs: number): Migration | null {
  const { stats, inPostCopy, ...rest } = foreign;
  if (!isOutgoing(stats)) return null;
  const fresh = newMigration(
    {
      ...rest,
      mode: "remote",
      destination: UNKNOWN_DESTINATION,
      runState: "running",
      // What libvirt holds is kept until the engine says otherwise.
      downtime: downtimeBySchedule(null),
      schedule: null,
      postCopy: { possible: true, unavailableReason: null },
    },
    nowMs,
  );
  return {
    ...fresh,
    phase: inPostCopy ? "postCopy" : "starting",
    postCopy: { ...fresh.postCopy, begun: inPostCopy },
    callAtMs: nowMs - stats.timeElapsedMs,
    advance: advanceFrom(nowMs),
    callReturned: true,
    unwatched: "foreign",
    settlingSinceMs: nowMs,
  };
}
