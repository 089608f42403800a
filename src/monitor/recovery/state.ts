/**
 * A migration's state as the journal holds it: whole when it is accepted, then what each step changed,
 * by group and field. Owns which fields are not written, which are only written beside something else,
 * and how changes are put together again. A field is always written whole.
 */
import type { Migration } from "../../core/migration.ts";
import { isRecord } from "../../core/json.ts";

/** Of this process alone: what is in flight, and whether the last look was answered. */
const NOT_JOURNALED: ReadonlySet<string> = new Set(["pending", "sample.answered"]);
/** They change with each sample, and so does the whole of `advance`. */
const VOLATILE: ReadonlySet<string> = new Set([
  "sample.stats",
  "bandwidth.sourceMigrations",
  "bandwidth.destination",
]);

export type StateChanges = Readonly<Record<string, unknown>>;

/** Everything that is journaled of it. */
export function wholeState(migration: Migration): StateChanges {
  return stateChanges({}, migration);
}

/**
 * What is to be written so that `before` becomes `after`. Asked of each migration in each cycle, mostly
 * for nothing: it makes no object but its answer, and a group that a step left alone is the same object.
 */
export function stateChanges(before: Partial<Migration>, after: Migration): StateChanges {
  const was: StateChanges = before;
  const is: StateChanges = { ...after };
  const changes: Record<string, unknown> = {};
  for (const group in is) {
    const [older, newer] = [was[group], is[group]];
    if (older === newer || NOT_JOURNALED.has(group)) continue;
    if (!isRecord(newer)) {
      if (!deepEqual(older, newer)) changes[group] = newer;
      continue;
    }
    const changed = fieldChanges(group, older, newer);
    if (changed !== null) changes[group] = changed;
  }
  return changes;
}

/** null: there are none. */
function fieldChanges(group: string, was: unknown, is: StateChanges): StateChanges | null {
  const before = isRecord(was) ? was : {};
  let changed: Record<string, unknown> | null = null;
  for (const field in is) {
    const value = is[field];
    if (deepEqual(before[field], value) || NOT_JOURNALED.has(`${group}.${field}`)) continue;
    changed ??= {};
    changed[field] = value;
  }
  return changed;
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
  for (const group in changes) {
    const changed = changes[group];
    if (!isRecord(changed)) return true;
    if (group === "advance") continue;
    for (const field in changed) if (!VOLATILE.has(`${group}.${field}`)) return true;
  }
  return false;
}

/** The state once the changes are made to it. */
export function withChanges(state: StateChanges, changes: StateChanges): StateChanges {
  const merged = Object.entries(changes).map(([group, changed]) => {
    const before = state[group];
    return [group, isRecord(before) && isRecord(changed) ? { ...before, ...changed } : changed];
  });
  return { ...state, ...Object.fromEntries(merged) };
}
