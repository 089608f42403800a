/**
 * What one step collects beside the new state: the effects that it asks for, in order, and what was
 * decided by which rule, with the numbers it was decided on. A rule that decides something says so
 * here itself; nothing is reconstructed afterwards. The decisions explain a migration later
 * (VM.explainMigration).
 *
 * `pending` are the effects that have not reported back: none of them is asked for twice at a time.
 */
import type { DecisionRule } from "./decision-rules.ts";
import type { Effect, EffectResult, LogLevel, PendingKind } from "./effect.ts";
import type { CoreEvent } from "./event.ts";
import type { Migration } from "./migration.ts";
import type { RefusalKind } from "./refusal.ts";

export type DecisionValue = number | string | boolean | null;

export interface Decision {
  /** One word for the rule (decision-rules.ts); a journal may have an older one's. */
  readonly rule: string;
  /** What was decided. */
  readonly what: string;
  /** What it was decided on; every number has its unit in its name. */
  readonly numbers: Readonly<Record<string, DecisionValue>>;
}

export interface Stepped {
  readonly migration: Migration;
  readonly effects: readonly Effect[];
  /** In the order in which things follow from each other. */
  readonly decisions: readonly Decision[];
}

export interface Turn {
  readonly nowMs: number;
  readonly effects: Effect[];
  readonly decisions: Decision[];
  readonly pending: Set<PendingKind>;
}

export function beginTurn({ pending }: Pick<Migration, "pending">, nowMs: number): Turn {
  return { nowMs, effects: [], decisions: [], pending: new Set(pending) };
}

/** The same object if nothing was asked for and nothing has reported back. */
export function withPending(migration: Migration, { pending }: Turn): Migration {
  const before = migration.pending;
  const same = before.length === pending.size && before.every((kind) => pending.has(kind));
  return same ? migration : { ...migration, pending: [...pending] };
}

export function decide(
  turn: Turn,
  rule: DecisionRule,
  what: string,
  numbers: Decision["numbers"] = {},
): void {
  turn.decisions.push({ rule, what, numbers });
}

/** Tells the engine. */
export function tell(turn: Turn, event: CoreEvent): void {
  turn.effects.push({ kind: "event", event });
}

/** A line for the log. */
export function log(
  turn: Turn,
  level: LogLevel,
  message: string,
  fields: Decision["numbers"],
): void {
  turn.effects.push({ kind: "log", level, message, fields });
  decide(turn, "note", message, fields);
}

/** False, and nothing is asked for, while one of its kind has not reported back. */
export function ask(turn: Turn, effect: Extract<Effect, { kind: PendingKind }>): boolean {
  if (turn.pending.has(effect.kind)) return false;
  turn.pending.add(effect.kind);
  turn.effects.push(effect);
  return true;
}

/** The job has not begun to send, or has just ended: nothing that an operator could fix. */
const EXPECTED_REFUSALS: ReadonlySet<RefusalKind> = new Set(["invalidState", "noVm"] as const);

/** libvirt did not accept a request: it is made again in the next cycle. */
export function rejected(
  turn: Turn,
  effect: PendingKind,
  result: Exclude<EffectResult, { kind: "ok" }>,
): void {
  if (result.kind === "busy") return;
  const refusal = result.kind === "refused" ? result.refusal : null;
  const expected = refusal !== null && EXPECTED_REFUSALS.has(refusal.kind);
  log(turn, expected ? "info" : "warn", "libvirt rejected the request, will retry next cycle", {
    effect,
    libvirtCode: refusal?.code ?? null,
    libvirtMessage: refusal?.message ?? "no answer in time",
  });
}
