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
 * A migration taken over goes on in the phase that it had, without a call of ours: its
 * end is found by asking the place, as for a call whose connection broke.
 *
 * `stop` stands beside the phase: a cancel or the timeout is decided once, and is carried out until
 * libvirt's job is gone; from post-copy on it is only remembered, for the outcome's words. A call that
 * came back while its job goes on (its connection broke) leads from settling back to where it was.
 */
import type { PendingKind } from "./effect.ts";
import type { Refusal } from "./refusal.ts";
import type { DowntimeOwner, Outcome } from "./event.ts";
import type { JobStats } from "./job-stats.ts";
import type { GuestStopped, RunState } from "./run-state.ts";

export const phases = [
  "queued",
  "preparing",
  "starting",
  "running",
  "postCopy",
  "settling",
  "ended",
] as const;

export type Phase = (typeof phases)[number];

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

/** Time without advance; 0 before the call to libvirt, since queueing and asking do not count. */
export function stalledForMs(migration: Migration, nowMs: number): number {
  return migration.advance === null ? 0 : Math.max(0, nowMs - migration.advance.lastAdvanceAtMs);
}

/** Why one that waits is to end. */
export type WaitingEnd =
  /** `stop` says why. */
  | { readonly kind: "stopped" }
  | { readonly kind: "notAdmitted" }
  /** It could not be begun. */
  | { readonly kind: "notBegun"; readonly refusal: Refusal }
  /** Nobody is at the destination who could take it. */
  | { readonly kind: "noDestination"; readonly why: string; readonly tries: number };

/** What the destination last said, as one migration sees it. */
export type DestinationCount =
  /** Not asked successfully yet. */
  | { readonly kind: "unknown"; readonly silentQueries: number }
  | { readonly kind: "counted"; readonly migrations: number; readonly askedAtMs: number }
  /** Was counted once, silent since; `silentQueries` grows by one with each silent query. */
  | { readonly kind: "silent"; readonly silentQueries: number };

export interface Downtime {
  readonly owner: DowntimeOwner;
  /** What libvirt is to hold; null: what the domain has. */
  readonly wantedMs: number | null;
  /** What libvirt took last; null: nothing yet. */
  readonly appliedMs: number | null;
  readonly stepsMs: readonly number[];
  readonly step: number;
  readonly stepWaitMs: number;
  /** When the last step was taken by libvirt; null before step 1. */
  readonly steppedAtMs: number | null;
}

export type ScheduleAction =
  | { readonly kind: "setDowntime"; readonly downtimeMs: number }
  | { readonly kind: "postcopy" }
  | { readonly kind: "abort" };

export interface ScheduleItem {
  /** Due when more than this many passes have begun after the first; -1 = at the next new pass. */
  readonly limitPasses: number;
  readonly action: ScheduleAction;
}

export interface ConvergenceSchedule {
  readonly init: readonly ScheduleAction[];
  readonly stalling: readonly ScheduleItem[];
}

export interface ScheduleState {
  readonly schedule: ConvergenceSchedule;
  /** Index of the next item of `stalling`; its length = exhausted. */
  readonly cursor: number;
  /** The pass of the last cycle that looked. */
  readonly seenPass: number;
}

export interface StallLedger {
  /** Multiple of the limit last announced in this stall; 0 = none. */
  readonly announcedCount: number;
  /** An event went out in this stall, so its end is news too. */
  readonly announced: boolean;
  /** In post-copy: the hard limit was announced in this stall. */
  readonly timeoutAnnounced: boolean;
}

export interface PostCopyRecovery {
  /** The engine asked: pause without asking the address first. */
  readonly asked: boolean;
  /** The address has answered since the stall began. */
  readonly addressAnswers: boolean;
  readonly probedAtMs: number | null;
  /** When QEMU was last asked to give up. */
  readonly pausedAtMs: number | null;
  /** QEMU has given up, or said that there is nothing to give up: only then may it be resumed. */
  readonly paused: boolean;
  /** Resumes. */
  readonly attempts: number;
  readonly triedAtMs: number | null;
  /** What libvirt said last. */
  readonly refusalMessage: string | null;
}

/**
 * `unknown`: a sweep was done when it began and its size is not known, so it counts as unproductive
 * unless it proves productive; `undecided`: it is not seen to be productive, in mid-sweep.
 */
export type PassVerdict = "unknown" | "undecided" | "productive" | "unproductive";

export interface Advance {
  /** memory_iteration of pass 1; null before the first data. */
  readonly firstIteration: number | null;
  /** 1 is the first sweep; 0 before the first data. */
  readonly pass: number;
  readonly passSeenAtMs: number;
  /** What remained as this pass began; null until known. */
  readonly passSizeBytes: number | null;
  readonly verdict: PassVerdict;
  /** Size of the last productive pass. */
  readonly bestPassBytes: number | null;
  /** Each began a sweep or more after the one before. */
  readonly unproductiveInARow: number;
  /** Since the last productive pass, or the last one that counted as unproductive. */
  readonly sweep: Sweep;
  readonly processedBytes: number;
  /** Whether the last sample showed more bytes sent than the one before. */
  readonly bytesMoving: boolean;
  readonly lastByteAtMs: number;
  readonly lastAdvanceAtMs: number;
  readonly sampledAtMs: number;
  /**
   * When somebody looks again who was away for a while; null once there was a sample since. Passes
   * that came and went meanwhile say nothing.
   */
  readonly gapEndedAtMs: number | null;
}

export interface Sweep {
  /** Since the job began; never falls. */
  readonly handledBytes: number;
  /** They are pages; false as long as the bytes processed stand in for them. */
  readonly inPages: boolean;
  /** handledBytes once the sweep that is judged is done; null: not known before the next sample. */
  readonly endBytes: number | null;
  /** Sweeps begun so far: with one synchronisation a pass, the number of the pass. */
  readonly number: number;
  /** handledBytes from which on the next boundary begins another sweep. */
  readonly nextBytes: number | null;
}
