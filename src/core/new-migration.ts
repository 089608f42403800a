/** A migration as it is accepted: in the queue, with nothing known yet. */
import type { ConvergenceSchedule, Downtime, Limits, Migration, PostCopy } from "./migration.ts";
import { NO_RECOVERY } from "./post-copy.ts";
import type { RunState } from "./run-state.ts";
import { beginsWithPostCopy, scheduleFrom } from "./schedule.ts";
import { NOT_STALLING } from "./stall.ts";

export interface NewMigration {
  readonly vmId: string;
  readonly vmName: string;
  readonly mode: "remote" | "file";
  readonly destination: string;
  readonly memoryBytes: number;
  readonly limits: Limits;
  readonly runState: RunState;
  readonly downtime: Downtime | null;
  readonly schedule: ConvergenceSchedule | null;
  readonly postCopy: Pick<PostCopy, "possible" | "unavailableReason">;
}

/** Accepted just now, in the queue. */
export function newMigration(request: NewMigration, nowMs: number): Migration {
  return {
    ...request,
    schedule: request.schedule === null ? null : scheduleFrom(request.schedule),
    postCopy: {
      ...request.postCopy,
      wanted:
        request.postCopy.possible &&
        request.schedule !== null &&
        beginsWithPostCopy(request.schedule),
      begun: false,
      recovery: NO_RECOVERY,
    },
    phase: "queued",
    acceptedAtMs: nowMs,
    callAtMs: null,
    endedAtMs: null,
    downtimeFoundMs: null,
    cap: { capMiBps: null, appliedMiBps: null, silentQueriesSeen: 0, cyclesSinceVerified: null },
    advance: null,
    stall: NOT_STALLING,
    progressPercent: 0,
    stats: null,
    sampled: false,
    stop: null,
    callReturned: false,
    callRefusal: null,
    callSucceeded: false,
    completedStats: null,
    stoppedByJob: false,
    settlingSinceMs: null,
    unwatched: null,
    waitingEnd: null,
    guestStopped: null,
    pausedCopyReads: 0,
    thereReads: 0,
    readAtMs: null,
    undecidedSinceMs: null,
    heardAtMs: null,
    superseded: false,
    reservedThere: false,
    lostReads: 0,
    sourceMigrations: 0,
    destinationCount: { kind: "unknown", silentQueries: 0 },
    destinationAtCall: null,
    retryAtMs: null,
    deferrals: 0,
    deferralReason: null,
    refusedTries: 0,
    destinationReached: false,
    dataSinceMs: null,
    pending: [],
    outcome: null,
    cleared: false,
    departureOver: null,
  };
}
