/** The phases of a simulated migration, as libvirt and QEMU go through them. */

/**
 * - `called`: libvirt has no job yet. `preparing`: it has, and no data flow.
 * - `connecting`: the migration address swallows packets, and libvirt holds the VM's job lock.
 * - `sending`: pre-copy. `switching`: the guest stands still for its last pages.
 * - `postCopy`: it runs over there and most of its memory is here. `postCopyPaused`: given up, to resume.
 * - `finishing`: all of it is over there, and libvirt tidies up.
 */
export type Phase =
  | "called"
  | "preparing"
  | "connecting"
  | "sending"
  | "switching"
  | "postCopy"
  | "postCopyPaused"
  | "finishing"
  | "ended";

/** Those in which data may flow. */
export const FLOWING: ReadonlySet<Phase> = new Set(["sending", "switching", "postCopy"]);
