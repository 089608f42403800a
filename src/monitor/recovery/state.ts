/**
 * A migration's state as the journal holds it: whole when it is accepted, then what each step changed,
 * by group and field. Owns which fields are not written, which are only written beside something else,
 * and how changes are put together again. A field is always written whole.
 */
import type { Migration } from "../../core/migration.ts";
import { isRecord } from "../../core/json.ts";

/** Of this process alone: what is in flight, and whether the last look was answered. */
const NOT_JOURNALED: ReadonlySet<string> = new Set(["pending", "sample.answered"]);
/** They change with each sample. */
const VOLATILE = /^(advance\.|sample\.stats$|bandwidth\.(sourceMigrations|destination)$)/;

export type StateChanges = Readonly<Record<string, unknown>>;

/** Everything that is journaled of it. */
export function wholeState(migration: Migration): StateChanges {
  return stateChanges({}, migration);
}

/** What is to be written so that `before` becomes `after`. */
export function stateChanges(before: Partial<Migration>, after: Migration): StateChanges {
  const was = new Map<string, unknown>(Object.entries(before));
  return Object.fromEntries(
    Object.entries(after).flatMap(([group, is]) => {
      if (NOT_JOURNALED.has(group)) return [];
      const changes = isRecord(is) ? fieldChanges(group, was.get(group), is) : is;
      const isSame = isRecord(is) ? changes === null : deepEqual(was.get(group), is);
      return isSame ? [] : [[group, changes]];
    }),
  );
}

/** null: there are none. */
function fieldChanges(group: string, was: unknown, is: object): StateChanges | null {
  const before = isRecord(was) ? was : {};
  const changed = Object.entries(is).filter(
    ([field, value]) => !NOT_JOURNALED.has(`${group}.${field}`) && !deepEqual(before[field], value),
  );
  return changed.length === 0 ? null : Object.fromEntries(changed);
}

/** By content: a part that was only looked at may be another object with the same fields. */
function deepEqual(before: unknown, after: unknown): boolean {
  if (before === after) return true;
  // Most parts are numbers, and most of those that differ are, too.
  if (typeof before !== "object" || typeof after !== "object") return false;
  return JSON.stringify(before) === JSON.stringify(after);
}

/** Whether there is more in them than what each sample changes. */
export function isNews(changes: StateChanges): boolean {
  return Object.entries(changes).some(([group, changed]) =>
    isRecord(changed)
      ? Object.keys(changed).some((field) => !VOLATILE.test(`${group}.${field}`))
      : true,
  );
}

/** The state once the changes are made to it. */
export function withChanges(state: StateChanges, changes: StateChanges): StateChanges {
  const merged = Object.entries(changes).map(([group, changed]) => {
    const before = state[group];
    return [group, isRecord(before) && isRecord(changed) ? { ...before, ...changed } : changed];
  });
  return { ...state, ...Object.fromEntries(merged) };
}
