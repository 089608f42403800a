/**
 * How long what has ended is remembered: an hour, and at most 200 of each kind, newest first. Migrations
 * and arrivals alike, over a restart too. Ages are monotonic; the wall clock may jump.
 */
import type { End, Facts } from "./migration.ts";

export const ENDED_KEPT_MS = 3_600_000;
export const ENDED_KEPT_MAX = 200;

export function isRemembered(endedForMs: number): boolean {
  return endedForMs < ENDED_KEPT_MS;
}

/** With the newest in front. */
export function remembering<T>(newest: T, rest: readonly T[]): readonly T[] {
  return [newest, ...rest].slice(0, ENDED_KEPT_MAX);
}

/** A migration as the journal left it. */
export interface Journaled {
  readonly migration: {
    readonly facts: Pick<Facts, "vmId">;
    readonly end: Pick<End, "atMs"> | null;
  };
  readonly sameBoot: boolean;
  /** Of a boot before this one: how long the host is known to have been up since its last record. */
  readonly uptimeSinceMs: number;
}

/**
 * Those that a restarted daemon restores: of each VM the last live one, and the ended ones that are
 * still remembered.
 */
export function toRestore<T extends Journaled>(all: readonly T[], nowMs: number): readonly T[] {
  const lastLive = new Map<string, T>();
  for (const each of all) if (isLive(each)) lastLive.set(each.migration.facts.vmId, each);
  return all.filter((each) =>
    isLive(each)
      ? lastLive.get(each.migration.facts.vmId) === each
      : isRemembered(endedForMs(each, nowMs)),
  );
}

function isLive({ migration }: Journaled): boolean {
  return migration.end === null;
}

function endedForMs({ migration, sameBoot, uptimeSinceMs }: Journaled, nowMs: number): number {
  return sameBoot ? nowMs - (migration.end?.atMs ?? nowMs) : uptimeSinceMs;
}
