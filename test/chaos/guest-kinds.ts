/**
 * The guests of a chaos run and how each kind is migrated: some arrive quickly, some slowly, some
 * never. 48 MiB each and rate-limited, so that three of them leave room on two cores.
 */
import type { GuestLoad } from "../lab/api.ts";
import type { Random } from "./random.ts";

export type MigrateParams = Readonly<Record<string, unknown>>;

export interface GuestKind {
  readonly name: string;
  readonly weight: number;
  readonly load: GuestLoad;
  /** MiB/s, from and to. */
  readonly maxBandwidthMiBps: readonly [number, number];
  /** Seconds, from and to. */
  readonly progressTimeoutSeconds: readonly [number, number];
  /** Must be 1 ms for a guest that must never arrive by itself. */
  readonly downtimeMs?: number;
}

export const guestKinds: readonly GuestKind[] = [
  {
    name: "idle",
    weight: 2,
    load: { filledMiB: 4 },
    maxBandwidthMiBps: [2, 16],
    progressTimeoutSeconds: [2, 10],
  },
  {
    name: "large",
    weight: 4,
    load: { filledMiB: 24 },
    maxBandwidthMiBps: [4, 24],
    progressTimeoutSeconds: [3, 20],
  },
  {
    name: "writer",
    weight: 3,
    load: { workingSetMiB: 6, filledMiB: 16, ratePagesPerSecond: 512 },
    maxBandwidthMiBps: [6, 24],
    progressTimeoutSeconds: [3, 10],
  },
  {
    name: "endless",
    weight: 3,
    load: { workingSetMiB: 4, ratePagesPerSecond: 5120 },
    maxBandwidthMiBps: [6, 16],
    progressTimeoutSeconds: [2, 5],
    downtimeMs: 1,
  },
];

/** The parameters of VM.migrate, except the addresses. */
export function drawMigrateParams(
  random: Random,
  kind: GuestKind,
  allowPostCopy: boolean,
): MigrateParams {
  const params: Record<string, unknown> = {
    maxBandwidth: random.integer(...kind.maxBandwidthMiBps),
    migrationProgressTimeout: random.integer(...kind.progressTimeoutSeconds),
    stallingLimit: random.integer(0, 3),
  };
  if (kind.downtimeMs !== undefined) params["downtime"] = kind.downtimeMs;
  else if (random.chance(0.3)) params["downtime"] = random.integer(50, 1000);
  if (random.chance(0.25)) params["convergenceSchedule"] = drawSchedule(random, allowPostCopy);
  if (random.chance(0.12)) params["autoConverge"] = true;
  if (random.chance(0.06)) params["compressed"] = true;
  if (random.chance(0.08)) params["parallel"] = 2;
  else if (random.chance(0.05)) params["tunneled"] = true;
  return params;
}

function drawSchedule(random: Random, allowPostCopy: boolean): MigrateParams {
  const last = random.pick(allowPostCopy ? ["postcopy", "postcopy", "abort"] : ["abort"]);
  const setDowntime = (ms: number) => ({ name: "setDowntime", params: [String(ms)] });
  const steps = Array.from({ length: random.integer(0, 2) }, (_, index) => ({
    limit: index + 1,
    action: setDowntime(random.integer(1, 300)),
  }));
  const end = { limit: random.pick([-1, 4]), action: { name: last, params: [] } };
  const init = random.chance(0.5) ? [setDowntime(random.integer(1, 200))] : [];
  return { init, stalling: [...steps, end] };
}
