/**
 * Two rules that hold at every moment: progress never falls within one migration, and no cap
 * exceeds the bandwidth rule's for longer than the grace period. Takes what both daemons report at
 * the same time; time is an argument.
 *
 *   cap <= max(floor, int(maxBandwidth / N)), floor = min(minBandwidth, maxBandwidth)
 *
 * N comes from the entry's own counts. A second check uses the number of migrations that move data
 * according to both daemons' entries: each is outgoing on one host and incoming on the other.
 */
import type { MigrationEntry } from "./wire.ts";

/**
 * A higher count is noticed in the next cycle (0.2 s) on this host and within a peer's answer (1 s)
 * on the other, and then applied; each can be late where two hosts share two cores.
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
   * The current faults. `calmSinceMs`: since when nothing is disturbed; null: something is now, and
   * caps cannot be set.
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
    // A foreign migration has no time of acceptance, so it cannot be told from the next one.
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
    return `cap of ${key} is ${entry.capAppliedMiBps}, but the rule allows ${most} (${counts})`;
  }
}

function mostMiBps(entry: MigrationEntry, moving: number): number {
  const all = Math.max(1, entry.sourceMigrations, entry.destinationMigrations ?? 0, moving);
  const floor = Math.min(entry.minBandwidthMiBps, entry.maxBandwidthMiBps);
  return Math.max(floor, 1, Math.floor(entry.maxBandwidthMiBps / all));
}
