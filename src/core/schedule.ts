/**
 * The engine's plan for a migration that does not converge, agreed on before it begins: VDSM's
 * convergenceSchedule. `init` says how to start; `stalling` is a list of actions, each due once more
 * passes than its limit have begun since the first. Passes are whole sweeps here (sweep.ts): those
 * that QEMU counts in mid-sweep would use a list up within seconds.
 *
 * At most one action a cycle, in a cycle that sees a new pass, and only forward: the caller's list
 * is never changed, a cursor moves over it. A list that is used up is a state, no error. Where the
 * engine has taken over downtime the setDowntime items are passed over; the others stay.
 *
 * Source: what VDSM's MonitorThread does with it (iterations, strictly more than the limit).
 */
import type { CycleInput } from "./input.ts";
import type { ConvergenceSchedule, Migration, ScheduleAction, ScheduleState } from "./migration.ts";
import { decideStop } from "./stop.ts";
import { type Turn, log } from "./turn.ts";

export function scheduleFrom(schedule: ConvergenceSchedule): ScheduleState {
  return { schedule, cursor: 0, seenPass: 1 };
}

export function isExhausted(state: ScheduleState): boolean {
  return state.cursor >= state.schedule.stalling.length;
}

/** The downtime to begin with: the last one that `init` sets, else the one given beside it. */
export function initialDowntimeMs(
  schedule: ConvergenceSchedule,
  givenMs: number | null,
): number | null {
  return schedule.init.reduce<number | null>(
    (downtimeMs, action) => (action.kind === "setDowntime" ? action.downtimeMs : downtimeMs),
    givenMs,
  );
}

export function beginsWithPostCopy(schedule: ConvergenceSchedule): boolean {
  return schedule.init.some((action) => action.kind === "postcopy");
}

/**
 * True if non-converging passes are left to the schedule: it contains an abort, and the request names
 * no hard limit of its own. The configured limit (240 s) would otherwise abort a large VM before the
 * second item is due. Only the no-data part of the hard limit applies then.
 */
export function passesLeftToSchedule(
  schedule: ConvergenceSchedule | undefined,
  requestedTimeoutMs: number | undefined,
): boolean {
  if (schedule === undefined || requestedTimeoutMs !== undefined) return false;
  return schedule.stalling.some((item) => item.action.kind === "abort");
}

/**
 * What is due in this cycle. Example: items with limits 1 and 2: nothing in pass 2 (1 new pass), the
 * first in pass 3, the second in pass 4; were pass 9 seen next, still one at a time, with each
 * further new pass.
 */
export function scheduleTurn(
  state: ScheduleState,
  pass: number,
  ownsDowntime: boolean,
): { readonly state: ScheduleState; readonly action: ScheduleAction | null } {
  if (pass <= state.seenPass) return { state, action: null };
  const looked = { ...state, seenPass: pass };
  let cursor = state.cursor;
  for (; ; cursor += 1) {
    const item = state.schedule.stalling[cursor];
    if (item === undefined || item.limitPasses >= pass - 1) {
      return { state: { ...looked, cursor }, action: null };
    }
    if (item.action.kind !== "setDowntime" || ownsDowntime) {
      return { state: { ...looked, cursor: cursor + 1 }, action: item.action };
    }
  }
}

/**
 * One action, if it is due: a downtime or post-copy to be asked for, or the end. Not while libvirt does
 * not answer or the guest is about to leave: the next pass would then mean nothing.
 */
export function followSchedule(migration: Migration, input: CycleInput, turn: Turn): Migration {
  const { advance, downtime, evidence, phase, sample, schedule, stop } = migration;
  const mayAct = sample.answered && !evidence.stoppedByJob && input.runState !== "switching";
  if (!input.timer || !mayAct || schedule === null || stop !== null || phase !== "running") {
    return migration;
  }
  const pass = advance?.sweep.number ?? 0;
  const { state, action } = scheduleTurn(schedule, pass, downtime?.owner === "schedule");
  const followed = { ...migration, schedule: state };
  if (action === null) return followed;
  log(turn, "info", "convergence schedule acts", {
    action: action.kind,
    downtimeMs: action.kind === "setDowntime" ? action.downtimeMs : null,
    pass,
    item: state.cursor,
    items: state.schedule.stalling.length,
    postcopyPossible: migration.postCopy.possible,
  });
  return acted(followed, action, turn);
}

function acted(migration: Migration, action: ScheduleAction, turn: Turn): Migration {
  const { downtime, postCopy } = migration;
  switch (action.kind) {
    case "setDowntime":
      if (downtime === null) return migration;
      return { ...migration, downtime: { ...downtime, wantedMs: action.downtimeMs } };
    case "postcopy":
      return { ...migration, postCopy: { ...postCopy, wanted: postCopy.possible } };
    case "abort":
      return { ...migration, stop: decideStop(migration, "schedule", turn) };
  }
}
