/**
 * What VM.migrateCheck answers: one line for each thing that may stand in the way of a migration, in
 * this order, each of them always there. Pure: facts in, words out. Nothing here asks anybody.
 */
import { type BandwidthRule, floorExceedsShare, nextCap } from "./bandwidth.ts";
import { NEVER_COUNTED, includingSelf } from "./host-count.ts";

export const checkNames = [
  /** The VM's state lets it go. */
  "vm",
  /** libvirt has no job on it. */
  "job",
  /** A slot is free on this host. */
  "outgoingSlot",
  /** The destination's name resolves. */
  "resolve",
  /** Its migration address answers. */
  "migrationAddress",
  /** Its daemon answers. */
  "daemon",
  /** Which version that is. */
  "version",
  /** It has a free slot. */
  "incomingSlot",
  /** It has no VM of that id. */
  "absentThere",
  /** Both hosts' certificates, and until when they are good. */
  "certificates",
  /** This host reaches its libvirt. */
  "libvirt",
  /** The guest's CPU can be had there. */
  "cpu",
  /** No disk is this host's alone. */
  "disks",
  /** No device of this host is given to the guest. */
  "hostDevices",
  /** Post-copy would be possible. */
  "postCopy",
  /** The cap that it would get. */
  "bandwidth",
] as const;

export type CheckName = (typeof checkNames)[number];

/** `ok` null: it cannot be told, or is not asked; the detail says why. */
export type Finding = { readonly ok: boolean | null; readonly detail: string };

export type Check = Finding & { readonly check: CheckName };

export type Findings = Readonly<Record<CheckName, Finding>>;

export function checksOf(findings: Findings): readonly Check[] {
  return checkNames.map((check) => ({ check, ...findings[check] }));
}

export function good(detail: string): Finding {
  return { ok: true, detail };
}

export function bad(detail: string): Finding {
  return { ok: false, detail };
}

export function unknown(detail: string): Finding {
  return { ok: null, detail };
}

/** `inUse` and `limit` null: not told. Example: 2 of 2 is bad, 1 of 2 is good. */
export function slotFinding(inUse: number | null, limit: number | null, queued = 0): Finding {
  if (inUse === null || limit === null) return unknown("it does not say how many slots it has");
  const waiting = queued === 0 ? "" : `, ${queued} waiting`;
  const detail = `${inUse} of ${limit} in use${waiting}`;
  return inUse < limit && queued === 0 ? good(detail) : bad(`${detail}: it would wait`);
}

/** `there` null: the destination does not say. `here` counts this migration, `there` does not. */
export function bandwidthFinding(rule: BandwidthRule, here: number, there: number | null): Finding {
  const destination =
    there === null
      ? NEVER_COUNTED
      : includingSelf({ kind: "counted", migrations: there, askedAtMs: 0 });
  const { capMiBps } = nextCap({
    rule,
    sourceMigrations: here,
    destination,
    capMiBps: null,
    silentQueriesSeen: 0,
  });
  const most = Math.max(here, (there ?? 0) + 1);
  const counted = `${here} migrations here, ${there === null ? "unknown" : there + 1} there, this one included`;
  const floor = floorExceedsShare(rule, most) ? "; the floor exceeds its share" : "";
  return good(`${capMiBps} MiB/s of ${rule.maxBandwidthMiBps}: ${counted}${floor}`);
}

/** A disk as libvirt's rule of safety sees it. `local`: on a file system of this host alone. */
export interface DiskFact {
  readonly target: string;
  readonly source: string;
  readonly kind: "safe" | "local" | "unknown";
  readonly why: string;
}

export function disksFinding(disks: readonly DiskFact[]): Finding {
  const say = (some: readonly DiskFact[]): string =>
    some.map(({ target, source, why }) => `${target} (${source}): ${why}`).join("; ");
  const local = disks.filter(({ kind }) => kind === "local");
  if (local.length > 0) return bad(say(local));
  const doubtful = disks.filter(({ kind }) => kind === "unknown");
  if (doubtful.length > 0) return unknown(say(doubtful));
  return good(disks.length === 0 ? "no disks" : say(disks));
}

/** QEMU decides at the start whether it can move one. */
export function hostDevicesFinding(devices: readonly string[]): Finding {
  if (devices.length === 0) return good("none");
  return unknown(`QEMU says at the start whether it can move: ${devices.join(", ")}`);
}
