/**
 * One migration's state: everything that is known and wished of it, and nothing that acts. `step`
 * (step.ts) is the only writer. A hibernation (mode file) is the same state without destination,
 * bandwidth, downtime and post-copy.
 *
 *   queued <-> preparing -> starting -> running -> [postCopy] -> settling -> ended
 *
 * - queued: waits for a slot, here or (deferred) on the destination; no clock but that of admission.
 * - preparing: has a slot; the destination is asked, the first downtime is set. No call made yet.
 * - starting: the call to libvirt is out; no byte yet. The stall clock runs from here on.
 * - running: data flow.
 * - postCopy: the guest runs on the destination; nothing may abort it any more.
 * - settling: the call came back, or one that waited is to end; where the guest is decides how it ended.
 * - ended: has an outcome, for ever.
 *
 * A migration taken over (recover.ts) goes on in the phase that it had, without a call of ours: its
 * end is found by asking the place, as for a call whose connection broke.
 *
 * `stop` stands beside the phase: a cancel or the timeout is decided once, and is carried out until
 * libvirt's job is gone; from post-copy on it is only remembered, for the outcome's words. A call that
 * came back while its job goes on (its connection broke) leads from settling back to where it was.
 */
import type { Advance } from "./advance.ts";
import type { DestinationCount } from "./bandwidth.ts";
import type { Downtime, DowntimeOwner } from "./downtime.ts";
import type { JobStats } from "./job-stats.ts";
import type { Outcome } from "./outcome.ts";
import { NO_RECOVERY, type PostCopyRecovery } from "./post-copy.ts";
import type { RunState } from "./run-state.ts";
import {
  beginsWithPostCopy,
  scheduleFrom,
  type ConvergenceSchedule,
  type ScheduleState,
} from "./schedule.ts";
import type { WaitingEnd } from "./waiting.ts";
import { NOT_STALLING, type StallLedger, type StallNews, type StallReason } from "./stall.ts";

export type Phase =
  | "queued"
  | "preparing"
  | "starting"
  | "running"
  | "postCopy"
  | "settling"
  | "ended";

export interface Refusal {
  readonly code: number;
  readonly message: string;
}

export interface Stop {
  readonly why: "cancel" | "progressTimeout" | "schedule";
  readonly sinceMs: number;
  /** When libvirt last accepted the abort; null: not yet. */
  readonly acceptedAtMs: number | null;
  /** What libvirt said to the last abort that it did not accept. */
  readonly refusal: Refusal | null;
}

export interface Limits {
  readonly progressTimeoutMs: number;
  /** False: passes that do not shrink are left to a schedule that names an abort. */
  readonly timeoutJudgesPasses: boolean;
  /** 0 = no stall events. */
  readonly stallingLimitMs: number;
  readonly maxBandwidthMiBps: number;
  readonly minBandwidthMiBps: number;
  /** Post-copy without a byte for so long is stalled, said and mended. */
  readonly postcopyStallTimeoutMs: number;
}

/**
 * Why nobody can say how libvirt's call came back: it is not ours, or nobody was there. `daemonDown`:
 * the daemon was killed or restarted; `hostDown`: the host was.
 */
export type Unwatched = "daemonDown" | "hostDown" | "foreign";

/**
 * How the guest ended by itself or by somebody's hand, as libvirt's event or the shut-off reason of
 * its definition said. `crashed`: the guest panicked, or its QEMU died. `saved`: by somebody else's
 * save. `reverted`: to a snapshot in which it is off. `failed`: at a start, or libvirt gave it up.
 * `unseen`: libvirtd was not there, and could not take it up again.
 */
export type GuestStopped =
  | "shutDown"
  | "destroyed"
  | "crashed"
  | "saved"
  | "reverted"
  | "failed"
  | "unseen";

export interface PostCopy {
  readonly possible: boolean;
  /** Why it is not possible; null if it is. */
  readonly unavailableReason: string | null;
  /** The engine asked for it and libvirt has not taken it yet. */
  readonly wanted: boolean;
  /** The guest has moved over; from then on nothing can stop the migration without killing it. */
  readonly begun: boolean;
  /** What is done about one that stands still (post-copy.ts). */
  readonly recovery: PostCopyRecovery;
}

export interface CapState {
  readonly capMiBps: number | null;
  /** What libvirt holds as far as is known; null: to be set or read. */
  readonly appliedMiBps: number | null;
  readonly silentQueriesSeen: number;
  /** Timer cycles with data since the last read-back; null: never read back. */
  readonly cyclesSinceVerified: number | null;
}

export interface Migration {
  readonly vmId: string;
  readonly vmName: string;
  readonly mode: "remote" | "file";
  /** Host of the destination as the engine named it; for mode file the image's path. */
  readonly destination: string;
  readonly memoryBytes: number;
  readonly phase: Phase;
  readonly acceptedAtMs: number;
  readonly callAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly limits: Limits;
  /** The VM's state here as libvirt showed it last: in the queue, at the call, at the end. */
  readonly runState: RunState;
  /** null for mode file. */
  readonly downtime: Downtime | null;
  /** The engine's convergenceSchedule; null: none. */
  readonly schedule: ScheduleState | null;
  /** The value that the domain had before the migration; put back if it stays here. */
  readonly downtimeFoundMs: number | null;
  readonly cap: CapState;
  readonly postCopy: PostCopy;
  readonly advance: Advance | null;
  readonly stall: StallLedger;
  readonly progressPercent: number;
  readonly stats: JobStats | null;
  /** Whether libvirt answered for this VM in the last cycle. */
  readonly sampled: boolean;
  readonly stop: Stop | null;
  /** libvirt's call came back; where the guest is decides what follows. */
  readonly callReturned: boolean;
  readonly callRefusal: Refusal | null;
  readonly callSucceeded: boolean;
  /** The record in the job-completed event or of the destination. */
  readonly completedStats: JobStats | null;
  /** libvirt's lifecycle event: the domain stopped here because it was migrated, or saved. */
  readonly stoppedByJob: boolean;
  /** When the call came back; a place that nobody can tell is asked for SETTLE_MAX_MS from then. */
  readonly settlingSinceMs: number | null;
  /** null: this daemon made the call and has watched it ever since. */
  readonly unwatched: Unwatched | null;
  /** Never begun, and to end: why. Where its guest is is being asked. */
  readonly waitingEnd: WaitingEnd | null;
  readonly guestStopped: GuestStopped | null;
  /** How often in a row the guest was read to run over there, while its paused copy is left here. */
  readonly pausedCopyReads: number;
  /** How often in a row it was read to run over there. */
  readonly thereReads: number;
  /** When a read was last counted; null: none was. */
  readonly readAtMs: number | null;
  /** Since when the place was read in a row to be one that nobody can tell. */
  readonly undecidedSinceMs: number | null;
  /** When the destination last said anything of the guest's place. */
  readonly heardAtMs: number | null;
  /** The job that libvirt shows is not ours any more: somebody began another since. */
  readonly superseded: boolean;
  /** The destination keeps a slot for the guest. */
  readonly reservedThere: boolean;
  /** How often in a row it was read on neither host, or one half of a post-copy to be gone. */
  readonly lostReads: number;
  readonly sourceMigrations: number;
  readonly destinationCount: DestinationCount;
  /** n(destination) at the call, this migration included; null: not known then. */
  readonly destinationAtCall: number | null;
  /** Deferred by the destination: not before this; null: not deferred. */
  readonly retryAtMs: number | null;
  /** How often the destination had no slot or did not answer. */
  readonly deferrals: number;
  /** What it said last. */
  readonly deferralReason: string | null;
  /** Tries in a row that a port refused which nobody was ever heard at (destination.ts). */
  readonly refusedTries: number;
  /** The destination's daemon has answered this migration. */
  readonly destinationReached: boolean;
  /** When data began to flow: from then on the destination counts this migration itself. */
  readonly dataSinceMs: number | null;
  /** Effects that have not reported back: none of these is asked for twice. */
  readonly pending: readonly PendingKind[];
  readonly outcome: Outcome | null;
  /** Arrived, and nothing of the guest is left here: looked for until then, and never again. */
  readonly cleared: boolean;
  /** Why the VM that has left is spoken of no more as such; null: it is, or it has not left. */
  readonly departureOver: DepartureOver | null;
}

/** It is seen here again, or on its way back; or the engine has destroyed it. */
export type DepartureOver = "cameBack" | "destroyed";

export type PendingKind =
  | "setMaxBandwidth"
  | "readMaxBandwidth"
  | "setMaxDowntime"
  | "startPostCopy"
  | "pausePostCopy"
  | "resumePostCopy"
  | "probeAddress"
  | "destroyPausedCopy"
  | "abort"
  | "locateGuest";

/** What the daemon must do. Each `PendingKind` reports back as an `effectDone` input. */
export type Effect =
  | { readonly kind: "call"; readonly bandwidthMiBps: number; readonly postcopy: boolean }
  | { readonly kind: "setMaxBandwidth"; readonly maxBandwidthMiBps: number }
  | { readonly kind: "readMaxBandwidth" }
  | { readonly kind: "setMaxDowntime"; readonly maxDowntimeMs: number }
  | { readonly kind: "startPostCopy" }
  /** Has QEMU give up a post-copy that stands still, so that it can be resumed. */
  | { readonly kind: "pausePostCopy" }
  | { readonly kind: "resumePostCopy" }
  /** Does the destination's migration address answer a TCP connect? */
  | { readonly kind: "probeAddress" }
  /** What post-copy left here of a guest that runs elsewhere. */
  | { readonly kind: "destroyPausedCopy" }
  | { readonly kind: "abort" }
  | { readonly kind: "locateGuest" }
  | { readonly kind: "putBackDowntime"; readonly maxDowntimeMs: number }
  | { readonly kind: "removeImage" }
  | { readonly kind: "event"; readonly event: CoreEvent }
  | {
      readonly kind: "log";
      readonly level: "info" | "warn" | "error";
      readonly message: string;
      readonly fields: Readonly<Record<string, number | string | boolean | null>>;
    };

/** What the engine is told; the wire adds name, envelope and the wire's units. */
export type CoreEvent =
  | {
      readonly kind: "migrationStatus";
      readonly progressPercent: number;
      readonly postCopy: boolean;
      readonly downtimeMs: number | null;
    }
  | { readonly kind: "vmStatus"; readonly status: VmStatus }
  | { readonly kind: "stalling"; readonly stalling: StallingEvent }
  /** It cannot begin yet: at first, and when the reason changes. */
  | {
      readonly kind: "deferred";
      readonly reason: string;
      readonly deferrals: number;
      readonly retryInMs: number;
    }
  | { readonly kind: "ended"; readonly outcome: Outcome };

export type VmStatus =
  | { readonly kind: "migrationSource" }
  | { readonly kind: "savingState" }
  | { readonly kind: "postCopy" }
  | { readonly kind: "staysHere"; readonly runState: RunState }
  | { readonly kind: "down"; readonly why: DownWhy };

export type DownWhy = "migrated" | "lost" | "lostInPostCopy" | GuestStopped;

export interface StallingEvent extends StallNews {
  readonly stalledForMs: number;
  readonly stallingLimitMs: number;
  readonly reason: StallReason;
  readonly dataRemainingBytes: number;
  /** Size of the smallest productive pass; 0 before the first data. */
  readonly bestPassBytes: number;
  readonly bytesPerSecond: number;
  readonly dirtyRateBytesPerSecond: number;
  readonly pass: number;
  readonly maxDowntimeMs: number;
  readonly downtimeOwner: DowntimeOwner | null;
  readonly maxBandwidthMiBps: number;
  /** Until the hard limit, 0 once it is reached. */
  readonly timeoutInMs: number;
  /** The host has decided to abort by itself. */
  readonly aborting: boolean;
}

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

/** Time without advance; 0 before the call to libvirt, since queueing and asking do not count. */
export function stalledForMs(migration: Migration, nowMs: number): number {
  return migration.advance === null ? 0 : Math.max(0, nowMs - migration.advance.lastAdvanceAtMs);
}

export interface Stepped {
  readonly migration: Migration;
  readonly effects: readonly Effect[];
}
