/**
 * Where the guest is, as both ends were seen, and what follows: how its migration ended, or that it goes
 * on, or another question. The call's return is never believed without it: libvirt has reported success
 * for a guest that was nowhere. What counts as sure is evidence.ts's, the words of an end outcome.ts's.
 *
 * guestLost follows where the guest is on neither host for SURE_READS reads (or at once, where libvirt saw
 * it end here), or where post-copy had begun and one half of its memory is gone; and only if somebody
 * watched or libvirt said what became of it.
 */
import type { EffectResult } from "./effect.ts";
import { end } from "./end.ts";
import {
  type Reading,
  SETTLE_MAX_MS,
  SURE_READS,
  countReads,
  noteAnswer,
  readingOf,
} from "./evidence.ts";
import type { Input, Location } from "./input.ts";
import type { Migration } from "./migration.ts";
import { endOfWaiting } from "./never-began.ts";
import { type HowEnded, outcomeOf } from "./outcome.ts";
import { beginPostCopy } from "./post-copy.ts";
import { type Turn, ask, decide, rejected } from "./turn.ts";

export type Verdict =
  | { readonly kind: "askAgain" }
  | { readonly kind: "ended"; readonly how: HowEnded };

/** A call that a killed daemon had just made may show its job only so much later. */
export const TAKEN_OVER_GRACE_MS = 5_000;
/** Post-copy without a byte, and without a word of the destination: its host may be gone. */
export const POSTCOPY_SILENT_MAX_MS = 600_000;
/** So long libvirt may say nothing of a VM, or a guest may be half arrived, before that is the end. */
export const UNDECIDED_MAX_MS = 600_000;

const ASK_AGAIN: Verdict = { kind: "askAgain" };

/** Judges where the guest is; `askAgain` while it is on its way or cannot be seen yet. */
export function judgeLocation(migration: Migration, location: Location, nowMs: number): Verdict {
  const reading = readingOf(migration, location, nowMs);
  const { evidence, facts } = migration;
  switch (reading.source) {
    case "active":
      if (reading.sourceJob && !evidence.superseded) return ASK_AGAIN;
      // libvirt itself can leave it so: killed over the last step, it starts the guest there as well.
      if (reading.destination === "active") {
        return reading.surelyThere ? ended("runsTwice") : ASK_AGAIN;
      }
      return mayStillBegin(migration, nowMs) ? ASK_AGAIN : ended("stayed");
    case "pausedCopy":
      return judgePausedCopy(migration, reading, nowMs);
    case "switching":
      return judgeSwitching(migration, reading);
    case "ending":
      if (reading.surelyThere) return ended(there(migration));
      // Taken apart it would be gone by now: it hangs, and it is here.
      return reading.undecidedForMs >= SETTLE_MAX_MS ? ended("stayed") : ASK_AGAIN;
    case "unknown":
      // Active and no longer incoming over there: it cannot be active here as well.
      return reading.surelyThere ? ended(there(migration)) : undecided(reading);
    case "notActive":
      return facts.mode === "file" ? judgeSave(migration, reading) : judgeGone(migration, reading);
  }
}

/** Nobody saw the call come back, and no byte was seen: its job may show up yet. */
function mayStillBegin({ call, evidence, sample }: Migration, nowMs: number): boolean {
  const { returned } = call;
  return (
    returned?.unwatched === "daemonDown" &&
    !evidence.superseded &&
    sample.dataSinceMs === null &&
    nowMs - returned.sinceMs < TAKEN_OVER_GRACE_MS
  );
}

/** Asked for as long as it may change; then the outcome says that it is not known. */
function undecided({ undecidedForMs }: Reading): Verdict {
  return undecidedForMs >= UNDECIDED_MAX_MS ? ended("unseen") : ASK_AGAIN;
}

/** Paused for the switchover, and its job is over: a libvirtd that died over it leaves it so. */
function judgeSwitching(migration: Migration, reading: Reading): Verdict {
  if (reading.sourceJob) return ASK_AGAIN;
  switch (reading.destination) {
    case "active":
      return reading.surelyThere ? ended(there(migration)) : ASK_AGAIN;
    case "left":
      return ended(there(migration));
    case "incoming":
      return undecided(reading);
    case "absent":
      return migration.evidence.lostReads >= SURE_READS ? ended("stayed") : ASK_AGAIN;
    case "silent":
    case "notAsked":
      return reading.settlingForMs < SETTLE_MAX_MS ? ASK_AGAIN : ended("unseen");
  }
}

function judgePausedCopy(migration: Migration, reading: Reading, nowMs: number): Verdict {
  const { destination, settlingForMs, sourceJob, surelyHalved } = reading;
  // It had all arrived and is not there any more: nobody needs the copy, and nobody comes to take it.
  if (destination === "left" && !sourceJob) return ended(there(migration));
  const silent = destination === "silent" || destination === "notAsked";
  const dataForMs = nowMs - (migration.advance?.lastByteAtMs ?? 0);
  const silentForMs = Math.min(settlingForMs, dataForMs);
  if (silent && silentForMs >= POSTCOPY_SILENT_MAX_MS) return ended("unseen");
  return surelyHalved ? ended("lost") : ASK_AGAIN;
}

/** The source has it no more. */
function judgeGone(migration: Migration, reading: Reading): Verdict {
  switch (reading.destination) {
    case "active":
      return reading.surelyThere ? ended(there(migration)) : ASK_AGAIN;
    case "left":
      return ended(there(migration));
    case "incoming":
      return reading.surelyHalved ? ended("lost") : undecided(reading);
    case "absent":
      return reading.surelyGone ? ended(gone(migration, reading)) : ASK_AGAIN;
    case "silent":
    case "notAsked":
      return judgeUnseen(migration, reading);
  }
}

/** It runs over there: it has arrived, unless it may have been started again after this host's reboot. */
function there({ call, evidence }: Migration): HowEnded {
  const rebooted = call.returned?.unwatched === "hostDown";
  const arrival = !rebooted || (evidence.record !== null && call.madeAtMs !== null);
  return arrival ? "arrived" : "startedAnew";
}

/**
 * On neither host. If libvirt said that it has left, it arrived and ended there since, which is not the
 * migration's doing. Who did not watch meanwhile cannot know that it is lost: it may have gone on.
 */
function gone({ call, evidence, postCopy }: Migration, { saidToHaveLeft }: Reading): HowEnded {
  const unwatched = call.returned?.unwatched ?? null;
  if (saidToHaveLeft) return "arrivedAndEnded";
  const seen = unwatched === null || evidence.guestStopped !== null || postCopy.begun;
  return seen || unwatched === "hostDown" ? "lost" : "unseen";
}

function judgeSave({ call, evidence }: Migration, reading: Reading): Verdict {
  const { image, saidToHaveEnded, saidToHaveLeft, settlingForMs } = reading;
  const unwatched = call.returned?.unwatched ?? null;
  const isComplete = unwatched !== null && image === "complete";
  if (saidToHaveLeft || evidence.record !== null || isComplete) return ended("saved");
  // Nobody saw how it went, and the image cannot be looked at: it may be the guest's only copy.
  const isUnread = unwatched !== null && image === undefined;
  if (isUnread && settlingForMs < SETTLE_MAX_MS) return ASK_AGAIN;
  const mayBeSaved = !saidToHaveEnded && image !== "notComplete";
  return ended(evidence.guestStopped === null || mayBeSaved ? "notSaved" : "lost");
}

/** The source has it no more and nobody can be asked on the destination. */
function judgeUnseen({ postCopy }: Migration, reading: Reading): Verdict {
  if (reading.saidToHaveLeft) {
    return ended(reading.destination === "notAsked" ? "arrivedNotAsked" : "arrivedNotConfirmed");
  }
  // libvirt said itself that the guest has ended here, before it could have gone.
  if (reading.saidToHaveEnded && !postCopy.begun) return ended("lost");
  return reading.settlingForMs < SETTLE_MAX_MS ? ASK_AGAIN : ended("unseen");
}

function ended(how: HowEnded): Verdict {
  return { kind: "ended", how };
}

export function askLocation(turn: Turn): void {
  ask(turn, { kind: "locateGuest" });
}

/** An answer. Before the call has returned it only adds to what is known. */
export function located(before: Migration, input: Input<"location">, turn: Turn): Migration {
  const { location } = input;
  const answered = noteAnswer(before, input);
  if (answered.admission.ending !== null) return locatedWaiting(answered, location, turn);
  if (answered.call.returned === null) return answered;
  // A paused copy is left by post-copy alone, also by one that began while no daemon watched.
  const begun = answered.postCopy.begun || answered.evidence.superseded;
  const switched = location.source === "pausedCopy" && !begun;
  const seen = switched ? beginPostCopy(answered, turn) : answered;
  const migration = countReads(seen, location, turn.nowMs);
  const verdict = judgeLocation(migration, location, turn.nowMs);
  if (verdict.kind === "askAgain") {
    destroyPausedCopy(migration, turn);
    return resumeWatching(migration, location, turn.nowMs);
  }
  decide(turn, "location", "where the guest is", { ...location });
  const othersJob = migration.evidence.superseded ? location.job : undefined;
  return end(migration, outcomeOf(migration, verdict.how, turn.nowMs), turn, othersJob);
}

function locatedWaiting(before: Migration, location: Location, turn: Turn): Migration {
  const migration = countReads(before, location, turn.nowMs);
  const outcome = endOfWaiting(migration, location, turn.nowMs);
  if (outcome === null) return migration;
  decide(turn, "location", "where the guest is", { ...location });
  return end(migration, outcome, turn, location.job);
}

/** The guest runs over there, read often enough, and needs nothing of the paused copy. */
function destroyPausedCopy({ evidence }: Migration, turn: Turn): void {
  const reads = evidence.pausedCopyReads;
  if (reads < SURE_READS || !ask(turn, { kind: "destroyPausedCopy" })) return;
  decide(turn, "pausedCopy", "destroyed", { reads });
}

export function pausedCopyDestroyed(result: EffectResult, turn: Turn): void {
  if (result.kind !== "ok") rejected(turn, "destroyPausedCopy", result);
}

/**
 * The call returned but what it was for goes on: its connection broke, or post-copy did. The migration
 * is watched, limited and steered as before; its end is found by locating the guest.
 */
function resumeWatching(before: Migration, location: Location, nowMs: number): Migration {
  const { call, postCopy, sample } = before;
  const goesOn = location.sourceJob && location.source !== "pausedCopy";
  // While its job is there nobody waits for an unknown location to become known.
  const migration: Migration =
    goesOn && call.returned !== null
      ? { ...before, call: { ...call, returned: { ...call.returned, sinceMs: nowMs } } }
      : before;
  if (!location.sourceJob && !postCopy.begun) return { ...migration, phase: "settling" };
  const inPreCopy = sample.dataSinceMs === null ? "starting" : "running";
  return { ...migration, phase: postCopy.begun ? "postCopy" : inPreCopy };
}
