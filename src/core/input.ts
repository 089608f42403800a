/**
 * Everything that can happen to a migration, as `step` is told of it: what the daemon saw, what came of
 * an effect, what a caller wants. Facts only; what they mean is step.ts's.
 */
import type { AdvanceSample } from "./advance.ts";
import type { DestinationCount } from "./bandwidth.ts";
import type { CycleInput } from "./cycle.ts";
import type { Silence } from "./destination.ts";
import type { EffectDone } from "./effect-done.ts";
import type { JobStats } from "./job-stats.ts";
import type { DepartureOver, GuestStopped, Refusal } from "./migration.ts";
import type { Location } from "./location.ts";
import type { RunState } from "./run-state.ts";

export type Input =
  /** It stands in the queue, and that is written down. */
  | { readonly kind: "accepted" }
  | { readonly kind: "admitted" }
  /** One that waits: its VM as libvirt shows it now. */
  | {
      readonly kind: "seen";
      readonly runState: RunState;
      readonly vmName: string;
      readonly memoryBytes: number;
      readonly stepWaitMs?: number;
    }
  /** Nothing of a guest that has arrived is left here. */
  | { readonly kind: "cleared" }
  /** It had left; from now on it is what this host shows. */
  | { readonly kind: "departureOver"; readonly why: DepartureOver }
  /** The destination keeps a slot for the guest. */
  | { readonly kind: "reserved" }
  /** The domain's own downtime, read before the first value is set. */
  | { readonly kind: "downtimeFound"; readonly foundMs: number }
  /** The first value, if libvirt took it. */
  | { readonly kind: "downtimePrepared"; readonly appliedMs: number | null }
  /** The destination has no slot, or cannot now: back into the queue, at the same place. */
  | { readonly kind: "deferred"; readonly retryAtMs: number; readonly reason: string }
  /** The destination's daemon has answered. */
  | { readonly kind: "reached" }
  /** It gave no useful answer. `reachedBefore`: it has given one to somebody. */
  | {
      readonly kind: "unanswered";
      readonly silence: Silence;
      readonly reachedBefore: boolean;
      /** When it is asked again, if there is no hurry. */
      readonly retryAtMs: number;
    }
  /** vars.migration_admission_timeout is over. */
  | { readonly kind: "notAdmitted" }
  /** The destination was asked (or was silent): make the call. */
  | {
      readonly kind: "begin";
      readonly sourceMigrations: number;
      readonly destination: DestinationCount;
      /** As it is now; it may have been another when the migration was accepted. */
      readonly runState: RunState;
    }
  /** It cannot be begun: the call is not made. */
  | { readonly kind: "notBegun"; readonly refusal: Refusal }
  | ({ readonly kind: "cycle" } & CycleInput)
  | {
      readonly kind: "passBegan";
      readonly sample: AdvanceSample & {
        readonly passStart: { readonly iteration: number; readonly tookMs: number };
      };
    }
  | { readonly kind: "jobCompleted"; readonly stats: JobStats }
  | { readonly kind: "stoppedByJob" }
  /** libvirt's lifecycle event: the guest ended here in another way. */
  | { readonly kind: "guestStopped"; readonly how: GuestStopped }
  /** The same: it was started here. */
  | { readonly kind: "guestStarted" }
  | { readonly kind: "callEnded"; readonly refusal: Refusal | null }
  | ({ readonly kind: "effectDone" } & EffectDone)
  | {
      readonly kind: "location";
      readonly location: Location;
      /** The destination's completed record, if it was asked and has one. */
      readonly record: JobStats | null;
    }
  /** `by`: who asked for it, for the record. */
  | { readonly kind: "cancel"; readonly by?: string }
  /** This daemon failed at it, and has tried again for a while. */
  | { readonly kind: "abandoned" };
