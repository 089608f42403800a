/**
 * Acts on one guest's migration: valid and invalid requests that an engine may make at a bad
 * moment, and what somebody else may do with virsh meanwhile. None of them may end a guest.
 */
import { guestLabel, type Act, type Cast } from "./act.ts";
import type { Random } from "./random.ts";
import type { Site } from "./site.ts";
import { told, type Player, type Side, type Stage } from "./stage.ts";

type Change = Readonly<Record<string, unknown>>;

const SIDES: readonly Side[] = ["source", "destination"];
const VIRSH_DEADLINE_MS = 60_000;

const legalChanges: readonly ((random: Random) => Change)[] = [
  (random) => ({ downtime: random.integer(1, 2000) }),
  (random) => ({ maxBandwidth: random.integer(1, 64) }),
  (random) => ({ stallingLimit: random.integer(0, 5) }),
  (random) => ({ migrationProgressTimeout: random.integer(1, 20) }),
  (random) => ({ downtime: random.integer(100, 2000), maxBandwidth: random.integer(8, 64) }),
  () => ({ migrationTechnique: "pre-copy" }),
];

/** Rejected whatever the migration's state. */
const illegalChanges: readonly Change[] = [
  {},
  { downtime: 0 },
  { downtime: "soon" },
  { downtme: 100 },
  { maxBandwidth: 0 },
  { stallingLimit: -1 },
  { migrationProgressTimeout: 0 },
  { maxBandwidth: 8, migrationTechnique: "warp" },
];

function drawGuest(random: Random, { guests }: Cast): number {
  return random.integer(0, guests - 1);
}

function uuidOf(stage: Stage, index: number): { readonly vmID: string } {
  return { vmID: stage.player(index).guest.uuid };
}

/** Calls a verb on the host that the guest is leaving. */
async function askSource(
  stage: Stage,
  index: number,
  verb: string,
  params: Change = {},
): Promise<string> {
  const player = stage.player(index);
  const source = stage.site(player, "source");
  const answer = await source.call(verb, { ...uuidOf(stage, index), params });
  // Changing a migration that virsh started makes it the daemon's own, which then reports its end.
  const adopted = verb === "VM.migrateChangeParams" && player.movedByOthers;
  if (adopted && answer.kind !== "refused") {
    stage.ledger.perhaps(source.name, player.guest.uuid);
  }
  return told(answer);
}

async function virsh(site: Site, ...args: string[]): Promise<string> {
  try {
    const options = { deadlineMs: VIRSH_DEADLINE_MS };
    const result = await site.host.tryExec("virsh", ["--quiet", ...args], options);
    return result.status === 0 ? "done" : result.stderr.trim().replaceAll("\n", " ").slice(0, 300);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function migrateByVirsh(
  stage: Stage,
  player: Player,
  bandwidthMiBps: number,
): Promise<string> {
  player.movedByOthers = true;
  const [source, destination] = [stage.site(player, "source"), stage.site(player, "destination")];
  const lasting = player.persistent ? ["--persistent", "--undefinesource"] : [];
  const how = ["--live", "--p2p", "--bandwidth", String(bandwidthMiBps), ...lasting];
  const uri = `qemu+${source.host.tls ? "tls" : "tcp"}://${destination.name}/system`;
  const said = await virsh(source, "migrate", ...how, player.guest.uuid, uri);
  if (!said.includes("still running")) return said;
  // No daemon gives up a migration of somebody else's, and a guest that never converges has no other end.
  return `${said}; domjobabort: ${await virsh(source, "domjobabort", player.guest.uuid)}`;
}

export const actsOnMigrations: readonly Act[] = [
  {
    name: "cancel",
    weight: 3,
    draw(random, cast) {
      const index = drawGuest(random, cast);
      return {
        text: `VM.migrateCancel ${guestLabel(index)}`,
        run: (stage) => askSource(stage, index, "VM.migrateCancel"),
      };
    },
  },
  {
    name: "change",
    weight: 4,
    draw(random, cast) {
      const index = drawGuest(random, cast);
      const params = random.pick(legalChanges)(random);
      return {
        text: `VM.migrateChangeParams ${guestLabel(index)} ${JSON.stringify(params)}`,
        run: (stage) => askSource(stage, index, "VM.migrateChangeParams", params),
      };
    },
  },
  {
    name: "bad-change",
    weight: 1,
    draw(random, cast) {
      const index = drawGuest(random, cast);
      const params = random.pick(illegalChanges);
      const text = `VM.migrateChangeParams ${guestLabel(index)} ${JSON.stringify(params)}, illegal`;
      return {
        text,
        run: async (stage) => {
          const source = stage.site(stage.player(index), "source");
          const asked = { ...uuidOf(stage, index), params };
          const answer = await source.call("VM.migrateChangeParams", asked);
          if (answer.kind === "result") stage.timeline.violation(`accepted: ${text}`);
          return told(answer);
        },
      };
    },
  },
  {
    name: "migrate-again",
    weight: 2,
    draw(random, cast) {
      const [index, side] = [drawGuest(random, cast), random.pick(SIDES)];
      return {
        text: `VM.migrate ${guestLabel(index)} again, on its ${side}`,
        run: async (stage) => {
          const player = stage.player(index);
          const to = stage.site(player, side === "source" ? "destination" : "source");
          const params = { dst: to.name, maxBandwidth: 16, migrationProgressTimeout: 5 };
          return told(await stage.migrate(player, stage.site(player, side), params));
        },
      };
    },
  },
  {
    name: "post-copy",
    weight: 3,
    draw(random, cast) {
      const index = drawGuest(random, cast);
      return {
        text: `VM.migrateChangeParams ${guestLabel(index)} to switch to post-copy`,
        run: (stage) =>
          askSource(stage, index, "VM.migrateChangeParams", { migrationTechnique: "post-copy" }),
      };
    },
  },
  {
    name: "destroy",
    weight: 1,
    draw(random, cast) {
      const [index, side] = [drawGuest(random, cast), random.pick(SIDES)];
      return {
        text: `VM.destroy ${guestLabel(index)}, on its ${side}`,
        run: async (stage) => {
          const site = stage.site(stage.player(index), side);
          return told(await site.call("VM.destroy", uuidOf(stage, index)));
        },
      };
    },
  },
  {
    name: "domjobabort",
    weight: 1,
    draw(random, cast) {
      const index = drawGuest(random, cast);
      return {
        text: `virsh domjobabort ${guestLabel(index)}`,
        run: async (stage) => {
          const player = stage.player(index);
          return virsh(stage.site(player, "source"), "domjobabort", player.guest.uuid);
        },
      };
    },
  },
  {
    name: "virsh-migrate",
    weight: 1,
    draw(random, cast) {
      const [index, bandwidthMiBps] = [drawGuest(random, cast), random.integer(4, 16)];
      return {
        text: `virsh migrate ${guestLabel(index)} at ${bandwidthMiBps} MiB/s`,
        run: (stage) => migrateByVirsh(stage, stage.player(index), bandwidthMiBps),
      };
    },
  },
  {
    name: "suspend",
    weight: 1,
    draw(random, cast) {
      const index = drawGuest(random, cast);
      return {
        text: `virsh suspend ${guestLabel(index)} until the end of the wave`,
        run: (stage) => {
          const player = stage.player(index);
          player.suspended = true;
          return virsh(stage.site(player, "source"), "suspend", player.guest.uuid);
        },
      };
    },
  },
];
