/**
 * `npm run bench`: what one job-stats sample costs its client, in C, in Python, through the binding and
 * as the daemon's loop takes it; then what two daemons cost while the same guests migrate, all of them or
 * one. The guests are sampled by each way in turn, each in a process of its own, for several rounds;
 * medians and the ratios within a round are printed, and everything is written to a file. It judges
 * nothing. Exit status: 0, 1 if something failed, 2 for wrong usage.
 */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { libraryVersion, MigrateFlag, open, type Connection } from "libvirt";
import { print, withLab } from "../chaos/life.ts";
import { wholeNumber } from "../chaos/options.ts";
import type { Guest, LabHandle } from "../lab/api.ts";
import { checkoutFolder } from "../lab/checkout.ts";
import { until } from "../lab/until.ts";
import { type DaemonFigure, daemonFigures } from "./daemons.ts";
import { figuresOf, type Measured, type Round, tableOf } from "./figures.ts";

const USAGE =
  "usage: npm run bench -- [--rounds 1-50] [--guests 1-12] [--samples 100-100000] " +
  "[--seconds 5-3600] [--out FILE]";
const FLOW_DEADLINE_MS = 60_000;
/** Never done at this cap, and little work for an emulated CPU. */
const LOAD = { filledMiB: 32, workingSetMiB: 16, ratePagesPerSecond: 512 } as const;
const CAP_MIBPS = 1;
const YARDSTICK = "C, no event loop";

const run = promisify(execFile);
const SOURCES = path.join(checkoutFolder(), "test/bench");
const BUILT = path.join(checkoutFolder(), "test/.build/bench");

interface Options {
  readonly rounds: number;
  readonly guests: number;
  readonly samples: number;
  /** How long the daemons are watched. */
  readonly seconds: number;
  readonly out: string;
}

function optionsOrExit(): Options {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      options: { rounds: text, guests: text, samples: text, seconds: text, out: text },
    });
    return {
      rounds: wholeNumber("rounds", values.rounds, 1, 50) ?? 5,
      guests: wholeNumber("guests", values.guests, 1, 12) ?? 6,
      samples: wholeNumber("samples", values.samples, 100, 100_000) ?? 3000,
      seconds: wholeNumber("seconds", values.seconds, 5, 3_600) ?? 20,
      out: values.out ?? path.join(BUILT, "bench.json"),
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${why}\n${USAGE}\n`);
    process.exit(2);
  }
}

/** Command and first arguments of each way; URI, number of samples and UUIDs follow. */
async function waysOf(): Promise<ReadonlyMap<string, readonly string[]>> {
  const inC = path.join(BUILT, "job-stats");
  mkdirSync(BUILT, { recursive: true });
  const source = path.join(SOURCES, "job-stats.c");
  await run("cc", ["-O2", "-Wall", "-o", inC, source, "-lvirt", "-lpthread"]);
  const inNode = [process.execPath, path.join(SOURCES, "job-stats.mjs")];
  return new Map([
    [YARDSTICK, [inC, "plain"]],
    ["C, libvirt's event loop", [inC, "default-loop"]],
    ["python3-libvirt", ["/usr/bin/python3", path.join(SOURCES, "job-stats.py")]],
    ["binding, call after call", [...inNode, "calls"]],
    ["binding, look-up and call, 4 at once", [...inNode, "lookups"]],
    ["binding, one lane", [...inNode, "lane"]],
    ["binding, 4 lanes", [...inNode, "lanes"]],
    ["a look of the adapter, all in", [...inNode, "scan"]],
  ]);
}

/** Starts a migration that does not end; resolves once data flow, with a function that cancels it. */
async function migrates(
  lab: LabHandle,
  guest: Guest,
  watching: Connection,
): Promise<() => Promise<void>> {
  const calling = await open(lab.a.libvirtUri);
  const domain = await calling.lookupByUuid(guest.uuid);
  const flags = MigrateFlag.LIVE | MigrateFlag.PEER2PEER;
  const destination = `qemu+tcp://${lab.b.controlAddress}/system`;
  let ended: string | undefined;
  const call = domain.migrateToUri3(destination, { bandwidth: CAP_MIBPS }, flags).then(
    () => (ended = "arrived"),
    (error: unknown) => (ended = messageOf(error)),
  );
  const watched = await watching.lookupByUuid(guest.uuid);
  await until(
    async () => {
      if (ended !== undefined) throw new Error(`${guest.name}: ${ended}`);
      const { dataProcessedBytes } = await watched.getJobStats();
      return (dataProcessedBytes ?? 0) > 0 ? true : undefined;
    },
    FLOW_DEADLINE_MS,
    () => `${guest.name} migrates`,
  );
  return async () => {
    await watched.abortJob();
    await call;
    await calling.close();
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function measure(command: readonly string[], args: readonly string[]): Promise<Measured> {
  const [file = "", ...first] = command;
  const { stdout } = await run(file, [...first, ...args]);
  const { cpuMs, wallMs, samples } = JSON.parse(stdout);
  return { cpuMs: Number(cpuMs), wallMs: Number(wallMs), samples: Number(samples) };
}

async function sampleRounds(
  lab: LabHandle,
  guests: readonly Guest[],
  options: Options,
): Promise<readonly Round[]> {
  const ways = await waysOf();
  const watching = await open(lab.a.libvirtUri);
  const cancels: (() => Promise<void>)[] = [];
  for (const guest of guests) cancels.push(await migrates(lab, guest, watching));
  const args = [lab.a.libvirtUri, String(options.samples), ...guests.map(({ uuid }) => uuid)];
  const rounds: Round[] = [];
  for (let number = 1; number <= options.rounds; number++) {
    const round = new Map<string, Measured>();
    for (const [way, command] of ways) round.set(way, await measure(command, args));
    rounds.push(round);
    print(`round ${number} of ${options.rounds} measured`);
  }
  for (const cancel of cancels) await cancel();
  await watching.close();
  return rounds;
}

async function bench(lab: LabHandle, options: Options): Promise<number> {
  const guests = await Promise.all(
    Array.from({ length: options.guests }, () => lab.a.startGuest(LOAD)),
  );
  const rounds = await sampleRounds(lab, guests, options);
  const figures = figuresOf(rounds, YARDSTICK);
  // All of them, and one beside guests that only run.
  const daemons = [
    ...(await daemonFigures(lab, guests, options.seconds)),
    ...(await daemonFigures(lab, guests.slice(0, 1), options.seconds)),
  ];
  const about = {
    guests: options.guests,
    samples: options.samples,
    seconds: options.seconds,
    processors: cpus().length,
    processor: cpus()[0]?.model ?? "",
    node: process.version,
    libvirt: libraryVersion(),
  };
  const jobStats = { yardstick: YARDSTICK, figures, rounds: rounds.map(raw) };
  writeFileSync(options.out, `${JSON.stringify({ about, jobStats, daemons }, null, 2)}\n`);
  print(`\n${JSON.stringify(about)}\n`);
  for (const line of [...tableOf(figures), "", ...daemons.map(daemonLine)]) print(line);
  print(`\n${path.relative(process.cwd(), options.out)} has every round`);
  return 0;
}

function daemonLine(figure: DaemonFigure): string {
  const { role, migrating, cpuMsPerSecond, cpuMsPerVmCycle, rssMiB } = figure;
  return (
    `daemon, ${role}, ${migrating} migrating: ${cpuMsPerSecond.toFixed(1)} ms of CPU a second, ` +
    `${cpuMsPerVmCycle.toFixed(2)} ms a migration and cycle, ${rssMiB.toFixed(0)} MiB`
  );
}

function raw(round: Round): Readonly<Record<string, Measured>> {
  return Object.fromEntries(round);
}

const options = optionsOrExit();
process.exit(await withLab((lab) => bench(lab, options)));
