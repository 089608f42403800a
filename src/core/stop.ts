/**
 * The end of a migration before its time: who decides it, and how it is carried out. A cancel, the hard
 * limit or the schedule decides once. libvirt is then asked to abort its job in each cycle until it
 * accepts, since it refuses while the job does not exist yet or libvirt connects; and again if the job
 * outlives an accepted abort by ABORT_AGAIN_AFTER_MS. The migration ends when libvirt's job is gone.
 *
 * In post-copy an abort would kill the guest: nothing is decided there, and what was decided before is
 * only remembered.
 */
import type { EffectResult } from "./effect.ts";
import type { Input } from "./input.ts";
import {
  type Migration,
  type Phase,
  type Stop,
  type StopReason,
  stalledForMs,
} from "./migration.ts";
import { endWaiting } from "./never-began.ts";
import { type Turn, ask, decide } from "./turn.ts";

/** An accepted abort that has not ended the job by then is made again. */
export const ABORT_AGAIN_AFTER_MS = 5_000;

export function decideStop(migration: Migration, why: StopReason, turn: Turn): Stop {
  const { advance, limits } = migration;
  decide(turn, "stop", why, {
    stalledForMs: stalledForMs(migration, turn.nowMs),
    progressTimeoutMs: limits.progressTimeoutMs,
    unproductivePasses: advance?.unproductiveInARow ?? null,
    sinceLastByteMs: advance === null ? null : turn.nowMs - advance.lastByteAtMs,
  });
  return { why, sinceMs: turn.nowMs, acceptedAtMs: null, refusal: null };
}

export function cancel(migration: Migration, { by }: Input<"cancel">, turn: Turn): Migration {
  const { evidence, phase, postCopy } = migration;
  if (migration.stop === null) decide(turn, "cancel", "asked for", { phase, by: by ?? null });
  // A second one joins the first, which each cycle pursues; one that waits again still has to end.
  else if (phase !== "queued") return migration;
  if (postCopy.begun) return migration;
  const stop = migration.stop ?? decideStop(migration, "cancel", turn);
  const stopping: Migration = { ...migration, stop };
  if (phase === "queued") return endWaiting(stopping, { kind: "stopped" }, turn);
  // Preparing, it is not begun any more. In settling it is only remembered, should the job go on.
  const out = phase === "starting" || phase === "running";
  if (out && !evidence.superseded) askAbort(turn);
  return stopping;
}

/** Asks until libvirt accepts, and again if the job outlives an acceptance; never in post-copy. */
export function pursueStop({ acceptedAtMs }: Stop, phase: Phase, turn: Turn): void {
  if (phase === "postCopy") return;
  const waits = acceptedAtMs !== null && turn.nowMs - acceptedAtMs < ABORT_AGAIN_AFTER_MS;
  if (!waits) askAbort(turn);
}

/**
 * Not while a request to start post-copy is unanswered: an abort right after the switch would lose the
 * guest, and its answer would mean nothing either way.
 */
function askAbort(turn: Turn): void {
  if (!turn.pending.has("startPostCopy")) ask(turn, { kind: "abort" });
}

/** What libvirt said to the abort. */
export function abortDone(stop: Stop | null, result: EffectResult, turn: Turn): Stop | null {
  if (stop === null) return null;
  if (result.kind === "ok") {
    decide(turn, "stop", "libvirt took the abort");
    return { ...stop, acceptedAtMs: turn.nowMs, refusal: null };
  }
  if (result.kind !== "refused") return stop;
  const { code, kind, message } = result.refusal;
  if (kind !== stop.refusal?.kind || code !== stop.refusal.code) {
    const numbers = { libvirtCode: code, libvirtMessage: message };
    decide(turn, "stop", "libvirt did not take the abort, asking again", numbers);
  }
  return { ...stop, refusal: result.refusal };
}
