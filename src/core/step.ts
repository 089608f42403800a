/**
 * The one way a migration changes: (migration, input, now) -> migration, effects, decisions. Pure: the
 * same state and input give the same result, so a recorded list of inputs replays. The daemon performs
 * the effects and reports what came of them as the next inputs.
 *
 * RULES is the whole of it: for each input, the phases in which it means anything and the rule that
 * takes it. In any other phase it came too late and changes nothing.
 *
 * A migration waits (admission.ts, waiting.ts) until it may begin; then libvirt's call is made (call.ts).
 * While the call is out, each cycle of the MonitorThread is one turn of the loop:
 *
 *    1 sample      the counts of both hosts, whether post-copy has begun, and libvirt's job stats, from
 *                  which advance and progress follow. If the job is another party's, all ends here.
 *    2 hard limit  too long without advance: the host decides to abort by itself.
 *    3 stall       otherwise a stall is announced at each multiple of the limit, and its end.
 *    4 schedule *  at most one action of the engine's convergenceSchedule.
 *    5 stop        once decided by anyone: abort until libvirt accepts it. Then nothing of 6 to 8.
 *    6 bandwidth   the share of maxBandwidth, or halved *; set when it changes, read back at times *.
 *    7 downtime    the next step *; set until libvirt accepts it.
 *    8 post-copy   started, if it is wanted.
 *    9 recovery *  post-copy without data is paused and resumed.
 *   10 location *  if the call has returned all the same: where the guest is.
 *   11 status *    progress, for the engine.
 *
 * The steps marked * belong to the timer's cycles: events of libvirt wake the loop early, and must not
 * hurry them. When the call returns, the location of the guest decides how the migration ended, or that
 * it goes on. After the end only a location that nobody knew, or confirmed, still counts.
 */
import { admitted, deferred, unanswered } from "./admission.ts";
import { adopted } from "./adopt.ts";
import { bandwidthRead, bandwidthSet, steerBandwidth } from "./bandwidth.ts";
import { prepared, returned } from "./call.ts";
import { changed } from "./change.ts";
import { downtimeFound, downtimePrepared, downtimeSet, steerDowntime } from "./downtime.ts";
import type { EffectDone } from "./effect.ts";
import { abandon, cleared, conclude, departed } from "./end.ts";
import {
  guestStarted,
  guestStopped,
  jobCompleted,
  noteLocation,
  stoppedByJob,
} from "./evidence.ts";
import type { Input, InputKind } from "./input.ts";
import {
  askLocation,
  isOpen,
  judgeLocation,
  pausedCopyDestroyed,
  resumeWatching,
} from "./location.ts";
import { type Migration, type Phase, CALL_OUT, phases } from "./migration.ts";
import { notAdmitted, notBegun } from "./never-began.ts";
import { outcomeOf } from "./outcome.ts";
import {
  noticePausedCopy,
  postCopyStarted,
  recoverPostCopy,
  recoveryDone,
  resumed,
  startPostCopy,
} from "./post-copy.ts";
import { enforceProgressTimeout } from "./progress-timeout.ts";
import { restored } from "./restore.ts";
import { observePassStart, statusEvent, takeSample } from "./sample.ts";
import { followSchedule } from "./schedule.ts";
import { announceEndOfStall, announceStall, isJudged } from "./stall.ts";
import { abortDone, cancel, pursueStop } from "./stop.ts";
import { type Stepped, type Turn, beginTurn, decide, tell, withPending } from "./turn.ts";
import { accepted, reached, reserved, seenWaiting } from "./waiting.ts";

type Rule<K extends InputKind> = (migration: Migration, input: Input<K>, turn: Turn) => Migration;

interface Row<K extends InputKind> {
  readonly phases: readonly Phase[];
  readonly rule: Rule<K>;
}

const WAITING: readonly Phase[] = ["queued", "preparing"];
const FROM_CALL: readonly Phase[] = [...CALL_OUT, "settling"];
const LIVE: readonly Phase[] = [...WAITING, ...FROM_CALL];

const RULES: { readonly [K in InputKind]: Row<K> } = {
  accepted: { phases: ["queued"], rule: accepted },
  admitted: { phases: ["queued"], rule: admitted },
  seen: { phases: WAITING, rule: seenWaiting },
  guestStarted: { phases: WAITING, rule: guestStarted },
  reached: { phases: ["preparing"], rule: reached },
  unanswered: { phases: ["preparing"], rule: unanswered },
  deferred: { phases: ["preparing"], rule: deferred },
  reserved: { phases: ["preparing"], rule: reserved },
  downtimeFound: { phases: ["preparing", "settling"], rule: downtimeFound },
  downtimePrepared: { phases: ["preparing"], rule: downtimePrepared },
  notAdmitted: { phases: WAITING, rule: notAdmitted },
  notBegun: { phases: WAITING, rule: notBegun },
  prepared: { phases: ["preparing"], rule: prepared },
  cycle: { phases: LIVE, rule: cycle },
  passBegan: { phases: ["starting", "running"], rule: passBegan },
  change: { phases: [...WAITING, ...CALL_OUT], rule: changed },
  cancel: { phases: ["queued", "preparing", "starting", "running", "settling"], rule: cancel },
  effectDone: { phases: LIVE, rule: effectDone },
  jobCompleted: { phases: FROM_CALL, rule: jobCompleted },
  stoppedByJob: { phases: LIVE, rule: stoppedByJob },
  guestStopped: { phases: LIVE, rule: guestStopped },
  callEnded: { phases: CALL_OUT, rule: returned },
  location: { phases, rule: location },
  abandoned: { phases: LIVE, rule: abandon },
  cleared: { phases: ["ended"], rule: cleared },
  departureOver: { phases: ["ended"], rule: departed },
  restore: { phases, rule: restored },
  adopt: { phases: ["queued"], rule: adopted },
};

/** Advances one migration by one input. Never throws. */
export function step(migration: Migration, input: Input, nowMs: number): Stepped {
  const turn = beginTurn(migration, nowMs);
  const after = withPending(applyRule(migration, input, turn), turn);
  if (migration.phase !== after.phase) {
    decide(turn, "phase", after.phase, { from: migration.phase });
  }
  return { migration: after, effects: turn.effects, decisions: turn.decisions };
}

function applyRule<K extends InputKind>(
  migration: Migration,
  input: Input<K>,
  turn: Turn,
): Migration {
  const row: Row<K> = RULES[input.kind];
  return row.phases.includes(migration.phase) ? row.rule(migration, input, turn) : migration;
}

function cycle(migration: Migration, input: Input<"cycle">, turn: Turn): Migration {
  if (migration.phase === "settling") {
    if (input.timer || migration.admission.ending !== null) askLocation(turn);
    return migration;
  }
  return migration.advance === null ? seenWaiting(migration, input) : loop(migration, input, turn);
}

/** As printed above. */
function loop(before: Migration, input: Input<"cycle">, turn: Turn): Migration {
  let migration = takeSample(before, input, turn);
  if (migration.evidence.superseded) {
    if (input.timer) askLocation(turn);
    return migration;
  }
  migration = judge(before, migration, input, turn);
  migration = followSchedule(migration, input, turn);
  migration = steer(migration, input, turn);
  if (input.timer) {
    const { postCopy } = migration;
    const recovery = recoverPostCopy(migration, input.runState === "postCopyFailed", turn);
    if (recovery !== postCopy.recovery) {
      migration = { ...migration, postCopy: { ...postCopy, recovery } };
    }
    if (migration.call.returned !== null) askLocation(turn);
    tell(turn, statusEvent(migration));
  }
  return migration;
}

function judge(
  before: Migration,
  migration: Migration,
  input: Input<"cycle">,
  turn: Turn,
): Migration {
  if (!isJudged(migration, turn.nowMs)) return migration;
  const stop = enforceProgressTimeout(migration, turn);
  if (stop !== null) return { ...migration, stop };
  return { ...migration, stall: announceStall(before, migration, input, turn) };
}

function steer(migration: Migration, { timer }: Input<"cycle">, turn: Turn): Migration {
  const { advance, bandwidth, downtime, facts, limits, phase, postCopy, stop } = migration;
  if (stop !== null) {
    pursueStop(stop, phase, turn);
    return migration;
  }
  if (facts.mode === "file" || phase !== "running") return migration;
  const steered: Migration = {
    ...migration,
    bandwidth: steerBandwidth(bandwidth, limits, timer, turn),
    downtime: downtime === null ? null : steerDowntime(downtime, advance, timer, turn),
  };
  startPostCopy(postCopy, advance, turn);
  return steered;
}

/** If the pass that begins ends a stall, this says so: the next cycle may see another pass already. */
function passBegan(before: Migration, { sample }: Input<"passBegan">, turn: Turn): Migration {
  const migration = observePassStart(before, sample, turn);
  if (migration.evidence.superseded || migration.stop !== null) return migration;
  return { ...migration, stall: announceEndOfStall(before, migration, turn) };
}

/**
 * The guest was located: noted as evidence and counted, judged, put into words, carried out. The same way
 * for a call that has returned, for a migration that never began, and after the end.
 */
function location(migration: Migration, input: Input<"location">, turn: Turn): Migration {
  turn.pending.delete("locateGuest");
  if (migration.end !== null && !isOpen(migration.end)) return migration;
  const noted = noteLocation(migration, input, turn.nowMs);
  const seen = noticePausedCopy(noted, input.location, turn);
  const verdict = judgeLocation(seen, input.location, turn.nowMs);
  if (verdict.kind === "none") return seen;
  if (verdict.kind === "askAgain") return resumeWatching(seen, input.location, turn);
  decide(turn, "location", "where the guest is", { ...input.location });
  return conclude(seen, outcomeOf(seen, verdict, turn.nowMs), input.location.job, turn);
}

/** Each result goes to the noun that asked for the effect. */
function effectDone(migration: Migration, done: EffectDone, turn: Turn): Migration {
  turn.pending.delete(done.effect);
  const { bandwidth, downtime, postCopy, stop } = migration;
  switch (done.effect) {
    case "setMaxBandwidth":
      return { ...migration, bandwidth: bandwidthSet(bandwidth, done, turn) };
    case "readMaxBandwidth":
      return { ...migration, bandwidth: bandwidthRead(bandwidth, done.result, turn) };
    case "setMaxDowntime":
      return { ...migration, downtime: downtimeSet(downtime, done, turn) };
    case "startPostCopy":
      return postCopyStarted(migration, done.result, turn);
    case "probeAddress":
    case "pausePostCopy":
      return { ...migration, postCopy: recoveryDone(postCopy, done.effect, done.result, turn) };
    case "resumePostCopy":
      return resumed(migration, done.result, turn);
    case "abort":
      return { ...migration, stop: abortDone(stop, done.result, turn) };
    case "destroyPausedCopy":
      pausedCopyDestroyed(done.result, turn);
      return migration;
  }
}
