/**
 * What was decided in one step and by which rule, with the numbers it was decided on: the lines that
 * explain a migration afterwards. Derived from the step's result, so no rule has to remember to write
 * down what it did.
 */
import type { DecisionRule } from "./decision-rules.ts";
import type { Effect } from "./effect.ts";
import type { CoreEvent } from "./event.ts";
import type { Input, Location } from "./input.ts";
import { type Migration, stalledForMs } from "./migration.ts";
import type { Refusal } from "./refusal.ts";

export type DecisionValue = number | string | boolean | null;

export interface Decision {
  /** One word for the rule (decision-rules.ts); a journal may have an older one's. */
  readonly rule: string;
  /** What was decided. */
  readonly what: string;
  /** What it was decided on; every number has its unit in its name. */
  readonly numbers: Readonly<Record<string, DecisionValue>>;
}

/** Of one step, in the order in which things follow from each other. Pure. */
export function decisionsOf(
  before: Migration,
  after: Migration,
  input: Input,
  effects: readonly Effect[],
  nowMs: number,
): readonly Decision[] {
  return [
    ...fromInput(before, after, input),
    ...fromPasses(before, after),
    ...fromStop(before, after, nowMs),
    ...effects.flatMap((effect) => fromEffect(before, after, effect)),
    ...fromPhase(before, after),
  ];
}

function fromInput(before: Migration, after: Migration, input: Input): readonly Decision[] {
  switch (input.kind) {
    case "downtimePrepared":
      return [decision("downtime", "first value set before the start", { toMs: input.appliedMs })];
    case "cleared":
      return [decision("cleared", "nothing of the guest is left here", {})];
    case "departureOver":
      return [decision("departure", `spoken of no more: ${input.why}`, {})];
    case "reserved":
      return [decision("reserved", "the destination expects the guest", {})];
    case "downtimeFound":
      // Found again after a restart it is a value of ours, and is not kept.
      return after.downtimeFoundMs === before.downtimeFoundMs
        ? []
        : [decision("downtime", "found", { foundMs: input.foundMs })];
    case "callEnded":
      return [
        decision("call", input.refusal === null ? "libvirt: success" : "libvirt gave up", {
          libvirtCode: input.refusal?.code ?? null,
          libvirtMessage: input.refusal?.message ?? null,
        }),
      ];
    case "guestStopped":
      return [decision("guest", "it ended here", { how: input.how })];
    case "stoppedByJob":
      return [decision("guest", "libvirt says that the job has taken it away from here", {})];
    case "jobCompleted":
      return [decision("record", "libvirt's record of the job", recordNumbers(after))];
    case "location":
      return fromLocation(before, after, input.location);
    case "cancel":
      return before.stop === null
        ? [decision("cancel", "asked for", { phase: before.phase, by: input.by ?? null })]
        : [];
    case "change": {
      const { changes, by } = input;
      return after === before
        ? []
        : [
            decision("change", "by the engine", {
              ...changes,
              ...(by === undefined ? {} : { by }),
            }),
          ];
    }
    case "abandoned":
      return [decision("outcome", "given up: this daemon failed at it", {})];
    case "restore":
    case "adopt":
    case "accepted":
    case "admitted":
    case "seen":
    case "guestStarted":
    case "deferred":
    case "reached":
    case "unanswered":
    case "notAdmitted":
    case "begin":
    case "notBegun":
    case "cycle":
    case "passBegan":
    case "effectDone":
      // What follows from these shows in the state and in the effects.
      return [];
  }
}

function fromLocation(
  before: Migration,
  after: Migration,
  location: Location,
): readonly Decision[] {
  // Asked again and again while the place is not sure: what it was in the end is what explains.
  if (after.outcome === before.outcome) return [];
  return [decision("location", "where the guest is", { ...location })];
}

function fromPasses(before: Migration, after: Migration): readonly Decision[] {
  const was = before.advance;
  const is = after.advance;
  if (is === null || was === null) return [];
  if (is.verdict === "unknown" || is.verdict === "undecided") return [];
  const judged = is.pass !== was.pass || is.verdict !== was.verdict;
  const isNews = is.verdict === "productive" || is.unproductiveInARow <= 2;
  if (!judged || !isNews || is.pass <= 1) return [];
  return [
    decision("pass", is.verdict, {
      pass: is.pass,
      passSizeBytes: is.passSizeBytes,
      bestPassBytes: was.bestPassBytes,
      unproductivePasses: is.unproductiveInARow,
    }),
  ];
}

function fromStop(before: Migration, after: Migration, nowMs: number): readonly Decision[] {
  const { stop } = after;
  if (stop === null) return [];
  if (before.stop === null) {
    return [
      decision("stop", stop.why, {
        stalledForMs: stalledForMs(after, nowMs),
        progressTimeoutMs: after.limits.progressTimeoutMs,
        unproductivePasses: after.advance?.unproductiveInARow ?? null,
        sinceLastByteMs: after.advance === null ? null : nowMs - after.advance.lastByteAtMs,
      }),
    ];
  }
  if (stop.acceptedAtMs !== before.stop.acceptedAtMs) {
    return [decision("stop", "libvirt took the abort", {})];
  }
  if (stop.refusal !== null && !isSameRefusal(stop.refusal, before.stop.refusal)) {
    const { code, message } = stop.refusal;
    return [
      decision("stop", "libvirt did not take the abort, asking again", {
        libvirtCode: code,
        libvirtMessage: message,
      }),
    ];
  }
  return [];
}

function isSameRefusal(one: Refusal, other: Refusal | null): boolean {
  return one.kind === other?.kind && one.code === other.code;
}

function fromEffect(before: Migration, after: Migration, effect: Effect): readonly Decision[] {
  switch (effect.kind) {
    case "call":
      return [
        decision("start", "libvirt is called", {
          bandwidthMiBps: effect.bandwidthMiBps,
          postcopy: effect.postcopy,
          ...shareNumbers(after),
        }),
      ];
    case "setMaxBandwidth":
      return [
        decision("bandwidth", `${effect.maxBandwidthMiBps} MiB/s`, {
          beforeMiBps: before.cap.appliedMiBps,
          ...shareNumbers(after),
        }),
      ];
    case "setMaxDowntime":
      return [
        decision("downtime", `${effect.maxDowntimeMs} ms`, {
          owner: after.downtime?.owner ?? null,
          step: after.downtime?.step ?? null,
          beforeMs: before.downtime?.appliedMs ?? null,
          pass: after.advance?.pass ?? null,
        }),
      ];
    case "startPostCopy":
      return [decision("postcopy", "asked for", { pass: after.advance?.pass ?? null })];
    case "pausePostCopy":
    case "resumePostCopy":
      return [
        decision("postcopy", effect.kind === "pausePostCopy" ? "paused" : "resumed", {
          attempts: after.postCopy.recovery.attempts,
          askedByEngine: after.postCopy.recovery.asked,
          addressAnswers: after.postCopy.recovery.addressAnswers,
        }),
      ];
    case "destroyPausedCopy":
      return [decision("pausedCopy", "destroyed", { reads: after.pausedCopyReads })];
    case "removeImage":
      return [decision("image", "removed", {})];
    case "putBackDowntime":
      return [decision("downtime", `${effect.maxDowntimeMs} ms put back`, {})];
    case "log":
      return [decision("note", effect.message, effect.fields)];
    case "event":
      return fromEvent(effect.event);
    case "readMaxBandwidth":
    case "probeAddress":
    case "abort":
    case "locateGuest":
      return [];
  }
}

function fromEvent(event: CoreEvent): readonly Decision[] {
  switch (event.kind) {
    case "stalling": {
      const { stalling } = event;
      return [
        decision("stalling", stalling.progressing ? "over" : stalling.reason, { ...stalling }),
      ];
    }
    case "ended": {
      const { outcome, ...numbers } = event.outcome;
      return [decision("outcome", outcome, numbers)];
    }
    case "migrationStatus":
    case "vmStatus":
    // The log's line says the same.
    case "deferred":
      return [];
  }
}

function fromPhase(before: Migration, after: Migration): readonly Decision[] {
  return before.phase === after.phase
    ? []
    : [decision("phase", after.phase, { from: before.phase })];
}

function shareNumbers({ limits, sourceMigrations, destinationCount }: Migration) {
  return {
    maxBandwidthMiBps: limits.maxBandwidthMiBps,
    floorMiBps: Math.min(limits.minBandwidthMiBps, limits.maxBandwidthMiBps),
    sourceMigrations,
    destination: destinationCount.kind,
    destinationMigrations: destinationCount.kind === "counted" ? destinationCount.migrations : null,
    silentQueries: destinationCount.kind === "counted" ? 0 : destinationCount.silentQueries,
  };
}

function recordNumbers({ completedStats }: Migration) {
  return {
    downtimeMs: completedStats?.downtimeMs ?? null,
    downtimeNetMs: completedStats?.downtimeNetMs ?? null,
    dataProcessedBytes: completedStats?.dataProcessedBytes ?? null,
  };
}

function decision(rule: DecisionRule, what: string, numbers: Decision["numbers"]): Decision {
  return { rule, what, numbers };
}
