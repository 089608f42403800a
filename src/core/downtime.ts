/**
 * The maximum downtime: its values, and who may set it. There is one owner at a time:
 *
 * - `schedule`: VM.migrate has a convergenceSchedule. A downtime in the same request does not take
 *   ownership; it is the value to start with unless the schedule's `init` sets one.
 * - `engine`: VM.migrate has a downtime and no schedule, or VM.migrateChangeParams sets one at any
 *   time, also over a schedule. Automatic changes then stop for good.
 * - `steps`: neither. The configured sequence (VDSM's DowntimeThread), taken step by step in the cycle.
 */
import type { EffectDone } from "./effect.ts";
import type { Input } from "./input.ts";
import type { Advance, ConvergenceSchedule, Downtime, Migration } from "./migration.ts";
import { initialDowntimeMs } from "./schedule.ts";
import { type Turn, ask, decide, log, rejected } from "./turn.ts";
import { GIB_BYTES, MS_PER_SECOND } from "./units.ts";

export const DOWNTIME_MIN_MS = 1;
/** However large the guest, a step is never longer away. Source: VDSM. */
export const DOWNTIME_STEP_WAIT_MAX_MS = 60_000;

/**
 * d(i) = int(D/S + ((D - D/S)^(1/(S-1)))^i) for i = 0 .. S-1, the last exactly D.
 * Example: 500 ms in 5 steps: 101, 104, 120, 189, 500. One step: D.
 */
export function downtimeStepsMs(maxDowntimeMs: number, steps: number): readonly number[] {
  if (steps <= 1) return [maxDowntimeMs];
  const offset = maxDowntimeMs / steps;
  const base = (maxDowntimeMs - offset) ** (1 / (steps - 1));
  return Array.from({ length: steps }, (_, i) =>
    i === steps - 1
      ? maxDowntimeMs
      : Math.min(maxDowntimeMs, Math.max(DOWNTIME_MIN_MS, Math.floor(offset + base ** i))),
  );
}

/**
 * min(delay x GiB of guest memory / steps, 60 s). Example: 100 s/GiB, 2 GiB, 5 steps: 40 s.
 */
export function downtimeStepWaitMs(
  delaySecondsPerGiB: number,
  memoryBytes: number,
  steps: number,
): number {
  const waitMs = (delaySecondsPerGiB * (memoryBytes / GIB_BYTES) * MS_PER_SECOND) / steps;
  return Math.min(waitMs, DOWNTIME_STEP_WAIT_MAX_MS);
}

/** What VM.migrate says about downtime. */
export interface DowntimeRequest {
  readonly downtimeMs?: number;
  readonly convergenceSchedule?: ConvergenceSchedule;
}

export interface DowntimeSettings {
  readonly maxDowntimeMs: number;
  readonly downtimeSteps: number;
  readonly downtimeDelaySecondsPerGiB: number;
}

/** The owner and the first value of a migration that is accepted now. */
export function firstDowntime(
  { downtimeMs, convergenceSchedule }: DowntimeRequest,
  { maxDowntimeMs, downtimeSteps, downtimeDelaySecondsPerGiB }: DowntimeSettings,
  memoryBytes: number,
): Downtime {
  if (convergenceSchedule !== undefined) {
    return downtimeBySchedule(initialDowntimeMs(convergenceSchedule, downtimeMs ?? null));
  }
  if (downtimeMs !== undefined) return downtimeByEngine(null, downtimeMs);
  return downtimeBySteps(maxDowntimeMs, downtimeSteps, downtimeDelaySecondsPerGiB, memoryBytes);
}

export function downtimeBySteps(
  maxDowntimeMs: number,
  steps: number,
  delaySecondsPerGiB: number,
  memoryBytes: number,
): Downtime {
  const stepsMs = downtimeStepsMs(maxDowntimeMs, steps);
  return {
    owner: "steps",
    wantedMs: stepsMs[0] ?? maxDowntimeMs,
    appliedMs: null,
    stepsMs,
    step: 0,
    stepWaitMs: downtimeStepWaitMs(delaySecondsPerGiB, memoryBytes, steps),
    steppedAtMs: null,
    foundMs: null,
  };
}

/** `downtimeMs` null: a schedule that does not begin with one. */
export function downtimeBySchedule(downtimeMs: number | null): Downtime {
  return {
    owner: "schedule",
    wantedMs: downtimeMs,
    appliedMs: null,
    stepsMs: [],
    step: 0,
    stepWaitMs: 0,
    steppedAtMs: null,
    foundMs: null,
  };
}

export function downtimeByEngine(before: Downtime | null, downtimeMs: number): Downtime {
  return {
    owner: "engine",
    wantedMs: downtimeMs,
    appliedMs: before?.appliedMs ?? null,
    stepsMs: [],
    step: 0,
    stepWaitMs: 0,
    steppedAtMs: null,
    foundMs: before?.foundMs ?? null,
  };
}

/**
 * The next step if it is due: the first once the first sweep is complete, each later one a wait after
 * libvirt took the one before. Unchanged otherwise, or while libvirt still refuses the present one.
 */
export function nextDowntimeStep(downtime: Downtime, sweep: number, nowMs: number): Downtime {
  if (downtime.owner !== "steps" || sweep < 2) return downtime;
  const nextMs = downtime.stepsMs[downtime.step + 1];
  if (nextMs === undefined || downtime.appliedMs !== downtime.wantedMs) return downtime;
  const due = downtime.steppedAtMs === null || nowMs - downtime.steppedAtMs >= downtime.stepWaitMs;
  if (!due) return downtime;
  // A step of equal value has nothing to set, so libvirt never reports it: its wait starts here.
  const steppedAtMs = nextMs === downtime.appliedMs ? nowMs : downtime.steppedAtMs;
  return { ...downtime, step: downtime.step + 1, wantedMs: nextMs, steppedAtMs };
}

/** libvirt holds this value now. */
function applied(downtime: Downtime, appliedMs: number, nowMs: number): Downtime {
  const stepped = downtime.owner === "steps" && downtime.step > 0;
  return { ...downtime, appliedMs, steppedAtMs: stepped ? nowMs : downtime.steppedAtMs };
}

/**
 * Read before the first value is set. After a deferral or a restart what is found is a value of ours, and
 * the first one found is kept.
 */
export function downtimeFound(
  migration: Migration,
  { foundMs }: Input<"downtimeFound">,
  turn: Turn,
): Migration {
  const { downtime } = migration;
  if (downtime === null || downtime.foundMs !== null) return migration;
  decide(turn, "downtime", "found", { foundMs });
  return { ...migration, downtime: { ...downtime, foundMs } };
}

/** Set on the idle domain, where libvirt keeps it, so that it holds from the first byte. */
export function downtimePrepared(
  migration: Migration,
  { appliedMs }: Input<"downtimePrepared">,
  turn: Turn,
): Migration {
  const { downtime } = migration;
  decide(turn, "downtime", "first value set before the start", { toMs: appliedMs });
  if (downtime === null || appliedMs === null) return migration;
  return { ...migration, downtime: applied(downtime, appliedMs, turn.nowMs) };
}

/** The next step if it is due (`timer` cycles), and a request for what libvirt does not hold yet. */
export function steerDowntime(
  before: Downtime,
  advance: Advance | null,
  timer: boolean,
  turn: Turn,
): Downtime {
  const downtime = timer
    ? nextDowntimeStep(before, advance?.sweep.number ?? 0, turn.nowMs)
    : before;
  const { owner, step, wantedMs } = downtime;
  if (wantedMs === null || wantedMs === downtime.appliedMs) return downtime;
  if (ask(turn, { kind: "setMaxDowntime", maxDowntimeMs: wantedMs })) {
    const numbers = { owner, step, beforeMs: before.appliedMs, pass: advance?.pass ?? null };
    decide(turn, "downtime", `${wantedMs} ms`, numbers);
  }
  return downtime;
}

export function downtimeSet(
  downtime: Downtime | null,
  { asked, result }: EffectDone,
  turn: Turn,
): Downtime | null {
  if (result.kind !== "ok") {
    rejected(turn, "setMaxDowntime", result);
    return downtime;
  }
  if (downtime === null || asked === null) return downtime;
  log(turn, "info", "max downtime set", { maxDowntimeMs: asked, owner: downtime.owner });
  return applied(downtime, asked, turn.nowMs);
}
