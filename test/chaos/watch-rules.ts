/**
 * Two rules that hold at every moment: progress never falls within one migration, and no cap lies
 * above the bandwidth rule's for longer than its grace. Fed with what both daemons say at the same
 * time; time is an argument.
 *
 *   cap <= max(floor, int(maxBandwidth / N)), floor = min(minBandwidth, maxBandwidth)
 *
 * N is the entry's own counts, and in a second check how many migrations move data as the two
 * daemons' entries themselves say: each is an outgoing one here and an incoming one there.
 */
import type { MigrationEntry } from "./wire.ts";

/**
 * A count that rises is seen in the next cycle (0.2 s) here, within a peer's answer (1 s) there, and
 * then set; on a machine with two cores for two hosts each of these may be late.
 */
export const CAP_GRACE_MS = 3_000;

const MOVING: ReadonlySet<string> = new Set(["running", "postCopy", "foreign"]);

export interface Look {
  readonly siteName: string;
  readonly entries: readonly MigrationEntry[];
}

export class WatchRules {
  readonly #progress = new Map<string, number>();
  readonly #excessSinceMs = new Map<string, number>();

  /**
   * What is wrong at this moment. `calmSinceMs`: since when nothing has been taken away; null: now
   * something is, and a cap cannot be set.
   */
  faults(looks: readonly Look[], nowMs: number, calmSinceMs: number | null): readonly string[] {
    const moving = looks
      .flatMap(({ entries }) => entries)
      .filter((entry) => MOVING.has(entry.phase) && entry.hasData).length;
    return looks.flatMap(({ siteName, entries }) =>
      entries.flatMap((entry) => {
        const key = `${siteName} ${entry.vmId} ${entry.acceptedAt}`;
        const cap = this.#capFault(key, entry, { moving, nowMs, calmSinceMs });
        return [this.#progressFault(key, entry), cap].filter((fault) => fault !== undefined);
      }),
    );
  }

  #progressFault(key: string, entry: MigrationEntry): string | undefined {
    // One that somebody else began has no time of acceptance: the next is not told from it.
    if (entry.phase === "foreign") return undefined;
    const before = this.#progress.get(key) ?? 0;
    this.#progress.set(key, Math.max(before, entry.progressPercent));
    if (entry.progressPercent >= before) return undefined;
    return `progress of ${key} fell from ${before} to ${entry.progressPercent}`;
  }

  #capFault(
    key: string,
    entry: MigrationEntry,
    now: {
      readonly moving: number;
      readonly nowMs: number;
      readonly calmSinceMs: number | null;
    },
  ): string | undefined {
    const most = mostMiBps(entry, now.moving);
    const settable = entry.phase === "running" && !entry.isPostCopy && entry.hasData;
    const excess = settable && entry.capAppliedMiBps > most;
    if (!excess || now.calmSinceMs === null || entry.stallReason === "noStats") {
      this.#excessSinceMs.delete(key);
      return undefined;
    }
    const sinceMs = this.#excessSinceMs.get(key) ?? now.nowMs;
    this.#excessSinceMs.set(key, sinceMs);
    if (now.nowMs - Math.max(sinceMs, now.calmSinceMs) < CAP_GRACE_MS) return undefined;
    const { sourceMigrations, destinationMigrations } = entry;
    const counts = `source ${sourceMigrations}, destination ${destinationMigrations}, seen ${now.moving}`;
    return `cap of ${key} is ${entry.capAppliedMiBps}, the rule allows ${most} (${counts})`;
  }
}

function mostMiBps(entry: MigrationEntry, moving: number): number {
  const all = Math.max(1, entry.sourceMigrations, entry.destinationMigrations ?? 0, moving);
  const floor = Math.min(entry.minBandwidthMiBps, entry.maxBandwidthMiBps);
  return Math.max(floor, 1, Math.floor(entry.maxBandwidthMiBps / all));
}
