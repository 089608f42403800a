/**
 * Post-copy that stands still, and how it is mended. The guest runs on the destination and its
 * memory is on both hosts, so nothing may abort; what helps is to have QEMU give up the broken
 * connection (pause) and to begin it anew (resume).
 *
 * Judged by bytes, never by libvirt's state alone: its "post-copy failed" also appears while QEMU
 * goes on, and a resume then would leave a paused copy here for good. So: no byte for the stall
 * timeout, then a pause once the destination's migration address answers, or when the engine asks;
 * then, in "post-copy failed" and with bytes still frozen, a resume, again while libvirt refuses it
 * because the other end is not ready, up to a bound. The engine may ask anew after that.
 *
 * Source: libvirt-domain.h, VIR_DOMAIN_ABORT_JOB_POSTCOPY and VIR_MIGRATE_POSTCOPY_RESUME.
 */
import type { Effect, EffectResult } from "./effect.ts";
import type { Advance, Migration, PostCopyRecovery } from "./migration.ts";

/** In "post-copy failed" bytes are frozen after so long without one. */
export const POSTCOPY_FROZEN_MS = 2_000;
/** Between two resumes, and between two questions to the address. */
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

export type RecoveryEffect = Extract<
  Effect,
  { kind: "pausePostCopy" | "resumePostCopy" | "probeAddress" }
>;

/** No byte for the stall timeout. */
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

/** What is to be done now for one that stands still; null: nothing. */
export function recoverPostCopy(
  migration: Migration,
  failedState: boolean,
  nowMs: number,
): RecoveryEffect | null {
  const { advance, postCopy } = migration;
  const { recovery } = postCopy;
  if (migration.phase !== "postCopy" || advance === null || !migration.sampled) return null;
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

/** Asked for: counted and stamped before it is done, so that a restart does not ask at once again. */
export function recoveryBegun(
  recovery: PostCopyRecovery,
  { kind }: RecoveryEffect,
  nowMs: number,
): PostCopyRecovery {
  switch (kind) {
    case "probeAddress":
      return { ...recovery, probedAtMs: nowMs };
    case "pausePostCopy":
      return { ...recovery, pausedAtMs: nowMs };
    case "resumePostCopy":
      return { ...recovery, attempts: recovery.attempts + 1, triedAtMs: nowMs };
  }
}

/** What came of it. */
export function recoveryDone(
  recovery: PostCopyRecovery,
  kind: RecoveryEffect["kind"],
  result: EffectResult,
): PostCopyRecovery {
  if (kind === "probeAddress") return { ...recovery, addressAnswers: result.kind === "ok" };
  const said =
    result.kind === "refused" ? { ...recovery, refusalMessage: result.refusal.message } : recovery;
  return kind === "pausePostCopy" ? { ...said, paused: recovery.paused || gaveUp(result) } : said;
}

/**
 * QEMU rejects a pause once post-copy is no longer active: proof that nothing moves.
 */
function gaveUp(result: EffectResult): boolean {
  if (result.kind === "ok") return true;
  return result.kind === "refused" && result.refusal.kind === "internalError";
}

/** The account starts anew: bytes moved, or the engine asks. The same object if there is none. */
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
