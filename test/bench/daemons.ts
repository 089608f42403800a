/**
 * What two whole daemons cost while guests migrate: CPU time for each migration and cycle, and resident
 * memory, read from /proc over a span of time. Cycles are a second apart, as shipped.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { processFootprint } from "../chaos/footprint.ts";
import { startDaemon, type Daemon } from "../lab/daemon.ts";
import type { Guest, LabHandle } from "../lab/api.ts";

const CYCLE_MS = 1_000;
const NS_PER_MS = 1_000_000;
/** What a start leads to is over by then. */
const SETTLES_IN_MS = 5_000;
const CAP_MIBPS = 1;
const VARS = {
  migration_monitor_interval: CYCLE_MS / 1_000,
  min_migration_bandwidth: CAP_MIBPS,
  max_outgoing_migrations: 15,
  max_incoming_migrations: 15,
} as const;

export interface DaemonFigure {
  readonly role: "source" | "destination";
  readonly migrating: number;
  readonly cpuMsPerSecond: number;
  /** For each migration in each cycle. */
  readonly cpuMsPerVmCycle: number;
  readonly rssMiB: number;
}

/** The guests run on the first host. */
export async function daemonFigures(
  lab: LabHandle,
  guests: readonly Guest[],
  seconds: number,
): Promise<readonly DaemonFigure[]> {
  const source = await startDaemon(lab.a, { vars: VARS });
  const destination = await startDaemon(lab.b, { vars: VARS });
  const params = { dst: lab.b.name, maxBandwidth: CAP_MIBPS };
  for (const { uuid } of guests) await source.call("VM.migrate", { vmID: uuid, params });
  for (const { uuid } of guests) {
    await source.migrationIs(uuid, ({ phase }) => phase === "running");
  }
  await delay(SETTLES_IN_MS);
  const daemons = [source, destination] as const;
  const begunMs = performance.now();
  const before = daemons.map(cpuMs);
  await delay(seconds * 1_000);
  const after = daemons.map(cpuMs);
  const tookMs = performance.now() - begunMs;
  const figures = daemons.map((daemon, at): DaemonFigure => {
    const spentMs = (after[at] ?? Number.NaN) - (before[at] ?? Number.NaN);
    return {
      role: daemon === source ? "source" : "destination",
      migrating: guests.length,
      cpuMsPerSecond: (spentMs / tookMs) * 1_000,
      cpuMsPerVmCycle: spentMs / (tookMs / CYCLE_MS) / guests.length,
      rssMiB: processFootprint(daemon.process.pid).rssMiB,
    };
  });
  for (const { uuid } of guests) {
    const { phase } = await source.migration(uuid);
    if (phase !== "running") throw new Error(`a migration was ${String(phase)} before its time`);
  }
  // libvirt would carry them on without the daemons.
  for (const { uuid } of guests) await source.call("VM.migrateCancel", { vmID: uuid });
  await Promise.all(daemons.map((daemon) => daemon.stop()));
  return figures;
}

/** Of all its threads so far; the kernel counts it in ns. */
function cpuMs({ process }: Daemon): number {
  const tasks = `/proc/${process.pid}/task`;
  const each = readdirSync(tasks).map((task) => {
    const [spentNs = "0"] = readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ");
    return Number(spentNs) / NS_PER_MS;
  });
  return each.reduce((sum, one) => sum + one, 0);
}
