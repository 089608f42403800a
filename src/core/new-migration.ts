/** A migration as it is accepted: in the queue, with nothing known yet. */
import { NO_READS } from "./evidence.ts";
import { NEVER_COUNTED } from "./host-count.ts";
import type {
  ConvergenceSchedule,
  Downtime,
  Facts,
  Limits,
  Migration,
  PostCopy,
} from "./migration.ts";
import { NO_RECOVERY } from "./post-copy.ts";
import type { RunState } from "./run-state.ts";
import { beginsWithPostCopy, scheduleFrom } from "./schedule.ts";
import { NOT_STALLING } from "./stall.ts";

export interface NewMigration extends Facts {
  readonly limits: Limits;
  readonly runState: RunState;
  readonly downtime: Downtime | null;
  readonly schedule: ConvergenceSchedule | null;
  readonly postCopy: Pick<PostCopy, "possible" | "unavailableReason">;
}

/** Accepted just now, in the queue. */
export function newMigration(request: NewMigration, nowMs: number): Migration {
  const { limits, runState, downtime, schedule, postCopy, ...facts } = request;
  const begins = postCopy.possible && schedule !== null && beginsWithPostCopy(schedule);
  return {
    phase: "queued",
    facts,
    limits,
    admission: {
      acceptedAtMs: nowMs,
      retryAtMs: null,
      deferrals: 0,
      deferralReason: null,
      refusedTries: 0,
      destinationReached: false,
      reservedThere: false,
      ending: null,
    },
    call: { madeAtMs: null, returned: null },
    sample: { answered: false, stats: null, dataSinceMs: null, progressPercent: 0 },
    advance: null,
    stall: NOT_STALLING,
    stop: null,
    bandwidth: {
      capMiBps: null,
      appliedMiBps: null,
      silentQueriesSeen: 0,
      cyclesSinceVerified: null,
      sourceMigrations: 0,
      destination: NEVER_COUNTED,
      destinationAtCall: null,
    },
    downtime,
    schedule: schedule === null ? null : scheduleFrom(schedule),
    postCopy: { ...postCopy, wanted: begins, begun: false, recovery: NO_RECOVERY },
    evidence: {
      runState,
      guestStopped: null,
      stoppedByJob: false,
      superseded: false,
      record: null,
      ...NO_READS,
    },
    end: null,
    pending: [],
  };
}
