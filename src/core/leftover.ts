/**
 * What may be left of a guest after it has arrived elsewhere: a definition on this host, because libvirt
 * was restarted meanwhile or somebody defined the VM while it was on its way. Started, the guest would
 * run twice. Owns when it is looked for and when it may be undefined.
 */
import type { Outcome } from "./event.ts";
import type { End } from "./migration.ts";

/**
 * For so long after the arrival was confirmed, a definition without a word of how its guest ended is
 * what the migration has left; later it may be anybody's.
 */
export const SURELY_LEFT_MS = 600_000;

/** The end of a migration, as far as it matters here. */
export type Arrival = Pick<End, "cleared" | "departureOver"> & {
  readonly outcome: Pick<Outcome, "outcome" | "confirmed">;
};

/**
 * True until it is known that nothing is left. `mode`: only what this daemon sent itself is its own to
 * clear. `destinationAnswers` false (peer.mode none): nobody can confirm the arrival, and libvirt's
 * word that the guest has left must do.
 */
export function mayHaveLeftover(
  mode: "remote" | "file" | "foreign",
  end: Arrival | null,
  destinationAnswers: boolean,
): boolean {
  if (mode !== "remote" || end === null) return false;
  if (end.cleared || end.departureOver === "cameBack") return false;
  const { confirmed, outcome } = end.outcome;
  return outcome === "completed" && (confirmed || !destinationAnswers);
}

/**
 * Whether a definition of which libvirt does not say how its guest ended may be undefined. One that
 * libvirt says was migrated may be, at any age. `confirmedForMs` null: it is not known since when.
 */
export function isSurelyLeft(
  wasPersistent: boolean,
  confirmed: boolean,
  confirmedForMs: number | null,
): boolean {
  return wasPersistent && confirmed && (confirmedForMs ?? 0) < SURELY_LEFT_MS;
}
