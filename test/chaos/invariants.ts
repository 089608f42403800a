/**
 * What must hold when a wave is over, everything is repaired and every migration has ended: each
 * guest is on exactly one host and unbroken; each migration ended once; no slot and no job is left.
 */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { DomainEntry } from "../lab/api.ts";
import { until } from "../lab/until.ts";
import type { Recorder } from "./recorder.ts";
import { busyWith, migrationsOf } from "./sampler.ts";
import type { Site } from "./site.ts";
import type { HostIndex, Player, Stage } from "./stage.ts";
import { readEnded, type SeenEvent } from "./wire.ts";

const ENDED_DEADLINE_MS = 90_000;
const SETTLED_DEADLINE_MS = 15_000;
const CONFIRMED_DEADLINE_MS = 20_000;
const BOTH: readonly HostIndex[] = [0, 1];

/** Waits until no migration is in progress. False, and a violation, if that takes too long. */
export async function allEnded(stage: Stage): Promise<boolean> {
  let busy = "";
  const look = async (): Promise<boolean> => {
    const words = await Promise.all(stage.sites.map(busyWith));
    busy = words.filter((word) => word !== "").join("; ");
    return busy === "";
  };
  return orViolation(stage, () => until(look, ENDED_DEADLINE_MS, () => `all to end: ${busy}`));
}

export async function checkWave(stage: Stage, recorders: readonly Recorder[]): Promise<void> {
  await Promise.all(recorders.map((recorder) => recorder.poll()));
  for (const player of stage.players) await checkGuest(stage, player, recorders);
  checkEndings(stage, recorders);
  for (const site of stage.sites) await checkSlots(stage, site);
  await checkConfirmed(stage);
}

/** One host, the right state, no job, an unbroken count, and the location that the daemons report. */
async function checkGuest(
  stage: Stage,
  player: Player,
  recorders: readonly Recorder[],
): Promise<void> {
  const settled = await orViolation(stage, () => settledLocation(stage, player));
  if (!settled) return;
  const { guest } = player;
  const { host } = stage.sites[player.home];
  if (player.suspended) {
    player.suspended = false;
    await host.tryExec("virsh", ["resume", guest.uuid]);
  }
  await orViolation(stage, () => guest.counterAdvances({ by: 2, on: host }));
  await orViolation(stage, async () => guest.assertUnbroken());
  checkWhere(stage, player, recorders);
}

/** Waits until libvirt has cleaned up, and records where the guest is from now on. */
async function settledLocation(stage: Stage, player: Player): Promise<void> {
  let seen = "";
  await until(
    async () => {
      const entries = await Promise.all(
        BOTH.map((index) => domainOn(stage.sites[index].host, player)),
      );
      const words = entries.map((entry, index) => describe(stage, index, entry));
      seen = words.filter((word) => word !== "").join(", ");
      const found = BOTH.filter((index) => entries[index] !== undefined);
      const [home] = found;
      if (home === undefined || found.length !== 1) return undefined;
      const entry = entries[home];
      const right = player.suspended ? ["running", "paused"] : ["running"];
      if (entry === undefined || !right.includes(entry.state)) return undefined;
      if (entry.persistent !== player.persistent) return undefined;
      const job = await stage.sites[home].host.virsh("domjobinfo", player.guest.uuid);
      seen += `, job ${job.trim().replaceAll(/\s+/g, " ").slice(0, 60)}`;
      if (!/None/.test(job)) return undefined;
      player.home = home;
      return true;
    },
    SETTLED_DEADLINE_MS,
    () => {
      const kind = player.persistent ? "persistent" : "transient";
      return `${player.label} (${kind}) on exactly one host, without a job; it is ${seen}`;
    },
  );
}

async function domainOn(host: Site["host"], player: Player): Promise<DomainEntry | undefined> {
  return (await host.domains()).find(({ uuid }) => uuid === player.guest.uuid);
}

function describe(stage: Stage, index: number, entry: DomainEntry | undefined): string {
  if (entry === undefined) return "";
  const kind = entry.persistent ? "persistent" : "transient";
  return `${entry.state} and ${kind} on ${stage.sites[index === 0 ? 0 : 1].name}`;
}

/**
 * The last reported end names the guest's location, unless somebody else moved the guest too. None
 * may claim that a running guest is on neither host.
 */
function checkWhere(stage: Stage, player: Player, recorders: readonly Recorder[]): void {
  const told = stage.sites.flatMap((site, index) =>
    (recorders[index]?.endings(player.guest.uuid) ?? []).map((event) => ({ site, event })),
  );
  for (const { site, event } of told) {
    if (readEnded(event.fields).where !== "nowhere") continue;
    const words = JSON.stringify(event.fields);
    stage.timeline.violation(
      `${site.name} reported on ${player.label}, which is running: ${words}`,
    );
  }
  if (player.movedByOthers) return;
  const last = told.sort((one, other) => one.event.notifyTimeMs - other.event.notifyTimeMs).at(-1);
  if (last === undefined) return;
  const { where } = readEnded(last.event.fields);
  if (where === "unknown") return;
  const here = stage.sites[player.home].name;
  const said = where === "source" ? last.site.name : otherName(stage, last.site);
  if (where !== "nowhere" && said !== here) {
    const words = `${last.site.name} reported on ${player.label}: ${JSON.stringify(last.event.fields)}`;
    stage.timeline.violation(`${words}; but the guest is on ${here}`);
  }
}

function otherName(stage: Stage, site: Site): string {
  const [one, other] = stage.sites;
  return site === one ? other.name : one.name;
}

function checkEndings(stage: Stage, recorders: readonly Recorder[]): void {
  for (const [index, site] of stage.sites.entries()) {
    for (const player of stage.players) {
      const endings: readonly SeenEvent[] = recorders[index]?.endings(player.guest.uuid) ?? [];
      const fault = stage.ledger.fault(site.name, player.guest.uuid, endings.length);
      if (fault !== undefined) stage.timeline.violation(`${player.label}: ${fault}`);
      checkPushed(stage, site, player, endings);
    }
  }
}

/** Events pushed to an engine are the same as those a disconnected engine gets when it asks. */
function checkPushed(
  stage: Stage,
  site: Site,
  player: Player,
  endings: readonly SeenEvent[],
): void {
  // As the client in lab/daemon.ts keeps them.
  const kept = endings.map(({ fields: { migrationId: _id, time: _time, ...fields } }) => fields);
  for (const { name, fields } of site.pushed("VM_migration_ended", player.guest.uuid)) {
    const at = kept.findIndex((each) => isDeepStrictEqual(each, fields));
    if (at >= 0) kept.splice(at, 1);
    else {
      const what = `${name} of ${player.label}: ${JSON.stringify(fields)}`;
      stage.timeline.violation(
        `${site.name} pushed an event that Host.getEvents never returned: ${what}`,
      );
    }
  }
}

/** When everything is idle a slot is free, even where there is only one. */
async function checkSlots(stage: Stage, site: Site): Promise<void> {
  const vmID = randomUUID();
  let said = "";
  const probe = async (): Promise<boolean> => {
    const answer = await site.call("VM.migrationCreate", { vmID, incomingLimit: 1 });
    if (answer.kind === "result") return true;
    said = JSON.stringify(answer);
    return false;
  };
  const free = await orViolation(stage, () =>
    until(probe, SETTLED_DEADLINE_MS, () => `a free slot on ${site.name}: ${said}`),
  );
  if (!free) return;
  const freed = await site.call("VM.destroy", { vmID });
  if (freed.kind !== "result") {
    stage.timeline.violation(`${site.name}: the probe's slot was not freed: ${freed.kind}`);
  }
}

/** An arrival that the destination could not confirm is confirmed once it answers again. */
async function checkConfirmed(stage: Stage): Promise<void> {
  for (const [index, site] of stage.sites.entries()) {
    const left = stage.players.filter((player) => player.home !== index && !player.movedByOthers);
    let doubtful = "";
    const look = async (): Promise<boolean> => {
      const entries = (await migrationsOf(site)) ?? [];
      const open = left.filter(({ guest }) => {
        const latest = entries.find(({ vmId }) => vmId === guest.uuid);
        return latest?.outcome !== undefined && latest.outcome !== null && isOpen(latest.outcome);
      });
      doubtful = open.map(({ label }) => label).join(", ");
      return open.length === 0;
    };
    const what = (): string => `${site.name} to have all arrivals confirmed, not ${doubtful}`;
    await orViolation(stage, () => until(look, CONFIRMED_DEADLINE_MS, what));
  }
}

function isOpen({ confirmed, where }: { readonly confirmed: boolean; readonly where: string }) {
  return !confirmed || where === "unknown";
}

async function orViolation(stage: Stage, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    stage.timeline.violation(error instanceof Error ? error.message : String(error));
    return false;
  }
}
