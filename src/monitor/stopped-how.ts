/** How libvirt's STOPPED event says that a guest ended; undefined: it does not say. */
import { LIFECYCLE } from "../core/libvirt-codes.ts";
import type { GuestStopped } from "../core/migration.ts";

const HOW: ReadonlyMap<number, GuestStopped | "migrated"> = new Map<
  number,
  GuestStopped | "migrated"
>([
  [LIFECYCLE.STOPPED_SHUTDOWN, "shutDown"],
  [LIFECYCLE.STOPPED_DESTROYED, "destroyed"],
  [LIFECYCLE.STOPPED_CRASHED, "crashed"],
  // Its QEMU is gone without a word.
  [LIFECYCLE.STOPPED_FAILED, "crashed"],
  [LIFECYCLE.STOPPED_MIGRATED, "migrated"],
  [LIFECYCLE.STOPPED_SAVED, "saved"],
]);

export function stoppedHow(detail: number): GuestStopped | "migrated" | undefined {
  return HOW.get(detail);
}
