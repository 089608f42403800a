/**
 * A round as drawn from the seed and the round's number, before anything happens: the guests, and,
 * in one or two waves (there, and back), when each migration starts and when each act runs. The
 * plan can be repeated exactly; how its races end cannot.
 */
import { guestLabel, type Act, type Cast, type Drawn } from "./act.ts";
import { actsOnHosts } from "./acts-on-hosts.ts";
import { actsOnMigrations } from "./acts-on-migrations.ts";
import { drawMigrateParams, guestKinds, type GuestKind } from "./guest-kinds.ts";
import { type Random, roundRandom } from "./random.ts";
import { type HostIndex, told } from "./stage.ts";

const LAST_MIGRATION_MS = 1200;
const LAST_ACT_MS = 4000;
const HOST_NAMES = ["host-a", "host-b"] as const;
const HOSTS: readonly HostIndex[] = [0, 1];

export const allActs: readonly Act[] = [...actsOnHosts, ...actsOnMigrations];

export interface PlanOptions {
  readonly seed: number;
  /** The acts to draw from; unless post-copy is among them no migration switches to it. */
  readonly acts: ReadonlySet<string>;
  readonly maxGuests: number;
  readonly maxWaves: number;
}

export interface GuestPlan {
  readonly kind: GuestKind;
  readonly host: HostIndex;
  readonly persistent: boolean;
}

export interface Step extends Drawn {
  readonly atMs: number;
  /** The act's name, or "migrate". */
  readonly act: string;
}

export interface RoundPlan {
  readonly round: number;
  readonly guests: readonly GuestPlan[];
  readonly waves: readonly (readonly Step[])[];
}

export function drawRound(options: PlanOptions, round: number): RoundPlan {
  const random = roundRandom(options.seed, round);
  const count = random.integer(Math.min(2, options.maxGuests), options.maxGuests);
  // Mostly from the same host, so that they share and queue; sometimes in opposite directions.
  const from = random.pick(HOSTS);
  const guests = Array.from({ length: count }, (): GuestPlan => {
    const host = random.chance(0.3) ? random.pick(HOSTS) : from;
    return { kind: random.weighted(guestKinds), host, persistent: random.chance(0.4) };
  });
  const acts = allActs.filter((act) => options.acts.has(act.name));
  const waves = random.integer(1, options.maxWaves);
  const cast = { guests: count, allowPostCopy: options.acts.has("post-copy") };
  return {
    round,
    guests,
    waves: Array.from({ length: waves }, () => drawWave(random, guests, acts, cast)),
  };
}

function drawWave(
  random: Random,
  guests: readonly GuestPlan[],
  acts: readonly Act[],
  cast: Cast,
): readonly Step[] {
  const migrations = guests.map((guest, index): Step => {
    const atMs = random.integer(0, LAST_MIGRATION_MS);
    return { atMs, act: "migrate", ...drawMigration(random, guest, index, cast) };
  });
  const count = acts.length === 0 ? 0 : random.integer(2, 6);
  const disturbances = Array.from({ length: count }, (): Step => {
    const act = random.weighted(acts);
    return { atMs: random.integer(0, LAST_ACT_MS), act: act.name, ...act.draw(random, cast) };
  });
  return [...migrations, ...disturbances].sort((one, other) => one.atMs - other.atMs);
}

function drawMigration(random: Random, guest: GuestPlan, index: number, cast: Cast): Drawn {
  const params = drawMigrateParams(random, guest.kind, cast.allowPostCopy);
  const ownNetwork = random.chance(0.5);
  const over = ownNetwork ? " over the migration link" : "";
  return {
    text: `VM.migrate ${guestLabel(index)} ${JSON.stringify(params)}${over}`,
    run: async (stage) => {
      const player = stage.player(index);
      const { host } = stage.site(player, "destination");
      const network = ownNetwork ? { dstqemu: host.migrationAddress } : {};
      const full = { dst: host.name, ...network, ...params };
      return told(await stage.migrate(player, stage.site(player, "source"), full));
    },
  };
}

/** The whole plan, one line per guest and per step. */
export function planLines({ round, guests, waves }: RoundPlan): readonly string[] {
  const cast = guests.map(({ kind, host, persistent }, index) => {
    const how = persistent ? "persistent" : "transient";
    return `  ${guestLabel(index)}: ${kind.name}, ${how}, on ${HOST_NAMES[host]}`;
  });
  const steps = waves.flatMap((wave, index) =>
    wave.map(({ atMs, text }) => {
      const seconds = `${(atMs / 1000).toFixed(2)} s`;
      return `  wave ${index + 1}, ${seconds}: ${text}`;
    }),
  );
  return [`round ${round}`, ...cast, ...steps];
}
