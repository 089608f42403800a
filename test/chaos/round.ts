/**
 * Plays one round of a plan: starts its guests, runs the steps of each wave, repairs what they
 * broke, waits until all migrations have ended and checks everything. Removes the guests at the
 * end.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { LabHandle } from "../lab/api.ts";
import { until } from "../lab/until.ts";
import { guestLabel } from "./act.ts";
import type { DaemonLogs } from "./daemon-log.ts";
import type { Exclusive } from "./exclusive.ts";
import { hostFootprint, processFootprint } from "./footprint.ts";
import { allEnded, checkWave } from "./invariants.ts";
import type { Leaks } from "./leaks.ts";
import { Ledger } from "./ledger.ts";
import type { RoundPlan, Step } from "./plan.ts";
import type { Recorder } from "./recorder.ts";
import { Sampler } from "./sampler.ts";
import type { Site } from "./site.ts";
import { type Player, Stage } from "./stage.ts";
import { Timeline } from "./timeline.ts";
import { readEnded } from "./wire.ts";

/** For connections that are closing and threads that are ending. */
const CLEAN_DEADLINE_MS = 15_000;

/** What persists from round to round. */
export interface Theatre {
  readonly lab: LabHandle;
  readonly sites: readonly [Site, Site];
  readonly recorders: readonly [Recorder, Recorder];
  readonly leaks: readonly [Leaks, Leaks];
  readonly logs: DaemonLogs;
  readonly exclusive: Exclusive;
}

export interface RoundResult {
  readonly timeline: Timeline;
  readonly migrations: number;
  /** How each migration ended: outcome, reason, and where the guest is afterwards. */
  readonly endings: readonly string[];
  readonly acts: readonly string[];
  readonly postCopies: number;
  /** What the daemons hold at the end, in words. */
  readonly held: readonly string[];
}

export async function playRound(theatre: Theatre, plan: RoundPlan): Promise<RoundResult> {
  const timeline = new Timeline();
  for (const each of [...theatre.sites, ...theatre.recorders]) each.tellTo(timeline);
  const ledger = new Ledger();
  const acts: string[] = [];
  const endings: string[] = [];
  let postCopies = 0;
  try {
    const players = await startGuests(theatre, plan);
    const stage = new Stage({ ...theatre, players, ledger, timeline });
    const sampler = new Sampler(stage, theatre.recorders);
    sampler.start();
    try {
      for (const [index, wave] of plan.waves.entries()) {
        timeline.note(`wave ${index + 1}`);
        for (const player of players) player.movedByOthers = false;
        await playWave(stage, wave, acts);
        if (!(await allEnded(stage))) break;
        await checkWave(stage, theatre.recorders);
        if (timeline.violations.length > 0) break;
      }
    } finally {
      await sampler.stop();
    }
    endings.push(...endingsOf(theatre, players));
    postCopies = postCopiesOf(theatre, players);
    if (timeline.violations.length === 0) await checkLeaks(theatre, timeline, players.length);
  } catch (error) {
    timeline.violation(error instanceof Error ? error.message : String(error));
  }
  checkLogs(theatre, timeline);
  await theatre.lab.clear();
  return {
    timeline,
    migrations: ledger.migrations,
    postCopies,
    endings,
    acts,
    held: theatre.sites.map(heldBy),
  };
}

async function startGuests({ sites }: Theatre, plan: RoundPlan): Promise<readonly Player[]> {
  const players: Player[] = [];
  // One after the other, because each start takes a core for a moment.
  for (const [index, { kind, host, persistent }] of plan.guests.entries()) {
    const guest = await sites[host].host.startGuest({ ...kind.load, persistent });
    const label = `${guestLabel(index)} (${guest.uuid.slice(0, 8)})`;
    players.push({ label, guest, persistent, home: host, suspended: false, movedByOthers: false });
  }
  return players;
}

/** Runs every step at its time, whatever the others are doing, and waits until all is restored. */
async function playWave(stage: Stage, wave: readonly Step[], acts: string[]): Promise<void> {
  const { timeline } = stage;
  const startMs = performance.now();
  await Promise.all(
    wave.map(async ({ atMs, act, text, run }) => {
      await delay(Math.max(0, startMs + atMs - performance.now()));
      if (act !== "migrate") acts.push(act);
      timeline.note(`-> ${text}`);
      try {
        timeline.note(`<- ${text.slice(0, 60)}: ${await run(stage)}`);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        timeline.violation(`${text}: failed: ${why}`);
      }
    }),
  );
  await stage.heal();
  timeline.note("healed");
}

function endingsOf({ recorders }: Theatre, players: readonly Player[]): readonly string[] {
  return recorders.flatMap((recorder) =>
    players.flatMap(({ guest }) =>
      recorder.endings(guest.uuid).map(({ fields }) => {
        const { outcome, reason, where } = readEnded(fields);
        return `${outcome} (${reason}, ${where})`;
      }),
    ),
  );
}

function postCopiesOf({ recorders }: Theatre, players: readonly Player[]): number {
  const counts = recorders.flatMap((recorder) =>
    players.map(({ guest }) => recorder.postCopies(guest.uuid)),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function checkLeaks(theatre: Theatre, timeline: Timeline, guests: number): Promise<void> {
  for (const [index, site] of theatre.sites.entries()) {
    const leaks = theatre.leaks[index === 0 ? 0 : 1];
    let left: readonly string[] = [];
    const look = async (): Promise<boolean> => {
      const pid = site.daemon?.process.pid;
      if (pid === undefined) return false;
      left = leaks.faults(processFootprint(pid), await hostFootprint(site.host), guests);
      return left.length === 0;
    };
    try {
      await until(look, CLEAN_DEADLINE_MS, () => `${site.name} to be clean: ${left.join("; ")}`);
    } catch (error) {
      timeline.violation(error instanceof Error ? error.message : String(error));
    }
    const pid = site.daemon?.process.pid;
    if (pid === undefined) continue;
    const trend = leaks.trendFault(pid, processFootprint(pid).descriptors);
    if (trend !== undefined) timeline.violation(`${site.name}: ${trend}`);
  }
}

function heldBy(site: Site): string {
  const pid = site.daemon?.process.pid;
  if (pid === undefined) return `${site.name}: no daemon is running`;
  const { descriptors, threads, rssMiB } = processFootprint(pid);
  return `${site.name} ${descriptors} fds, ${threads} threads, ${Math.round(rssMiB)} MiB`;
}

function checkLogs({ sites, logs }: Theatre, timeline: Timeline): void {
  for (const site of sites) {
    for (const line of logs.defects(site.processes)) {
      timeline.violation(`${site.name}'s daemon logged: ${line}`);
    }
  }
}
