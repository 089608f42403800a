/**
 * The result of a step, and how a rule adds an effect to it.
 */
import type { Effect, PendingKind } from "./effect.ts";
import type { Migration } from "./migration.ts";

export interface Stepped {
  readonly migration: Migration;
  readonly effects: readonly Effect[];
}

/** Adds the effect unless one of its kind has not reported back. */
export function ask(
  migration: Migration,
  effects: Effect[],
  effect: Extract<Effect, { kind: PendingKind }>,
): Migration {
  if (migration.pending.includes(effect.kind)) return migration;
  effects.push(effect);
  return { ...migration, pending: [...migration.pending, effect.kind] };
}
