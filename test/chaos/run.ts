/**
 * A whole chaos run: starts daemons on a lab's two hosts, plays the seed's plans round after round,
 * prints each plan before playing it and each violation with everything needed to find its cause,
 * and sums up. After a violation the hosts start afresh, so that it cannot cause the next one.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Host, LabHandle } from "../lab/api.ts";
import type { DaemonVars } from "../lab/daemon.ts";
import { DaemonLogs } from "./daemon-log.ts";
import { Exclusive } from "./exclusive.ts";
import { Leaks } from "./leaks.ts";
import { drawRound, planLines, type PlanOptions } from "./plan.ts";
import { Recorder } from "./recorder.ts";
import { playRound, type RoundResult, type Theatre } from "./round.ts";
import { Site } from "./site.ts";
import { Timeline } from "./timeline.ts";

/** Limits of a few seconds, so that what takes minutes in production happens within a round. */
const DAEMON_VARS: DaemonVars = {
  migration_monitor_interval: 0.2,
  min_migration_bandwidth: 2,
  max_outgoing_migrations: 2,
  max_incoming_migrations: 2,
  migration_retry_timeout: 1,
  migration_admission_timeout: 60,
  migration_listener_timeout: 3,
  migration_postcopy_bandwidth: 8,
  postcopy_stall_timeout: 3,
};
const LAST_LOG_LINES = 60;
const JOURNAL = "/var/lib/vdsm-migrationd/journal";
const LOGS = "/var/log/libvirt";

export interface ChaosOptions extends PlanOptions {
  /** The first round to play. */
  readonly firstRound: number;
  readonly rounds: number;
  /** No round starts after this time. */
  readonly minutes: number;
}

export interface Summary {
  readonly rounds: number;
  readonly migrations: number;
  readonly postCopies: number;
  readonly endings: ReadonlyMap<string, number>;
  readonly acts: ReadonlyMap<string, number>;
  readonly violations: readonly string[];
}

export async function runChaos(
  lab: LabHandle,
  options: ChaosOptions,
  print: (line: string) => void,
): Promise<Summary> {
  print(`seed ${options.seed}`);
  const sum = { rounds: 0, migrations: 0, postCopies: 0, violations: new Array<string>() };
  const [endings, acts] = [new Map<string, number>(), new Map<string, number>()];
  const endMs = performance.now() + options.minutes * 60_000;
  let theatre = await openTheatre(lab);
  try {
    for (let round = options.firstRound; sum.rounds < options.rounds; round += 1) {
      if (performance.now() >= endMs) break;
      const plan = drawRound(options, round);
      for (const line of planLines(plan)) print(line);
      const startedMs = performance.now();
      const result = await playRound(theatre, plan);
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
      sum.rounds += 1;
      sum.migrations += result.migrations;
      sum.postCopies += result.postCopies;
      for (const ending of result.endings) count(endings, ending);
      for (const act of result.acts) count(acts, act);
      const { violations } = result.timeline;
      const word = violations.length > 0 ? "; VIOLATIONS" : "";
      print(`  after ${seconds} s: ${result.endings.join(", ")}; ${result.held.join("; ")}${word}`);
      if (violations.length === 0) continue;
      sum.violations.push(
        ...violations.map((each) => `seed ${options.seed} round ${round}: ${each}`),
      );
      for (const line of report(theatre, result, options, round)) print(line);
      await closeTheatre(theatre);
      theatre = await openTheatre(lab);
    }
  } finally {
    await closeTheatre(theatre);
  }
  return { ...sum, endings, acts };
}

/** Starts both daemons without a journal. */
async function openTheatre(lab: LabHandle): Promise<Theatre> {
  const exclusive = new Exclusive();
  const told = new Timeline();
  const options = { vars: DAEMON_VARS };
  const sites = [lab.a, lab.b].map((host) => {
    rmSync(host.outsidePath(JOURNAL), { recursive: true, force: true });
    return new Site(host, options, exclusive, told);
  });
  const [a, b] = sites;
  if (a === undefined || b === undefined) throw new Error("the lab has fewer than two hosts");
  await Promise.all([a.ensureDaemon(), b.ensureDaemon()]);
  return {
    lab,
    sites: [a, b],
    recorders: [new Recorder(a, told), new Recorder(b, told)],
    leaks: [new Leaks(), new Leaks()],
    logs: new DaemonLogs(),
    exclusive,
  };
}

async function closeTheatre({ lab, sites }: Theatre): Promise<void> {
  await Promise.all(sites.map((site) => site.stop().catch(() => undefined)));
  await lab.clear();
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** A failed round: what is wrong, what happened, how to repeat it, where the logs are. */
function report(
  theatre: Theatre,
  { timeline }: RoundResult,
  options: ChaosOptions,
  round: number,
): readonly string[] {
  const folder = keepLogs(theatre, timeline, options.seed, round);
  const logs = theatre.sites.flatMap((site) => {
    const last = site.processes.at(-1)?.log().trimEnd().split("\n").slice(-LAST_LOG_LINES) ?? [];
    return [
      `last log lines of ${site.name}'s daemon:`,
      ...last.map((line) => `  ${line.slice(0, 400)}`),
    ];
  });
  return [
    ...timeline.lines,
    ...logs,
    ...timeline.violations.map((violation) => `VIOLATION ${violation}`),
    `repeat with: npm run chaos -- ${repeatArguments(options, round)}`,
    `all logs are in ${folder}`,
  ];
}

/** The arguments that play exactly this round's plan again. */
export function repeatArguments(options: PlanOptions, round: number): string {
  const { seed, acts, maxGuests, maxWaves } = options;
  return `--seed ${seed} --round ${round} --guests ${maxGuests} --waves ${maxWaves} --acts ${[...acts].join(",")}`;
}

function keepLogs(theatre: Theatre, timeline: Timeline, seed: number, round: number): string {
  const folder = path.join(tmpdir(), `vdsm-chaos-${seed}-${round}-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "timeline"), `${timeline.lines.join("\n")}\n`);
  for (const { host } of theatre.sites) copyLogs(host, folder);
  return folder;
}

function copyLogs(host: Host, folder: string): void {
  const from = host.outsidePath(`${LOGS}/`);
  for (const entry of readdirSync(from, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || entry.name.startsWith("serial-")) continue;
    const name = `${host.name}-${entry.name}`;
    copyFileSync(path.join(entry.parentPath, entry.name), path.join(folder, name));
  }
}

export function summaryLines(summary: Summary): readonly string[] {
  const counted = (counts: ReadonlyMap<string, number>): string =>
    [...counts]
      .sort(([, one], [, other]) => other - one)
      .map(([key, times]) => `${key} ${times}`)
      .join(", ");
  return [
    `${summary.rounds} rounds, ${summary.migrations} migrations, ${summary.postCopies} switched to post-copy`,
    `ends: ${counted(summary.endings)}`,
    `acts: ${counted(summary.acts)}`,
    ...summary.violations.map((violation) => `VIOLATION ${violation.split("\n")[0] ?? ""}`),
    `${summary.violations.length} violations`,
  ];
}
