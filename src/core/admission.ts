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
import type { Phase } from "./migration.ts";

/** What admission knows of one migration. */
export interface AdmissionFacts {
  readonly mode: "remote" | "file";
  readonly phase: Phase;
  readonly acceptedAtMs: number;
  readonly callAtMs: number | null;
  /** Not before this; null: not deferred. */
  readonly retryAtMs: number | null;
  /** It never began and is to end; null: it is not. */
  readonly waitingEnd: object | null;
}

export interface Candidate {
  readonly migration: AdmissionFacts;
  readonly request: { readonly outgoingLimit?: number };
}

/** A deferred one is tried again after this share of the configured time more or less. */
const RETRY_JITTER_SHARE = 0.25;

export function isQueued({ migration }: Candidate): boolean {
  return migration.phase === "queued";
}

function holdsSlot({ migration }: Candidate): boolean {
  const { mode, phase, waitingEnd } = migration;
  return mode === "remote" && phase !== "queued" && waitingEnd === null;
}

/** Queued, and not deferred until later. */
function isReady({ migration }: Candidate, nowMs: number): boolean {
  return migration.phase === "queued" && (migration.retryAtMs ?? 0) <= nowMs;
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
  const begin = ready.filter(({ migration }) => migration.mode === "file");
  let held = live.filter(holdsSlot).length;
  for (const each of ready) {
    if (each.migration.mode === "file") continue;
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
  const waiting = live.filter((each) => each.migration.mode === "remote" && isReady(each, nowMs));
  return { inUse: live.filter(holdsSlot).length, waiting: waiting.length };
}

/** `timeoutMs` 0: no limit. */
export function hasWaitedTooLong(
  { migration: { callAtMs, acceptedAtMs } }: Candidate,
  timeoutMs: number,
  nowMs: number,
): boolean {
  return timeoutMs > 0 && callAtMs === null && nowMs - acceptedAtMs >= timeoutMs;
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
  { migration: { phase, retryAtMs: atMs } }: Candidate,
  nowMs: number,
): number | null {
  const inMs = Math.ceil((atMs ?? 0) - nowMs);
  return phase === "queued" && inMs > 0 ? inMs : null;
}
