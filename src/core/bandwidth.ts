/**
 * How much of the link one migration may take. Each cycle, before post-copy:
 *
 *   cap = max(floor, int(maxBandwidth / N)),  N = max(n(source), n(destination))
 *
 * with n(host) = all outgoing and incoming migrations there (host-count.ts). A destination that does not
 * answer is taken to be overloaded: the present cap is halved, once for each silent query, down to the
 * floor, and not raised until it answers again. Whole MiB/s, never 0.
 *
 * libvirt is asked to hold the cap when it changes. It is read back with the first data (before, libvirt
 * accepts a value and then overwrites it) and every CAP_READ_BACK_CYCLES timer cycles; if another value
 * is found, the cap is set again.
 */
import type { EffectDone, EffectResult } from "./effect.ts";
import { destinationSince, includingSelf } from "./host-count.ts";
import type { CycleInput, Input } from "./input.ts";
import type { Bandwidth, DestinationCount } from "./migration.ts";
import { type Decision, type Turn, ask, decide, log, rejected } from "./turn.ts";
import { mibpsFloor } from "./units.ts";

/** The cap is read back from libvirt every so many timer cycles. */
export const CAP_READ_BACK_CYCLES = 10;

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

/** The counts of both hosts, as this cycle shows them. */
export function countHosts(
  bandwidth: Bandwidth,
  { sourceMigrations, destination }: CycleInput,
  dataSinceMs: number | null,
): Bandwidth {
  const { destinationAtCall } = bandwidth;
  const counted = destinationSince(destination, { destinationAtCall, dataSinceMs });
  return { ...bandwidth, sourceMigrations, destination: counted };
}

/** The cap that the call to libvirt carries, and what it follows from. */
export function bandwidthAtCall(
  bandwidth: Bandwidth,
  rule: BandwidthRule,
  input: Input<"prepared">,
): Bandwidth & { readonly capMiBps: number } {
  const { sourceMigrations } = input;
  const destination = includingSelf(input.destination);
  const none = { capMiBps: null, silentQueriesSeen: 0 };
  const next = nextCap({ rule, sourceMigrations, destination, ...none });
  return {
    ...bandwidth,
    ...next,
    appliedMiBps: next.capMiBps,
    sourceMigrations,
    destination,
    destinationAtCall: destination.kind === "counted" ? destination.migrations : null,
  };
}

/** The cap of this cycle; set if libvirt does not hold it, else read back if that is due. */
export function steerBandwidth(
  before: Bandwidth,
  rule: BandwidthRule,
  timer: boolean,
  turn: Turn,
): Bandwidth {
  const { appliedMiBps, cyclesSinceVerified: since } = before;
  const cyclesSinceVerified = since === null ? null : since + (timer ? 1 : 0);
  const bandwidth = { ...before, ...nextCap({ rule, ...before }), cyclesSinceVerified };
  const { capMiBps } = bandwidth;
  if (capMiBps !== appliedMiBps) {
    if (ask(turn, { kind: "setMaxBandwidth", maxBandwidthMiBps: capMiBps })) {
      const numbers = { beforeMiBps: appliedMiBps, ...shareNumbers(bandwidth, rule) };
      decide(turn, "bandwidth", `${capMiBps} MiB/s`, numbers);
    }
    return bandwidth;
  }
  const due = cyclesSinceVerified === null || cyclesSinceVerified >= CAP_READ_BACK_CYCLES;
  if (due) ask(turn, { kind: "readMaxBandwidth" });
  return bandwidth;
}

export function bandwidthSet(
  bandwidth: Bandwidth,
  { asked, result }: EffectDone,
  turn: Turn,
): Bandwidth {
  if (result.kind === "ok") return { ...bandwidth, appliedMiBps: asked };
  rejected(turn, "setMaxBandwidth", result);
  return bandwidth;
}

/** Another value than was set is set again in the next cycle. */
export function bandwidthRead(bandwidth: Bandwidth, result: EffectResult, turn: Turn): Bandwidth {
  if (result.kind !== "ok") {
    rejected(turn, "readMaxBandwidth", result);
    return bandwidth;
  }
  const verified = { ...bandwidth, cyclesSinceVerified: 0 };
  const { appliedMiBps } = bandwidth;
  if (result.value === appliedMiBps) return verified;
  log(turn, "warn", "libvirt holds another bandwidth than was set, setting it again", {
    foundMiBps: result.value,
    setMiBps: appliedMiBps,
  });
  return { ...verified, appliedMiBps: null };
}

/** What a cap is a share of, for the record. */
export function shareNumbers(
  { sourceMigrations, destination }: Bandwidth,
  rule: BandwidthRule,
): Decision["numbers"] {
  return {
    maxBandwidthMiBps: rule.maxBandwidthMiBps,
    floorMiBps: Math.min(rule.minBandwidthMiBps, rule.maxBandwidthMiBps),
    sourceMigrations,
    destination: destination.kind,
    destinationMigrations: destination.kind === "counted" ? destination.migrations : null,
    silentQueries: destination.kind === "counted" ? 0 : destination.silentQueries,
  };
}
