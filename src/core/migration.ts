/**
 * One migration's state, in groups: what is known about it and what is wanted, and no rule. `step`
 * (step.ts) is the only writer; each group is kept by the noun of its name. A hibernation (mode file) is
 * the same state without destination, bandwidth, downtime and post-copy.
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
 * A migration that is restored or adopted goes on in the phase that it had, without a call of ours: its
 * end is found by locating the guest, as for a call whose connection broke.
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

/** libvirt is called, and nothing has come back. */
export const CALL_OUT: readonly Phase[] = ["starting", "running", "postCopy"];

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

export interface Migration {
  readonly phase: Phase;
  readonly facts: Facts;
  readonly limits: Limits;
  readonly admission: Admission;
  readonly call: Call;
  readonly sample: Sample;
  /** null before the call. */
  readonly advance: Advance | null;
  readonly stall: StallLedger;
  /** null: nothing has decided to end it. Once decided, its reason never changes. */
  readonly stop: Stop | null;
  readonly bandwidth: Bandwidth;
  /** null for mode file. */
  readonly downtime: Downtime | null;
  /** The engine's convergenceSchedule; null: none. */
  readonly schedule: ScheduleState | null;
  readonly postCopy: PostCopy;
  readonly evidence: Evidence;
  /** Set in phase `ended`, and only there. */
  readonly end: End | null;
  /** Effects that have not reported back: each kind at most once. */
  readonly pending: readonly PendingKind[];
}

/** What is migrated, and where to. Name and memory may change while it waits, the rest never. */
export interface Facts {
  readonly vmId: string;
  readonly vmName: string;
  readonly memoryBytes: number;
  readonly mode: "remote" | "file";
  /** Host of the destination as the engine named it; for mode file the image's path. */
  readonly destination: string;
}

export interface Limits {
  readonly progressTimeoutMs: number;
  /** False: passes that do not converge are left to a schedule that contains an abort. */
  readonly timeoutJudgesPasses: boolean;
  /** 0 = no stall events. */
  readonly stallingLimitMs: number;
  readonly maxBandwidthMiBps: number;
  readonly minBandwidthMiBps: number;
  /** Post-copy with no data for this long counts as stalled. */
  readonly postcopyStallTimeoutMs: number;
}

/** How it waits for its call to libvirt. Means nothing once the call is made, except reservedThere. */
export interface Admission {
  readonly acceptedAtMs: number;
  /** Deferred by the destination: not before this; null: not deferred. */
  readonly retryAtMs: number | null;
  /** How often the destination had no slot or did not answer. */
  readonly deferrals: number;
  /** The last reason for that. */
  readonly deferralReason: string | null;
  /** Consecutive tries refused by a port where no daemon has ever answered (destination.ts). */
  readonly refusedTries: number;
  /** The destination's daemon has answered this migration. */
  readonly destinationReached: boolean;
  /** The destination keeps a slot for the guest. */
  readonly reservedThere: boolean;
  /** It never began and is to end; its guest is being located. Only in phase `settling`. */
  readonly ending: { readonly why: WaitingEnd; readonly sinceMs: number } | null;
}

/** Why a migration that waits is to end. */
export type WaitingEnd =
  /** `stop` says why. */
  | { readonly kind: "stopped" }
  | { readonly kind: "notAdmitted" }
  /** It could not be begun. */
  | { readonly kind: "notBegun"; readonly refusal: Refusal }
  /** There is nobody at the destination who could take it. */
  | { readonly kind: "noDestination"; readonly why: string; readonly tries: number };

/** libvirt's call for the migration. It may be returned without having been made here (adopt.ts). */
export interface Call {
  readonly madeAtMs: number | null;
  /** null: not made, or still out. */
  readonly returned: CallReturn | null;
}

/** It came back, or this daemon will never see it come back. Where the guest is decides what follows. */
export interface CallReturn {
  /** An unknown location is asked again for SETTLE_MAX_MS from here. */
  readonly sinceMs: number;
  readonly succeeded: boolean;
  readonly refusal: Refusal | null;
  /** null: this daemon made the call and saw it return. */
  readonly unwatched: Unwatched | null;
}

/**
 * Why nobody can tell how libvirt's call returned. `daemonDown`: the daemon was killed or restarted;
 * `hostDown`: the host was rebooted; `foreign`: another party made it.
 */
export const unwatchedReasons = ["daemonDown", "hostDown", "foreign"] as const;

export type Unwatched = (typeof unwatchedReasons)[number];

/** What libvirt last showed of the job. */
export interface Sample {
  /** Whether libvirt answered for this VM in the last cycle. */
  readonly answered: boolean;
  /** null before the first data. */
  readonly stats: JobStats | null;
  /** When data began to flow. */
  readonly dataSinceMs: number | null;
  /** Never falls; 100 only when completed. */
  readonly progressPercent: number;
}

/** Once decided it is carried out until libvirt's job is gone. Never acted upon in post-copy. */
export interface Stop {
  readonly why: StopReason;
  readonly sinceMs: number;
  /** When libvirt last accepted the abort; null: not yet. */
  readonly acceptedAtMs: number | null;
  /** What libvirt said to the last abort that it did not accept. */
  readonly refusal: Refusal | null;
}

export const stopReasons = ["cancel", "progressTimeout", "schedule"] as const;

export type StopReason = (typeof stopReasons)[number];

/** The cap, and the counts it is a share of. floor <= capMiBps <= maximum, whole MiB/s. */
export interface Bandwidth {
  /** null before the call. */
  readonly capMiBps: number | null;
  /** What libvirt holds as far as is known; null: to be set or read. */
  readonly appliedMiBps: number | null;
  /** Silent queries that the cap has already been halved for. */
  readonly silentQueriesSeen: number;
  /** Timer cycles with data since the last read-back; null: never read back. */
  readonly cyclesSinceVerified: number | null;
  /** n(source), this migration included. */
  readonly sourceMigrations: number;
  /** n(destination), as last heard. */
  readonly destination: DestinationCount;
  /** n(destination) at the call, this migration included; null: not known then. */
  readonly destinationAtCall: number | null;
}

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
  /** What libvirt accepted last; null: nothing yet. */
  readonly appliedMs: number | null;
  readonly stepsMs: readonly number[];
  /** Index of wantedMs in stepsMs. */
  readonly step: number;
  readonly stepWaitMs: number;
  /** When libvirt accepted the last step; null before step 1. */
  readonly steppedAtMs: number | null;
  /** The value that the domain had before; put back if the guest stays here. */
  readonly foundMs: number | null;
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
  /** Index of the next item of `stalling`; its length = exhausted. Only grows. */
  readonly cursor: number;
  /** The pass of the last cycle that looked. */
  readonly seenPass: number;
}

export interface PostCopy {
  readonly possible: boolean;
  /** Why it is not possible; null if it is. */
  readonly unavailableReason: string | null;
  /** It was asked for, and libvirt has not accepted it yet. False once begun. */
  readonly wanted: boolean;
  /** The guest has moved over; nothing can stop the migration any more without killing it. For good. */
  readonly begun: boolean;
  readonly recovery: PostCopyRecovery;
}

/** What is done about post-copy that has stalled (post-copy.ts). */
export interface PostCopyRecovery {
  /** The engine asked for it: pause without asking the address first. */
  readonly asked: boolean;
  /** The address has answered since the stall began. */
  readonly addressAnswers: boolean;
  readonly probedAtMs: number | null;
  /** When QEMU was last asked to give up the connection. */
  readonly pausedAtMs: number | null;
  /** QEMU has given up, or had nothing to give up: only then may it be resumed. */
  readonly paused: boolean;
  /** Resumes. */
  readonly attempts: number;
  readonly triedAtMs: number | null;
  /** What libvirt said last. */
  readonly refusalMessage: string | null;
}

/** What is known of where the guest is; `...Reads` count consecutive reads that agree (evidence.ts). */
export interface Evidence {
  /** The VM's state here as libvirt showed it last: in the queue, at the call, at the end. */
  readonly runState: RunState;
  readonly guestStopped: GuestStopped | null;
  /** libvirt said that the domain stopped here because it was migrated, or saved. */
  readonly stoppedByJob: boolean;
  /** The job that libvirt shows is another party's, begun since. For good, within one boot. */
  readonly superseded: boolean;
  /** The completed record: of the job-completed event, or of the destination. */
  readonly record: JobStats | null;
  /** The guest runs over there, and its paused copy is left here. */
  readonly pausedCopyReads: number;
  /** The guest runs over there. */
  readonly thereReads: number;
  /** On neither host, or one half of a post-copy gone. */
  readonly lostReads: number;
  /** When a read was last counted; null: none was. */
  readonly readAtMs: number | null;
  /** Since when each read left the location undecided. */
  readonly undecidedSinceMs: number | null;
  /** When the destination last said anything about the guest. */
  readonly heardAtMs: number | null;
}

export interface End {
  readonly outcome: Outcome;
  readonly atMs: number;
  /** It has arrived and nothing of the guest is left here: looked for until then, never again. */
  readonly cleared: boolean;
  /** Why the VM is no longer reported as one that has left; null: it is, or it has not left. */
  readonly departureOver: DepartureOver | null;
}

/** It is seen here again, or on its way back; or the engine has destroyed it. */
export const departureEnds = ["cameBack", "destroyed"] as const;

export type DepartureOver = (typeof departureEnds)[number];

export interface StallLedger {
  /** Multiple of the limit last announced in this stall; 0 = none. */
  readonly announcedCount: number;
  /** An event went out in this stall, so its end is news too. */
  readonly announced: boolean;
  /** In post-copy: the hard limit was announced in this stall. */
  readonly timeoutAnnounced: boolean;
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

/** Time without advance; 0 before the call to libvirt, since queueing and asking do not count. */
export function stalledForMs(migration: Migration, nowMs: number): number {
  return migration.advance === null ? 0 : Math.max(0, nowMs - migration.advance.lastAdvanceAtMs);
}
