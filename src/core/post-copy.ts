/**
 * Post-copy: when it begins and what that resets; and what is done about one that has stalled. The guest
 * runs on the destination and its memory is on both hosts, so nothing may abort it.
 *
 * It begins when libvirt accepts the request (the engine's or the schedule's), or shows the guest in it.
 * From then on pre-copy's clock, requests and stop count no more.
 *
 * What helps one that has stalled is to have QEMU give up the broken connection (pause) and to begin it
 * again (resume). Judged by bytes, never by libvirt's state alone: "post-copy failed" also appears while
 * QEMU goes on, and a resume then would leave a paused copy here for good. So: no data for the stall
 * timeout, then a pause once the destination's migration address answers, or when the engine asks; then,
 * in "post-copy failed" and with no data still, a resume, repeated while libvirt refuses it because the
 * other end is not ready, up to a bound. The engine may ask again after that.
 *
 * Source: libvirt-domain.h, VIR_DOMAIN_ABORT_JOB_POSTCOPY and VIR_MIGRATE_POSTCOPY_RESUME.
 */
import { restartClock } from "./advance.ts";
import type { Effect, EffectResult } from "./effect.ts";
import type { Location } from "./input.ts";
import type { Advance, Migration, PostCopy, PostCopyRecovery } from "./migration.ts";
import { NOT_STALLING } from "./stall.ts";
import { type Turn, ask, decide, rejected, tell } from "./turn.ts";

/** In "post-copy failed" no data for this long means that none will come. */
export const POSTCOPY_FROZEN_MS = 2_000;
/** Between two resumes, and between two probes of the address. */
export const RECOVERY_RETRY_AFTER_MS = 5_000;
/** Resumes that libvirt refuses before the host leaves it to the engine. */
export const RESUME_ATTEMPTS_MAX = 60;

export const NO_RECOVERY: PostCopyRecovery = {
  asked: false,
  addressAnswers: false,
  probedAtMs: null,
  pausedAtMs: null,
  paused: false,
  attempts: 0,
  triedAtMs: null,
  refusalMessage: null,
};

/** The guest runs over there from here on. A stall that was announced goes on, until data come. */
export function beginPostCopy(migration: Migration, turn: Turn): Migration {
  const { advance, phase, postCopy, stall } = migration;
  if (phase === "postCopy") return migration;
  tell(turn, { kind: "vmStatus", status: { kind: "postCopy" } });
  return {
    ...migration,
    phase: "postCopy",
    postCopy: { ...postCopy, wanted: false, begun: true },
    advance: advance === null ? null : restartClock(advance, turn.nowMs),
    stall: stall.announced ? stall : NOT_STALLING,
  };
}

/** Only post-copy leaves a paused copy: also one that began while no daemon was watching. */
export function noticePausedCopy(
  migration: Migration,
  { source }: Location,
  turn: Turn,
): Migration {
  const { admission, call, end, evidence, postCopy } = migration;
  const isOut = call.returned !== null && admission.ending === null && end === null;
  const isNew = isOut && !postCopy.begun && !evidence.superseded;
  return isNew && source === "pausedCopy" ? beginPostCopy(migration, turn) : migration;
}

export function startPostCopy({ wanted }: PostCopy, advance: Advance | null, turn: Turn): void {
  if (!wanted || !ask(turn, { kind: "startPostCopy" })) return;
  decide(turn, "postcopy", "asked for", { pass: advance?.pass ?? null });
}

/** What libvirt said to the request. */
export function postCopyStarted(migration: Migration, result: EffectResult, turn: Turn): Migration {
  if (result.kind !== "ok") {
    rejected(turn, "startPostCopy", result);
    return migration;
  }
  const inPreCopy = migration.phase === "running" || migration.phase === "starting";
  return inPreCopy ? beginPostCopy(migration, turn) : migration;
}

/** No data for the stall timeout. */
export function postCopyStalled({ advance, limits, phase }: Migration, nowMs: number): boolean {
  return (
    phase === "postCopy" &&
    advance !== null &&
    silentMs(advance, nowMs) >= limits.postcopyStallTimeoutMs
  );
}

/** Since the last byte, or since post-copy began. */
function silentMs({ lastByteAtMs, lastAdvanceAtMs }: Advance, nowMs: number): number {
  return nowMs - Math.max(lastByteAtMs, lastAdvanceAtMs);
}

/** Asks for what helps one that has stalled. Data that come end the recovery. */
export function recoverPostCopy(
  migration: Migration,
  failedState: boolean,
  turn: Turn,
): PostCopyRecovery {
  const { recovery } = migration.postCopy;
  if (migration.phase !== "postCopy") return recovery;
  if (migration.advance?.bytesMoving === true) return resetRecovery(recovery, false);
  const effect = nextRecovery(migration, failedState, turn.nowMs);
  return effect === null || !ask(turn, effect) ? recovery : begun(recovery, effect.kind, turn);
}

type RecoveryEffect = Extract<
  Effect,
  { kind: "pausePostCopy" | "resumePostCopy" | "probeAddress" }
>;

function nextRecovery(
  migration: Migration,
  failedState: boolean,
  nowMs: number,
): RecoveryEffect | null {
  const { advance, postCopy, sample } = migration;
  const { recovery } = postCopy;
  if (advance === null || !sample.answered) return null;
  const due = (atMs: number | null): boolean =>
    atMs === null || nowMs - atMs >= RECOVERY_RETRY_AFTER_MS;
  if (failedState && recovery.paused) {
    const frozen = silentMs(advance, nowMs) >= POSTCOPY_FROZEN_MS;
    const mayTry = due(recovery.triedAtMs) && recovery.attempts < RESUME_ATTEMPTS_MAX;
    return frozen && mayTry ? { kind: "resumePostCopy" } : null;
  }
  if (!postCopyStalled(migration, nowMs)) return null;
  if (recovery.asked || recovery.addressAnswers) {
    return due(recovery.pausedAtMs) ? { kind: "pausePostCopy" } : null;
  }
  return due(recovery.probedAtMs) ? { kind: "probeAddress" } : null;
}

/** Counted and stamped before it is done, so that a restarted daemon does not ask again at once. */
function begun(
  before: PostCopyRecovery,
  kind: RecoveryEffect["kind"],
  turn: Turn,
): PostCopyRecovery {
  const { nowMs } = turn;
  if (kind === "probeAddress") return { ...before, probedAtMs: nowMs };
  const pauses = kind === "pausePostCopy";
  const recovery: PostCopyRecovery = pauses
    ? { ...before, pausedAtMs: nowMs }
    : { ...before, attempts: before.attempts + 1, triedAtMs: nowMs };
  decide(turn, "postcopy", pauses ? "paused" : "resumed", {
    attempts: recovery.attempts,
    askedByEngine: recovery.asked,
    addressAnswers: recovery.addressAnswers,
  });
  return recovery;
}

/** What came of it. */
export function recoveryDone(
  postCopy: PostCopy,
  kind: RecoveryEffect["kind"],
  result: EffectResult,
  turn: Turn,
): PostCopy {
  const { recovery } = postCopy;
  if (kind === "probeAddress") {
    return { ...postCopy, recovery: { ...recovery, addressAnswers: result.kind === "ok" } };
  }
  if (result.kind !== "ok") rejected(turn, kind, result);
  const refusalMessage =
    result.kind === "refused" ? result.refusal.message : recovery.refusalMessage;
  const paused = recovery.paused || (kind === "pausePostCopy" && gaveUp(result));
  return { ...postCopy, recovery: { ...recovery, refusalMessage, paused } };
}

/** A resume returns when the migration has ended: its success is the call's. */
export function resumed(migration: Migration, result: EffectResult, turn: Turn): Migration {
  const postCopy = recoveryDone(migration.postCopy, "resumePostCopy", result, turn);
  if (result.kind !== "ok") return { ...migration, postCopy };
  const before = migration.call.returned ?? {
    sinceMs: turn.nowMs,
    refusal: null,
    unwatched: null,
  };
  return {
    ...migration,
    postCopy,
    call: { ...migration.call, returned: { ...before, succeeded: true } },
  };
}

/** QEMU rejects a pause once post-copy is no longer active: proof that nothing moves. */
function gaveUp(result: EffectResult): boolean {
  if (result.kind === "ok") return true;
  return result.kind === "refused" && result.refusal.kind === "internalError";
}

/** Recovery begins again: data moved, or the engine asks. The same object if there was none. */
export function resetRecovery(recovery: PostCopyRecovery, asked: boolean): PostCopyRecovery {
  const { addressAnswers, probedAtMs, pausedAtMs, paused, attempts } = recovery;
  const isNew =
    !recovery.asked &&
    !addressAnswers &&
    !paused &&
    probedAtMs === null &&
    pausedAtMs === null &&
    attempts === 0;
  return isNew && !asked ? recovery : { ...NO_RECOVERY, asked };
}
