/**
 * Makes libvirt hold what is wished of a migration: the schedule's next action, the cap, the downtime,
 * post-copy; or, once it is decided that it shall end, the abort. Every wish is asked for again until
 * libvirt took it; nothing is asked for twice at a time. Halving, downtime steps and the schedule go
 * by the timer's cycles alone.
 */
import { nextCap } from "./bandwidth.ts";
import { nextDowntimeStep } from "./downtime.ts";
import type { Effect } from "./effect.ts";
import type { CycleInput } from "./input.ts";
import type { Migration, ScheduleAction } from "./migration.ts";
import { scheduleTurn } from "./schedule.ts";
import { ask } from "./turn.ts";

/** Every so many timer cycles the cap is read back from libvirt. */
export const CAP_READ_BACK_CYCLES = 10;
/** An accepted abort that has not ended the job by then is asked for again. */
export const ABORT_AGAIN_AFTER_MS = 5_000;

/** Asks libvirt to end the job until it accepts, and again if the job outlives an acceptance. */
function pursueStop(migration: Migration, nowMs: number, effects: Effect[]): Migration {
  const { stop } = migration;
  if (stop === null || migration.phase === "postCopy") return migration;
  const waits = stop.acceptedAtMs !== null && nowMs - stop.acceptedAtMs < ABORT_AGAIN_AFTER_MS;
  return waits ? migration : askAbort(migration, effects);
}

/**
 * Not while post-copy has been asked for and has not been answered: an abort that comes just after
 * the switch would lose the guest, and the answer to it would be a lie either way.
 */
export function askAbort(migration: Migration, effects: Effect[]): Migration {
  if (migration.pending.includes("startPostCopy")) return migration;
  return ask(migration, effects, { kind: "abort" });
}

/** Asks for what is wished and not held, or, once it is to end, for the end. */
export function steer(
  judged: Migration,
  input: CycleInput,
  nowMs: number,
  effects: Effect[],
): Migration {
  // An abort that is due at the next pass would otherwise hit what the downtime before it achieved.
  const mayAct = judged.sampled && !judged.stoppedByJob && input.switchover !== true;
  const follows = input.timer && mayAct;
  const migration = follows ? followSchedule(judged, nowMs, effects) : judged;
  if (migration.stop !== null) return pursueStop(migration, nowMs, effects);
  if (migration.mode === "file" || migration.phase !== "running") return migration;
  const capped = steerCap(migration, input, effects);
  const slowed = steerDowntime(capped, input.timer, nowMs, effects);
  return slowed.postCopy.wanted ? ask(slowed, effects, { kind: "startPostCopy" }) : slowed;
}

/** One item of the engine's schedule, if it is due: a wish like any other, or the end. */
function followSchedule(migration: Migration, nowMs: number, effects: Effect[]): Migration {
  const { schedule, stop, phase, advance, downtime } = migration;
  if (schedule === null || stop !== null || phase !== "running") return migration;
  // Where QEMU counts passes in mid-sweep its limits would be over in seconds.
  const pass = advance?.sweep.number ?? 0;
  const { state, action } = scheduleTurn(schedule, pass, downtime?.owner === "schedule");
  if (action === null) return { ...migration, schedule: state };
  effects.push({
    kind: "log",
    level: "info",
    message: "convergence schedule acts",
    fields: {
      action: action.kind,
      downtimeMs: action.kind === "setDowntime" ? action.downtimeMs : null,
      pass,
      item: state.cursor,
      items: state.schedule.stalling.length,
      postcopyPossible: migration.postCopy.possible,
    },
  });
  return scheduled({ ...migration, schedule: state }, action, nowMs);
}

function scheduled(migration: Migration, action: ScheduleAction, nowMs: number): Migration {
  switch (action.kind) {
    case "setDowntime":
      return migration.downtime === null
        ? migration
        : { ...migration, downtime: { ...migration.downtime, wantedMs: action.downtimeMs } };
    case "postcopy":
      return {
        ...migration,
        postCopy: { ...migration.postCopy, wanted: migration.postCopy.possible },
      };
    case "abort":
      return {
        ...migration,
        stop: { why: "schedule", sinceMs: nowMs, acceptedAtMs: null, refusal: null },
      };
  }
}

function steerDowntime(
  migration: Migration,
  timer: boolean,
  nowMs: number,
  effects: Effect[],
): Migration {
  if (migration.downtime === null) return migration;
  const sweep = migration.advance?.sweep.number ?? 0;
  const downtime = timer ? nextDowntimeStep(migration.downtime, sweep, nowMs) : migration.downtime;
  const stepped = { ...migration, downtime };
  if (downtime.wantedMs === null || downtime.appliedMs === downtime.wantedMs) return stepped;
  return ask(stepped, effects, { kind: "setMaxDowntime", maxDowntimeMs: downtime.wantedMs });
}

function steerCap(migration: Migration, input: CycleInput, effects: Effect[]): Migration {
  const { cap } = migration;
  const next = nextCap({
    rule: migration.limits,
    sourceMigrations: input.sourceMigrations,
    destination: migration.destinationCount,
    capMiBps: cap.capMiBps,
    silentQueriesSeen: cap.silentQueriesSeen,
  });
  const cycles =
    cap.cyclesSinceVerified === null ? null : cap.cyclesSinceVerified + (input.timer ? 1 : 0);
  const capped = { ...migration, cap: { ...cap, ...next, cyclesSinceVerified: cycles } };
  if (next.capMiBps !== cap.appliedMiBps) {
    return ask(capped, effects, { kind: "setMaxBandwidth", maxBandwidthMiBps: next.capMiBps });
  }
  const due = cycles === null || cycles >= CAP_READ_BACK_CYCLES;
  return due ? ask(capped, effects, { kind: "readMaxBandwidth" }) : capped;
}
