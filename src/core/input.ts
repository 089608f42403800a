/**
 * Everything that can happen to a migration, as `step` is told of it: what the daemon saw, what came of
 * an effect, what a caller wants. Facts only; what they mean is step.ts's.
 */
import type { EffectDone } from "./effect.ts";
import type { Refusal } from "./refusal.ts";
import type { JobOperation, JobStats } from "./job-stats.ts";
import type { DepartureOver, DestinationCount } from "./migration.ts";
import type { Silence } from "./destination.ts";
import type { GuestStopped, Presence, RunState } from "./run-state.ts";

export interface AdvanceSample {
  readonly stats: JobStats;
  /** Monotonic time of the answer. */
  readonly atMs: number;
  /** Set for a sample asked at once on libvirt's iteration event: that event's number. */
  readonly passStart?: { readonly iteration: number; readonly tookMs: number };
}

export interface CycleInput {
  /** The timer's cycle, not one that an event woke. */
  readonly timer: boolean;
  /** The VM's job as libvirt showed it; null: libvirt did not answer for this VM. */
  readonly sample: { readonly stats: JobStats; readonly atMs: number } | null;
  /**
   * As libvirt shows the VM; absent: it does not. In `switching` the guest is paused for the switchover,
   * up to the maximum downtime: QEMU counts it as passes, but nothing is dirtied any more, and every
   * byte is advance. `postCopyFailed` is shown also while QEMU goes on (post-copy.ts).
   */
  readonly runState?: RunState;
  /** libvirt answered, and the VM is not among those that are active here. */
  readonly gone?: boolean;
  /** Outgoing and incoming migrations on this host, this one included. */
  readonly sourceMigrations: number;
  readonly destination: DestinationCount;
}

/** What was seen of the guest on both ends, asked after the call had returned. */
export interface Location {
  /**
   * `pausedCopy`: what post-copy leaves here of a guest that runs elsewhere, paused. `switching`: paused for
   * the switchover, without a job: it goes next, or goes on here. `unknown`: libvirt does not say.
   */
  readonly source: Presence | "unknown";
  /** What `source` follows from; absent: there is no such domain, or libvirt does not say. */
  readonly runState?: RunState;
  /** On the source libvirt still shows a job. */
  readonly sourceJob: boolean;
  /** `left`: it had arrived there, and has gone on or ended since. */
  readonly destination: "active" | "incoming" | "left" | "absent" | "silent" | "notAsked";
  /**
   * How libvirt says that the guest ended here: the shut-off reason of its definition. Absent: none is
   * left, or it does not say.
   */
  readonly endedHere?: "migrated" | GuestStopped;
  /** The job that libvirt shows on the source; absent: none, or it does not say. */
  readonly job?: JobOperation;
  /** Mode file, the guest not active here: whether libvirt has finished it. Absent: it cannot be read. */
  readonly image?: "complete" | "notComplete";
}

/** VM.migrateChangeParams: what is given changes, what is not stays. */
export interface Changes {
  readonly downtimeMs?: number;
  readonly migrationTechnique?: "pre-copy" | "post-copy";
  readonly stallingLimitMs?: number;
  readonly maxBandwidthMiBps?: number;
  readonly progressTimeoutMs?: number;
}

/** What each kind of input says. */
export interface InputFields {
  /** It stands in the queue, and that is written down. */
  readonly accepted: object;
  readonly admitted: object;
  /** One that waits: its VM as libvirt shows it now. */
  readonly seen: {
    readonly runState: RunState;
    readonly vmName: string;
    readonly memoryBytes: number;
    readonly stepWaitMs?: number;
  };
  /** Nothing of a guest that has arrived is left here. */
  readonly cleared: object;
  /** It had left; from now on it is what this host shows. */
  readonly departureOver: { readonly why: DepartureOver };
  /** The destination keeps a slot for the guest. */
  readonly reserved: object;
  /** The domain's own downtime, read before the first value is set. */
  readonly downtimeFound: { readonly foundMs: number };
  /** The first value, if libvirt took it. */
  readonly downtimePrepared: { readonly appliedMs: number | null };
  /** The destination has no slot, or cannot now: back into the queue, at the same place. */
  readonly deferred: { readonly retryAtMs: number; readonly reason: string };
  /** The destination's daemon has answered. */
  readonly reached: object;
  /** It gave no useful answer. `reachedBefore`: it has given one to somebody. */
  readonly unanswered: {
    readonly silence: Silence;
    readonly reachedBefore: boolean;
    /** When it is asked again, if there is no hurry. */
    readonly retryAtMs: number;
  };
  /** vars.migration_admission_timeout is over. */
  readonly notAdmitted: object;
  /** The destination was asked (or was silent): the call is to be made. */
  readonly prepared: {
    readonly sourceMigrations: number;
    readonly destination: DestinationCount;
    /** As it is now; it may have been another when the migration was accepted. */
    readonly runState: RunState;
  };
  /** It cannot be begun: the call is not made. */
  readonly notBegun: { readonly refusal: Refusal };
  readonly cycle: CycleInput;
  readonly passBegan: {
    readonly sample: AdvanceSample & {
      readonly passStart: { readonly iteration: number; readonly tookMs: number };
    };
  };
  readonly jobCompleted: { readonly stats: JobStats };
  readonly stoppedByJob: object;
  /** libvirt's lifecycle event: the guest ended here in another way. */
  readonly guestStopped: { readonly how: GuestStopped };
  /** The same: it was started here. */
  readonly guestStarted: object;
  readonly callEnded: { readonly refusal: Refusal | null };
  readonly effectDone: EffectDone;
  readonly location: {
    readonly location: Location;
    /** The destination's completed record, if it was asked and has one. */
    readonly record: JobStats | null;
  };
  /** Only if it is possible now (change.ts). `by`: who asked for it, for the record. */
  readonly change: { readonly changes: Changes; readonly by?: string };
  /** A daemon has started and found it in the journal. `after`: what ended the daemon before it. */
  readonly restore: {
    readonly after: "daemonDown" | "hostDown";
    /** How long the host is known to have been up since the last record of the migration. */
    readonly uptimeSinceMs: number;
    /** The time of its last record; null: of another boot. */
    readonly lastAtMs: number | null;
  };
  /** Another party's migration, from now on this daemon's to watch. */
  readonly adopt: { readonly stats: JobStats; readonly inPostCopy: boolean };
  /** `by`: who asked for it, for the record. */
  readonly cancel: { readonly by?: string };
  /** This daemon failed at it, and has tried again for a while. */
  readonly abandoned: object;
}

export type InputKind = keyof InputFields;

/** Any input, or one of a kind. */
export type Input<K extends InputKind = InputKind> = {
  readonly [P in K]: { readonly kind: P } & InputFields[P];
}[K];
