/**
 * `npm run soak -- --minutes 60`: two guests migrate back and forth without a pause while each
 * daemon is polled every 0.1 s; every minute it prints what both daemons hold. At the end it
 * compares the second quarter of the time (after the warm-up) with the last: memory, file
 * descriptors and threads must be flat. Exit status: 0, 1 if something grew or a migration did not
 * arrive, 2 for wrong usage.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Guest, LabHandle } from "../lab/api.ts";
import { startDaemon, type Daemon } from "../lab/daemon.ts";
import { print, withLab } from "./life.ts";
import { wholeNumber } from "./options.ts";
import { Figures, verdict } from "./soak-figures.ts";

const POLL_EVERY_MS = 100;
const MINUTE_MS = 60_000;
const SAMPLE_EVERY_MS = 5_000;
const GUESTS = 2;
const GETTERS = ["Host.getMigrations", "Host.getStats", "Host.getAllVmStats"] as const;
const USAGE = "usage: npm run soak -- [--minutes 2-10000]";
const LOAD = { filledMiB: 8, workingSetMiB: 2, ratePagesPerSecond: 256 } as const;

interface Counts {
  migrations: number;
  polls: number;
}

function minutesOrExit(): number {
  try {
    const { values } = parseArgs({ options: { minutes: { type: "string" } } });
    return wholeNumber("minutes", values.minutes, 2, 10_000) ?? 60;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${why}\n${USAGE}\n`);
    process.exit(2);
  }
}

/** Migrates there and back until the time is over; fails if a migration does not complete. */
async function goBackAndForth(
  guest: Guest,
  daemons: readonly [Daemon, Daemon],
  endMs: number,
  counts: Counts,
): Promise<void> {
  let [here, there] = daemons;
  while (performance.now() < endMs) {
    const params = { dst: there.host.name, maxBandwidth: 16, migrationProgressTimeout: 60 };
    await here.call("VM.migrate", { vmID: guest.uuid, params });
    const { outcome, message } = await here.ended(guest.uuid);
    if (outcome !== "completed") throw new Error(`${guest.name}: ${String(message)}`);
    counts.migrations += 1;
    // Past events are no longer needed, and must not be mistaken for the next end.
    for (const daemon of daemons) forget(daemon, guest.uuid);
    [here, there] = [there, here];
  }
  guest.assertUnbroken();
}

function forget({ events }: Daemon, vmId: string): void {
  const others = events.filter((event) => event.vmId !== vmId);
  events.splice(0, events.length, ...others);
}

async function poll(daemon: Daemon, endMs: number, counts: Counts): Promise<void> {
  while (performance.now() < endMs) {
    const startedMs = performance.now();
    await Promise.all(GETTERS.map((verb) => daemon.call(verb)));
    counts.polls += 1;
    await delay(Math.max(0, startedMs + POLL_EVERY_MS - performance.now()));
  }
}

async function measure(figures: readonly Figures[], endMs: number, counts: Counts): Promise<void> {
  const startMs = performance.now();
  let sayAtMs = startMs;
  while (performance.now() < endMs) {
    const nowMs = performance.now();
    for (const each of figures) await each.take(nowMs - startMs);
    if (nowMs >= sayAtMs) {
      sayAtMs += MINUTE_MS;
      const minutes = Math.round((nowMs - startMs) / MINUTE_MS);
      const held = figures.map((each) => each.line()).join("; ");
      print(`${minutes} min: ${counts.migrations} migrations, ${counts.polls} polls; ${held}`);
    }
    await delay(Math.min(SAMPLE_EVERY_MS, Math.max(0, endMs - performance.now())));
  }
}

async function soak(lab: LabHandle, minutes: number): Promise<number> {
  const vars = { migration_monitor_interval: 0.1, max_outgoing_migrations: GUESTS };
  const daemons = [await startDaemon(lab.a, { vars }), await startDaemon(lab.b, { vars })] as const;
  // One from each host, so that there are always two migrations, in opposite directions.
  const guests = [await lab.a.startGuest(LOAD), await lab.b.startGuest(LOAD)];
  const endMs = performance.now() + minutes * MINUTE_MS;
  const counts: Counts = { migrations: 0, polls: 0 };
  const figures = daemons.map((daemon) => new Figures(daemon));
  const [a, b] = daemons;
  await Promise.all([
    ...guests.map((guest, index) =>
      goBackAndForth(guest, index % 2 === 0 ? [a, b] : [b, a], endMs, counts),
    ),
    ...daemons.map((daemon) => poll(daemon, endMs, counts)),
    measure(figures, endMs, counts),
  ]);
  print(`${minutes} minutes: ${counts.migrations} migrations, ${counts.polls} polls`);
  const verdicts = figures.map((each) => verdict(each, minutes * MINUTE_MS));
  for (const line of verdicts.flatMap(({ lines }) => lines)) print(line);
  await Promise.all(daemons.map((daemon) => daemon.stop()));
  return verdicts.every(({ flat }) => flat) ? 0 : 1;
}

const minutes = minutesOrExit();
process.exit(await withLab((lab) => soak(lab, minutes)));
