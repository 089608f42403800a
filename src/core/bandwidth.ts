/**
 * How much of the link one migration may take. Each cycle, before post-copy:
 *
 *   cap = max(floor, int(maxBandwidth / N)),  N = max(n(source), n(destination))
 *
 * with n(host) = all outgoing and incoming migrations there. A destination that does not answer is
 * taken to be overloaded: the cap set now is halved, once for each silent query, down to the floor,
 * and never raised until it answers again. Whole MiB/s, never 0.
 */
import type { DestinationCount } from "./migration.ts";
import { mibpsFloor } from "./units.ts";

export interface BandwidthRule {
  readonly maxBandwidthMiBps: number;
  readonly minBandwidthMiBps: number;
}

/** min(min_migration_bandwidth, maxBandwidth): the floor never lifts a cap above its maximum. */
export function floorMiBps(rule: BandwidthRule): number {
  return mibpsFloor(Math.min(rule.minBandwidthMiBps, rule.maxBandwidthMiBps));
}

/**
 * The feature page's rule. Example: 52 MiB/s, 10 MiB/s floor: 1, 2, 4 and 6 migrations give 52, 26,
 * 13 and 10.
 */
export function shareMiBps(rule: BandwidthRule, migrations: number): number {
  return Math.max(floorMiBps(rule), mibpsFloor(rule.maxBandwidthMiBps / Math.max(1, migrations)));
}

/** More migrations than the floor leaves room for: the sum of the caps exceeds the maximum. */
export function floorExceedsShare(rule: BandwidthRule, migrations: number): boolean {
  return Math.max(1, migrations) * floorMiBps(rule) > rule.maxBandwidthMiBps;
}

export interface CapInput {
  readonly rule: BandwidthRule;
  readonly sourceMigrations: number;
  readonly destination: DestinationCount;
  /** The cap in force; null before the start. */
  readonly capMiBps: number | null;
  /** Silent queries that this migration has already paid for. */
  readonly silentQueriesSeen: number;
}

export interface Cap {
  readonly capMiBps: number;
  readonly silentQueriesSeen: number;
}

/** The cap for this cycle. */
export function nextCap(input: CapInput): Cap {
  const { rule, destination, capMiBps } = input;
  if (destination.kind === "counted") {
    const migrations = Math.max(input.sourceMigrations, destination.migrations);
    return { capMiBps: shareMiBps(rule, migrations), silentQueriesSeen: 0 };
  }
  const sourceShare = shareMiBps(rule, input.sourceMigrations);
  if (capMiBps === null) {
    return { capMiBps: sourceShare, silentQueriesSeen: destination.silentQueries };
  }
  const floor = floorMiBps(rule);
  const halved = halve(capMiBps, destination.silentQueries - input.silentQueriesSeen, floor);
  return {
    // A maximum raised meanwhile may have raised the floor above the cap in force.
    capMiBps: Math.max(floor, Math.min(halved, sourceShare)),
    silentQueriesSeen: destination.silentQueries,
  };
}

/** Halved so many times, down to the floor. Example: 52 twice, floor 10: 13. */
function halve(capMiBps: number, times: number, floor: number): number {
  let halved = capMiBps;
  for (let i = 0; i < times && halved > floor; i += 1) {
    halved = Math.max(floor, mibpsFloor(halved / 2));
  }
  return halved;
}
