/**
 * The slot that a destination keeps for a guest on its way: when this host gives it back. A stock VDSM
 * keeps its half-made VM for hours, but would also destroy a running VM if told to free the slot, so it
 * is told only while the guest is seen to run here. A slot that is never freed lapses.
 */
import type { Outcome } from "./event.ts";

type Where = Outcome["where"] | null;

/**
 * `ifHere`: freed once this host's libvirt shows the guest running. `ifOurDaemon`: nothing was handed to
 * libvirt and the guest has ended here; only a daemon like this one touches nothing but the slot.
 */
export type Release = "ifHere" | "ifOurDaemon";

/** At the end of the migration; null: the slot is the guest's, or there is none. */
export function releaseAtEnd(
  where: Where,
  reservedThere: boolean,
  callAtMs: number | null,
): Release | null {
  if (!reservedThere) return null;
  if (where === "source") return "ifHere";
  return callAtMs === null ? "ifOurDaemon" : null;
}

/** After the end, once the guest is located here after all. `was`: where it was known to be before. */
export function releaseLate(was: Where, where: Where, reservedThere: boolean): Release | null {
  return reservedThere && was === "unknown" && where === "source" ? "ifHere" : null;
}
