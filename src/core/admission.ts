/**
 * Admission: when a migration that waits may begin. It needs a slot here; the destination's own slot is
 * asked for afterwards (reservations.ts).
 *
 * - First come, first served. Only the head of the queue is looked at, with its own outgoingLimit if
 *   the request has one, else vars.max_outgoing_migrations: nobody overtakes a head that must wait.
 * - One that its destination deferred is skipped until its retry time, and then has its old place.
 * - A save to a file takes no slot and waits for none.
 * - A slot is held from admission to the end, except by one that is only being located to end.
 * - vars.migration_admission_timeout ends whatever has waited that long without a call to libvirt.
 */
import { SOON_MS, isNewReason, judgeSilence, refusedTriesAfter } from "./destination.ts";
import type { Input } from "./input.ts";
import type { Migration } from "./migration.ts";
import { endWaiting } from "./never-began.ts";
import { type Turn, log, tell } from "./turn.ts";

export interface Candidate {
  readonly migration: Pick<Migration, "facts" | "phase" | "admission" | "call">;
  readonly request: { readonly outgoingLimit?: number };
}

/** A deferred one is tried again after this share of the configured time more or less. */
const RETRY_JITTER_SHARE = 0.25;

export function isQueued({ migration }: Candidate): boolean {
  return migration.phase === "queued";
}

function holdsSlot({ migration }: Candidate): boolean {
  const { admission, facts, phase } = migration;
  return facts.mode === "remote" && phase !== "queued" && admission.ending === null;
}

/** Queued, and not deferred until later. */
function isReady({ migration }: Candidate, nowMs: number): boolean {
  return migration.phase === "queued" && (migration.admission.retryAtMs ?? 0) <= nowMs;
}

/**
 * Those that may begin now, of all live ones in the order of their acceptance. `stuck` could not even be
 * admitted and hold up nobody. Example: limit 2, one running, three queued: the first of these.
 */
export function mayBegin<T extends Candidate>(
  live: readonly T[],
  maxOutgoing: number,
  nowMs: number,
  stuck: ReadonlySet<T> = new Set(),
): readonly T[] {
  const ready = live.filter((each) => isReady(each, nowMs) && !stuck.has(each));
  const begin = ready.filter(({ migration }) => migration.facts.mode === "file");
  let held = live.filter(holdsSlot).length;
  for (const each of ready) {
    if (each.migration.facts.mode === "file") continue;
    if (held >= (each.request.outgoingLimit ?? maxOutgoing)) break;
    begin.push(each);
    held += 1;
  }
  return begin;
}

/** Slots held, and how many that could begin now are waiting for one. */
export function outgoingSlots(
  live: readonly Candidate[],
  nowMs: number,
): { readonly inUse: number; readonly waiting: number } {
  const waiting = live.filter(
    (each) => each.migration.facts.mode === "remote" && isReady(each, nowMs),
  );
  return { inUse: live.filter(holdsSlot).length, waiting: waiting.length };
}

/** `timeoutMs` 0: no limit. */
export function hasWaitedTooLong(
  { migration: { admission, call } }: Candidate,
  timeoutMs: number,
  nowMs: number,
): boolean {
  return timeoutMs > 0 && call.madeAtMs === null && nowMs - admission.acceptedAtMs >= timeoutMs;
}

/**
 * When a deferred one is tried again: sources that a full destination sent away together must not come
 * back together. `random` is in [0, 1). Example: 10 s, 0 and 0.5: after 7.5 s and 10 s.
 */
export function retryAtMs(nowMs: number, retryAfterMs: number, random: number): number {
  return nowMs + retryAfterMs * (1 - RETRY_JITTER_SHARE + 2 * RETRY_JITTER_SHARE * random);
}

/** Until it is tried again; null: it is not deferred, or is due already. */
export function retryInMs(
  { migration: { admission, phase } }: Candidate,
  nowMs: number,
): number | null {
  const inMs = Math.ceil((admission.retryAtMs ?? 0) - nowMs);
  return phase === "queued" && inMs > 0 ? inMs : null;
}

/** It has a slot here. The engine was told at acceptance. */
export function admitted(migration: Migration): Migration {
  const admission = { ...migration.admission, retryAtMs: null };
  return { ...migration, phase: "preparing", admission };
}

/** The destination has no slot, or something else is in the way for now. */
export function deferred(
  migration: Migration,
  { reason, retryAtMs: atMs }: Input<"deferred">,
  turn: Turn,
): Migration {
  return requeue(migration, { reason, atMs, refusedTries: 0 }, turn);
}

/** The destination gave no useful answer: whether waiting may help is destination.ts's to say. */
export function unanswered(
  migration: Migration,
  { silence, reachedBefore, retryAtMs: atMs }: Input<"unanswered">,
  turn: Turn,
): Migration {
  const { cause, text: reason } = silence;
  const refusedTries = refusedTriesAfter(migration.admission.refusedTries, cause);
  switch (judgeSilence(cause, { refusedTries, reachedBefore })) {
    case "fatal":
      if (migration.stop !== null) return endWaiting(migration, { kind: "stopped" }, turn);
      return endWaiting(
        migration,
        { kind: "noDestination", why: reason, tries: refusedTries },
        turn,
      );
    case "soon":
      return requeue(migration, { reason, atMs: turn.nowMs + SOON_MS, refusedTries }, turn);
    case "wait":
      return requeue(migration, { reason, atMs, refusedTries }, turn);
  }
}

/**
 * Back to its place in the queue, unless it is to end. It may wait there for an hour, so the engine is
 * told at first and when the reason changes, not at each try.
 */
function requeue(
  migration: Migration,
  next: { readonly reason: string; readonly atMs: number; readonly refusedTries: number },
  turn: Turn,
): Migration {
  if (migration.stop !== null) return endWaiting(migration, { kind: "stopped" }, turn);
  const { reason, atMs, refusedTries } = next;
  const { admission } = migration;
  const deferrals = admission.deferrals + 1;
  const inMs = Math.round(atMs - turn.nowMs);
  if (isNewReason(admission.deferralReason, reason)) {
    const message = "cannot begin yet, trying again later";
    log(turn, "info", message, { reason, retryInMs: inMs, deferrals });
    tell(turn, { kind: "deferred", reason, deferrals, retryInMs: inMs });
  }
  return {
    ...migration,
    phase: "queued",
    admission: { ...admission, retryAtMs: atMs, deferrals, deferralReason: reason, refusedTries },
  };
}
