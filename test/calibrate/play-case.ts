/** Plays one case on two hosts behind the port, whichever adapters those have, at the pace that they have. */
import type { JobStats } from "../../src/core/job-stats.ts";
import type { Hypervisor } from "../../src/hypervisor/port.ts";
import type { Act, Case } from "./cases.ts";

export interface Pace {
  /** On the clock of this world. */
  nowMs(): number;
  /** Resolves when so much time has gone by there. */
  pass(ms: number): Promise<void>;
}

export interface Ground {
  readonly a: Hypervisor;
  readonly pace: Pace;
  readonly destinationUri: string;
  readonly migrateUri?: string;
  /** Of jobs that completed on host-a. */
  readonly records: ReadonlyMap<string, JobStats>;
  startGuest(guest: Case["guests"][number]): Promise<string>;
}

/** Of one guest's migration. */
export interface Outcome {
  /** From the call to its return. */
  readonly totalMs: number;
  readonly bytes: number;
  readonly passes: number;
  readonly downtimeMs: number;
}

const LOOK_EVERY_MS = 50;
/** A case is chosen so that it ends long before. */
const DEADLINE_MS = 120_000;

/** One outcome for each guest. Rejects if a guest does not arrive. */
export async function playCase(ground: Ground, each: Case): Promise<readonly Outcome[]> {
  const vmIds: string[] = [];
  for (const guest of each.guests) vmIds.push(await ground.startGuest(guest));
  return Promise.all(vmIds.map((vmId) => play(ground, each, vmId)));
}

async function play(
  ground: Ground,
  { title, call, acts = [] }: Case,
  vmId: string,
): Promise<Outcome> {
  const { a, pace } = ground;
  const begunMs = pace.nowMs();
  let endedMs: number | null = null;
  const calling = a
    .migrate(vmId, {
      destinationUri: ground.destinationUri,
      ...(ground.migrateUri !== undefined && { migrateUri: ground.migrateUri }),
      postcopyBandwidthMiBps: 0,
      postcopy: false,
      compressed: false,
      autoConverge: false,
      abortOnError: false,
      encrypted: false,
      tunneled: false,
      persistent: false,
      destinationHosts: [],
      ...call,
    })
    .then((result) => {
      endedMs = pace.nowMs();
      return result;
    });
  const open = [...acts];
  let flowsSinceMs: number | null = null;
  while (endedMs === null) {
    await pace.pass(LOOK_EVERY_MS);
    if (pace.nowMs() - begunMs > DEADLINE_MS) throw new Error(`${title}: it does not arrive`);
    if (flowsSinceMs === null) {
      const job = await a.jobView(vmId);
      const flows =
        job.kind === "ok" && job.value.kind === "stats" && job.value.stats.dataTotalBytes > 0;
      if (flows) flowsSinceMs = pace.nowMs();
    }
    const [next] = open;
    if (flowsSinceMs === null || next === undefined) continue;
    if (pace.nowMs() - flowsSinceMs < next.afterMs) continue;
    open.shift();
    await act(a, vmId, next);
  }
  const result = await calling;
  if (result.kind !== "ok") throw new Error(`${title}: ${JSON.stringify(result)}`);
  const record = ground.records.get(vmId);
  if (record === undefined) throw new Error(`${title}: no record was told`);
  return {
    totalMs: endedMs - begunMs,
    bytes: record.dataProcessedBytes,
    passes: record.memoryIteration ?? 0,
    downtimeMs: record.downtimeMs ?? 0,
  };
}

async function act(a: Hypervisor, vmId: string, act: Act): Promise<void> {
  if (act.downtimeMs !== undefined) await a.setMaxDowntime(vmId, act.downtimeMs);
  if (act.bandwidthMiBps !== undefined) await a.setMaxBandwidth(vmId, act.bandwidthMiBps);
  if (act.postCopy === true) await a.startPostCopy(vmId);
}
