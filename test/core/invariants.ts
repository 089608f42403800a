/**
 * What holds for every migration after every step, whatever came: asserted by each core test, each
 * scenario and each property, so that no table has to say it again.
 */
import { floorMiBps } from "../../src/core/bandwidth.ts";
import type { Input } from "../../src/core/input.ts";
import { type Migration, stalledForMs } from "../../src/core/migration.ts";
import type { Stepped } from "../../src/core/turn.ts";

interface Step extends Stepped {
  readonly before: Migration;
  readonly input: Input;
  readonly nowMs: number;
}

type Invariant = (step: Step) => boolean;

const RECOVERY: readonly string[] = ["probeAddress", "pausePostCopy", "resumePostCopy"];
const STEERING: readonly string[] = [
  "setMaxBandwidth",
  "readMaxBandwidth",
  "setMaxDowntime",
  "startPostCopy",
];

const kinds = ({ effects }: Step): readonly string[] => effects.map(({ kind }) => kind);
const never = (step: Step, effects: readonly string[]): boolean =>
  !kinds(step).some((kind) => effects.includes(kind));
/** Ends told by an effect's event. */
const endsTold = ({ effects }: Step): number =>
  effects.filter((each) => each.kind === "event" && each.event.kind === "ended").length;
const isEnding = ({ before, migration }: Step): boolean =>
  before.phase !== "ended" && migration.phase === "ended";
const rebooted = ({ input }: Step): boolean =>
  input.kind === "restore" && input.after === "hostDown";
const grows = (before: number | undefined, after: number | undefined): boolean =>
  before === undefined || (after ?? 0) >= before;
/** Whole MiB/s, between floor and maximum. */
const isCap = (mibps: number, { limits }: Migration): boolean =>
  Number.isInteger(mibps) && mibps >= floorMiBps(limits) && mibps <= limits.maxBandwidthMiBps;

const INVARIANTS: Readonly<Record<string, Invariant>> = {
  "stalled time is never negative": ({ migration, nowMs }) => stalledForMs(migration, nowMs) >= 0,
  "a pass only grows": ({ before, migration }) =>
    grows(before.advance?.pass, migration.advance?.pass),
  "passes in a row, sweeps and steps are counts": ({ migration: { advance, downtime } }) =>
    (advance?.unproductiveInARow ?? 0) >= 0 &&
    (advance?.sweep.number ?? 0) >= 0 &&
    (downtime === null || downtime.step < Math.max(1, downtime.stepsMs.length)),
  "progress never falls, and is 100 only when completed": ({ before, migration }) =>
    grows(before.sample.progressPercent, migration.sample.progressPercent) &&
    (migration.sample.progressPercent === 100) === (migration.end?.outcome.outcome === "completed"),
  "a cap is whole, and between floor and maximum": ({ effects, migration }) =>
    effects.every(
      (each) =>
        (each.kind !== "setMaxBandwidth" || isCap(each.maxBandwidthMiBps, migration)) &&
        (each.kind !== "call" ||
          migration.facts.mode === "file" ||
          isCap(each.bandwidthMiBps, migration) ||
          each.bandwidthMiBps === migration.bandwidth.capMiBps),
    ),
  "no abort once post-copy has begun": (step) =>
    !(step.before.postCopy.begun || step.migration.postCopy.begun) || never(step, ["abort"]),
  "post-copy never ends, and is not wanted once begun": ({ before, migration }) =>
    (!before.postCopy.begun || migration.postCopy.begun) &&
    !(migration.postCopy.begun && migration.postCopy.wanted),
  "recovery is for post-copy alone": (step) =>
    step.migration.phase === "postCopy" || never(step, RECOVERY),
  "a save is never steered": (step) =>
    step.migration.facts.mode === "remote" || never(step, STEERING),
  "a stop keeps its reason; only a reboot forgets it": (step) =>
    step.before.stop === null ||
    rebooted(step) ||
    step.migration.stop?.why === step.before.stop.why,
  "nothing decides a stop in post-copy": ({ before, migration }) =>
    !before.postCopy.begun || before.stop !== null || migration.stop === null,
  "one outcome, told once and last": (step) =>
    (step.migration.end !== null) === (step.migration.phase === "ended") &&
    endsTold(step) === (isEnding(step) ? 1 : 0) &&
    (!isEnding(step) ||
      step.effects.findLast(({ kind }) => kind === "event") === step.effects.at(-1)),
  "after the end nothing is begun or asked for": (step) =>
    step.before.phase !== "ended" ||
    kinds(step).every((kind) => kind === "event" || kind === "putBackDowntime"),
  "a schedule only goes forward": ({ before, migration }) =>
    grows(before.schedule?.cursor, migration.schedule?.cursor),
  "no two of a kind are pending": ({ migration: { pending } }) =>
    new Set(pending).size === pending.length,
  "what is pending is not asked for again": (step) =>
    step.before.pending.every(
      (kind) =>
        (step.input.kind === "effectDone" && step.input.effect === kind) ||
        (step.input.kind === "location" && kind === "locateGuest") ||
        // What an earlier daemon had asked for nobody answers.
        step.input.kind === "restore" ||
        !kinds(step).includes(kind),
    ),
  "one that never began and is to end has made no call": ({ migration: { admission, call } }) =>
    admission.ending === null || call.madeAtMs === null,
  "a call that is out has its clocks": ({ migration: { advance, call } }) =>
    call.madeAtMs === null || advance !== null,
  "superseded for good": ({ before, migration }) =>
    !before.evidence.superseded || migration.evidence.superseded,
};

/** The names of those that do not hold. */
export function brokenInvariants(step: Step): readonly string[] {
  return Object.entries(INVARIANTS).flatMap(([name, holds]) => (holds(step) ? [] : [name]));
}

/** **Fails**: Error, with the input that broke it. */
export function holdInvariants(step: Step): void {
  const broken = brokenInvariants(step);
  if (broken.length > 0) {
    throw new Error(`${broken.join("; ")}, after ${JSON.stringify(step.input)}`);
  }
}
