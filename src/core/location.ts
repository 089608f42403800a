/**
 * Where the guest is, by what both hosts show, and what follows: its migration has ended or goes on, or the
 * guest is located again. The return of libvirt's call is never trusted without this: libvirt has reported
 * success for a guest that was nowhere. evidence.ts counts what makes a location sure, outcome.ts has the
 * words for an end, end.ts what is done then; step.ts puts them in order.
 *
 * Lost: the guest is on neither host for SURE_READS reads (or at once, where libvirt saw it end here), or
 * post-copy had begun and half of the memory is gone; and only if somebody was watching, or libvirt said
 * what became of it. What such an end is called, guestLost being one of the names, is outcome.ts's.
 */
import type { EffectResult } from "./effect.ts";
import { type Reading, SETTLE_MAX_MS, SURE_READS, mayBeOurJob, readingOf } from "./evidence.ts";
import type { Outcome } from "./event.ts";
import type { Location } from "./input.ts";
import type { End, Migration, WaitingEnd } from "./migration.ts";
import type { Conclusion, Found, HowEnded } from "./outcome.ts";
import { type Turn, ask, decide, rejected } from "./turn.ts";

export type Verdict =
  /** Nothing follows yet. */
  | { readonly kind: "none" }
  /** The call has returned, and its migration goes on or is not settled. */
  | { readonly kind: "askAgain" }
  | Conclusion;

/** After a restart of the daemon: the job of a call made just before may appear only so much later. */
export const TAKEN_OVER_GRACE_MS = 5_000;
/** Post-copy without data, and without a word from the destination: its host may be gone. */
export const POSTCOPY_SILENT_MAX_MS = 600_000;
/** How long libvirt may say nothing of a VM, or a guest may be half arrived, before that is the end. */
export const UNDECIDED_MAX_MS = 600_000;

const NONE: Verdict = { kind: "none" };
const ASK_AGAIN: Verdict = { kind: "askAgain" };

export function askLocation(turn: Turn): void {
  ask(turn, { kind: "locateGuest" });
}

/** `location` has been noted in the migration's evidence. */
export function judgeLocation(migration: Migration, location: Location, nowMs: number): Verdict {
  const { admission, call, end } = migration;
  const reading = readingOf(migration, location, nowMs);
  if (end !== null) return judgeEnded(migration, reading, end);
  if (admission.ending !== null) return judgeWaiting(migration, reading, admission.ending, nowMs);
  return call.returned === null ? NONE : judgeBegun(migration, reading, nowMs);
}

/** The call has returned. The guest is located again while it is under way or cannot be seen yet. */
function judgeBegun(migration: Migration, reading: Reading, nowMs: number): Verdict {
  const { facts } = migration;
  switch (reading.source) {
    case "active":
      if (reading.sourceJob && mayBeOurJob(migration)) return ASK_AGAIN;
      // A libvirtd that is killed during the last step can start the guest there as well.
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
      // libvirt would have torn it down by now: it hangs, and is still here.
      return reading.undecidedForMs >= SETTLE_MAX_MS ? ended("stayed") : ASK_AGAIN;
    case "unknown":
      // Active on the destination and no longer incoming: it cannot be active here as well.
      return reading.surelyThere ? ended(there(migration)) : undecided(reading);
    case "notActive":
      return facts.mode === "file" ? judgeSave(migration, reading) : judgeGone(migration, reading);
  }
}

/** Nobody saw the call return and no data was seen: its job may still appear. */
function mayStillBegin({ call, evidence, sample }: Migration, nowMs: number): boolean {
  const { returned } = call;
  return (
    returned?.unwatched === "daemonDown" &&
    !evidence.superseded &&
    sample.dataSinceMs === null &&
    nowMs - returned.sinceMs < TAKEN_OVER_GRACE_MS
  );
}

/** Located again while the answer may still change; after that the location counts as unknown. */
function undecided({ undecidedForMs }: Reading): Verdict {
  return undecidedForMs >= UNDECIDED_MAX_MS ? ended("unseen") : ASK_AGAIN;
}

/** Paused for the switchover with its job gone: what a libvirtd leaves that died at that moment. */
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
  // It had arrived completely and has left there since: nothing needs the copy any more.
  if (destination === "left" && !sourceJob) return ended(there(migration));
  const silent = destination === "silent" || destination === "notAsked";
  const dataForMs = nowMs - (migration.advance?.lastByteAtMs ?? 0);
  const silentForMs = Math.min(settlingForMs, dataForMs);
  if (silent && silentForMs >= POSTCOPY_SILENT_MAX_MS) return ended("unseen");
  return surelyHalved ? ended("lost") : ASK_AGAIN;
}

/** Not active on the source. */
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

/** Active on the destination, or gone on from there. */
function there(migration: Migration): HowEnded {
  return isArrival(migration) ? "arrived" : "startedAnew";
}

/** It was called, and cannot have been started there instead, as it may be after a reboot here. */
function isArrival({ call, evidence }: Migration): boolean {
  if (call.madeAtMs === null) return false;
  return call.returned?.unwatched !== "hostDown" || evidence.record !== null;
}

/**
 * On neither host. If libvirt said that it left, it arrived and has ended there since, which is not the
 * migration's fault. If nobody was watching it may have migrated on, so nobody can say that it is lost.
 */
function gone({ call, evidence, postCopy }: Migration, { saidToHaveLeft }: Reading): HowEnded {
  const unwatched = call.returned?.unwatched ?? null;
  if (saidToHaveLeft) return "arrivedAndEnded";
  const seen = unwatched === null || evidence.guestStopped !== null || postCopy.begun;
  return seen || unwatched === "hostDown" ? "lost" : "unseen";
}

function judgeSave({ call, evidence }: Migration, reading: Reading): Verdict {
  const { image, saidToHaveEnded, saidToHaveLeft, settlingForMs } = reading;
  // Whatever is in the image is not ours.
  if (call.madeAtMs === null) return ended("lost");
  const unwatched = call.returned?.unwatched ?? null;
  const isComplete = unwatched !== null && image === "complete";
  if (saidToHaveLeft || evidence.record !== null || isComplete) return ended("saved");
  // Nobody saw how it ended, and the image cannot be read: it may be the guest's only copy.
  const isUnread = unwatched !== null && image === undefined;
  if (isUnread && settlingForMs < SETTLE_MAX_MS) return ASK_AGAIN;
  const mayBeSaved = !saidToHaveEnded && image !== "notComplete";
  return ended(evidence.guestStopped === null || mayBeSaved ? "notSaved" : "lost");
}

/** Not active on the source, and the destination cannot be asked. */
function judgeUnseen({ postCopy }: Migration, reading: Reading): Verdict {
  if (reading.saidToHaveLeft) {
    return ended(reading.destination === "notAsked" ? "arrivedNotAsked" : "arrivedNotConfirmed");
  }
  // libvirt itself saw the guest end here, before it could have left.
  if (reading.saidToHaveEnded && !postCopy.begun) return ended("lost");
  return reading.settlingForMs < SETTLE_MAX_MS ? ASK_AGAIN : ended("unseen");
}

function ended(how: HowEnded): Verdict {
  return { kind: "ended", how };
}

/** The call was never made. The location is the outcome once it is clear, or after SETTLE_MAX_MS. */
function judgeWaiting(
  migration: Migration,
  reading: Reading,
  { why, sinceMs }: { readonly why: WaitingEnd; readonly sinceMs: number },
  nowMs: number,
): Verdict {
  const found = foundAt(migration, reading);
  const isPatient = nowMs - sinceMs < SETTLE_MAX_MS;
  if (isPatient && mayBeClearSoon(migration, reading, found)) return NONE;
  return { kind: "neverBegan", why, found };
}

/** libvirt may say nothing about a VM for seconds while it works on it. */
function mayBeClearSoon({ evidence }: Migration, { source }: Reading, found: Found): boolean {
  // The event that says why it is gone may still be on its way.
  if (found.kind === "absent") return evidence.lostReads < SURE_READS;
  return found.kind === "silent" || source === "ending";
}

/** The definition says best whether it ended here; an event says best how. */
function foundAt({ facts, evidence }: Migration, reading: Reading): Found {
  const { guestStopped, stoppedByJob } = evidence;
  const there = reading.destination === "active" || reading.destination === "left";
  switch (reading.source) {
    case "active":
    case "switching":
    case "ending":
      return { kind: "here" };
    case "pausedCopy":
      return { kind: "left", there };
    case "unknown":
      return { kind: "silent" };
    case "notActive": {
      const { endedHere } = reading;
      if (endedHere === "migrated") return { kind: "left", there };
      if (endedHere !== undefined) return { kind: "stopped", how: guestStopped ?? endedHere };
      if (there) return { kind: "left", there };
      // By another party's job, since ours had not begun.
      if (stoppedByJob) {
        return facts.mode === "file" ? { kind: "stopped", how: "saved" } : { kind: "left", there };
      }
      return guestStopped === null ? { kind: "absent" } : { kind: "stopped", how: guestStopped };
    }
  }
}

/** The guest is still located after the end. */
export function isOpen({ departureOver, outcome }: End): boolean {
  return !outcome.confirmed || (outcome.where === "unknown" && departureOver === null);
}

/**
 * Whether locating the guest of an ended migration again can tell anything. This host's libvirt can show a
 * guest that nobody had located; only the destination can confirm an arrival.
 */
export function mayLearnLate({ end }: Migration, destinationAnswers: boolean): boolean {
  return end !== null && isOpen(end) && (end.outcome.where === "unknown" || destinationAnswers);
}

/** After the end its arrival may be confirmed, or a guest be found that nobody had located. */
function judgeEnded(migration: Migration, reading: Reading, end: End): Verdict {
  const { outcome, departureOver } = end;
  const neverBegan = migration.admission.ending !== null;
  if (hasArrived(migration, reading)) return { kind: "arrivalConfirmed", outcome };
  // A VM that has come back or was destroyed since is reported as this host shows it.
  if (outcome.where !== "unknown" || departureOver !== null) return NONE;
  const where = neverBegan ? whereWaiting(migration, reading) : whereBegun(migration, reading);
  return where === "unknown" ? NONE : { kind: "foundLate", outcome, where };
}

function hasArrived(migration: Migration, { destination, source }: Reading): boolean {
  const sure = destination === "left" || migration.evidence.thereReads >= SURE_READS;
  return sure && isArrival(migration) && source !== "active";
}

/** As judgeBegun decides it before the end. On the destination without an arrival it was started anew. */
function whereBegun({ evidence }: Migration, reading: Reading): Outcome["where"] {
  const { source, sourceJob, destination } = reading;
  if (source !== "active") return evidence.thereReads >= SURE_READS ? "destination" : "unknown";
  return !sourceJob && destination !== "active" ? "source" : "unknown";
}

function whereWaiting(migration: Migration, reading: Reading): Outcome["where"] {
  const found = foundAt(migration, reading);
  switch (found.kind) {
    case "here":
      return reading.source === "active" ? "source" : "unknown";
    case "stopped":
      return "nowhere";
    case "left":
      return found.there && migration.evidence.thereReads >= SURE_READS ? "destination" : "unknown";
    case "absent":
    case "silent":
      return "unknown";
  }
}

/**
 * The call has returned, but its migration goes on (its connection broke, or post-copy did): it is watched,
 * limited and steered as before. Or its location is not clear yet: it stays in settling.
 */
export function resumeWatching(before: Migration, location: Location, turn: Turn): Migration {
  destroyPausedCopy(before, turn);
  const { call, postCopy, sample } = before;
  const goesOn = location.sourceJob && location.source !== "pausedCopy";
  // While its job is there, no time runs in which an unknown location has to become known.
  const migration: Migration =
    goesOn && call.returned !== null
      ? { ...before, call: { ...call, returned: { ...call.returned, sinceMs: turn.nowMs } } }
      : before;
  if (!location.sourceJob && !postCopy.begun) return { ...migration, phase: "settling" };
  const inPreCopy = sample.dataSinceMs === null ? "starting" : "running";
  return { ...migration, phase: postCopy.begun ? "postCopy" : inPreCopy };
}

/** The guest runs on the destination, read often enough, and needs nothing of the paused copy. */
function destroyPausedCopy({ evidence }: Migration, turn: Turn): void {
  const reads = evidence.pausedCopyReads;
  if (reads < SURE_READS || !ask(turn, { kind: "destroyPausedCopy" })) return;
  decide(turn, "pausedCopy", "destroyed", { reads });
}

export function pausedCopyDestroyed(result: EffectResult, turn: Turn): void {
  if (result.kind !== "ok") rejected(turn, "destroyPausedCopy", result);
}
