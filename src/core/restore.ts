/**
 * A migration as the journal of an earlier daemon left it. Nobody saw libvirt's call return and nobody
 * will: the end is found by locating the guest, and an unknown cause of failure is reported as such.
 *
 * Within the same boot all monotonic times stay valid; the first sample shows what moved meanwhile.
 * Requests that were on their way to libvirt may or may not have arrived, so they are made again.
 */
import { advanceFrom } from "./advance.ts";
import { NEVER_COUNTED } from "./host-count.ts";
import type { Advance, Migration } from "./migration.ts";

/** `after`: what ended the daemon before this one. */
export function restored(
  migration: Migration,
  after: "daemonDown" | "hostDown",
  nowMs: number,
): Migration {
  return after === "daemonDown" ? afterRestart(migration, nowMs) : afterReboot(migration, nowMs);
}

/** Only the daemon was restarted. Ended ones stay as they are. */
function afterRestart(migration: Migration, nowMs: number): Migration {
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
 * The host was rebooted: its guests are gone or were started again, and monotonic timestamps from
 * before the reboot are meaningless. All that is left to find out is whether the guest had arrived.
 */
function afterReboot(migration: Migration, nowMs: number): Migration {
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
