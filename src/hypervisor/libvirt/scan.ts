/**
 * The look at the host in each cycle: every active VM with its job, over the poll's connections. A VM
 * that does not answer in time is left out until it did, and then what it said late is shown in the
 * next look, with its time. Those that matter most are asked first; of the others it is each one's
 * turn to be early, so that a host with more VMs than a look has time for leaves none out for ever.
 */
import { ListDomainsFlag } from "libvirt";
import type { Connection, Domain, JobStatsResult } from "libvirt";
import type { Clock } from "../../clock.ts";
import type { Defects } from "../../defects.ts";
import { type RunState, isOff } from "../../core/run-state.ts";
import type { CallResult, JobView, ScanOptions, VmJobView } from "../port.ts";
import { failedJobView, statsView } from "./job-view.ts";
import { jobStatsFromLibvirt } from "./translate/job-stats.ts";
import type { Lane } from "./connections.ts";
import { runStateFromLibvirt } from "./translate/run-state.ts";

/** Job-stats calls at a time, each on a connection of its own. */
const THREADS = 4;
/** Active, and in a state that has to be asked for: those that run cost no call. */
const NOT_RUNNING = ListDomainsFlag.ACTIVE | ListDomainsFlag.PAUSED | ListDomainsFlag.OTHER;

export class HostScan {
  readonly #poll: Lane;
  readonly #clock: Clock;
  readonly #defects: Defects;
  /** Asked and not back, and since when. */
  readonly #out = new Map<string, number>();
  readonly #late = new Map<string, JobView>();
  #turn = 0;

  constructor(poll: Lane, clock: Clock, defects: Defects) {
    this.#poll = poll;
    this.#clock = clock;
    this.#defects = defects;
  }

  look(options: ScanOptions): Promise<CallResult<readonly VmJobView[]>> {
    return this.#poll.run(async (connection) => {
      const all = await connection.listDomains(ListDomainsFlag.ACTIVE);
      const stopped = await connection.listDomains(NOT_RUNNING);
      const { only } = options;
      const wanted = (domain: Domain): boolean => only === undefined || only.has(domain.uuid);
      const states = await statesOf(stopped.filter(wanted));
      const stateOf = ({ uuid }: Domain): RunState => states.get(uuid) ?? "running";
      const active = all.filter((domain) => wanted(domain) && !isOff(stateOf(domain)));
      const jobs = await this.#jobs(connection, active, options);
      const broken = await brokenIncoming(active.filter(({ uuid }) => isIncoming(jobs.get(uuid))));
      return active.map((domain) => ({
        vm: { vmId: domain.uuid, name: domain.name, runState: stateOf(domain) },
        job: broken.has(domain.uuid) ? BROKEN : (jobs.get(domain.uuid) ?? { kind: "noAnswer" }),
      }));
    });
  }

  async #jobs(
    connection: Connection,
    domains: readonly Domain[],
    { waitMs, first, only }: ScanOptions,
  ): Promise<ReadonlyMap<string, JobView>> {
    const jobs = new Map<string, JobView>();
    for (const domain of domains) this.#takeLate(domain.uuid, jobs);
    // Whoever is left was not among all of the host's: it is gone, and so is what it said.
    if (only === undefined) this.#late.clear();
    const ask = this.#inTurn(domains, first).filter(({ uuid }) => !this.#out.has(uuid));
    let over = false;
    await connection.getJobStatsOf(ask, {
      threads: THREADS,
      deadlineMs: waitMs,
      onBegin: ({ uuid }) => this.#out.set(uuid, this.#nowMs()),
      onResult: (result) => {
        if (result.kind === "notAsked") return;
        const { uuid } = result.domain;
        const sinceMs = this.#out.get(uuid) ?? this.#nowMs();
        this.#out.delete(uuid);
        const view = this.#defects.contained("jobStats", uuid, () => this.#viewOf(result, sinceMs));
        (over ? this.#late : jobs).set(uuid, view ?? { kind: "noAnswer" });
      },
    });
    over = true;
    return jobs;
  }

  #takeLate(uuid: string, jobs: Map<string, JobView>): void {
    const view = this.#late.get(uuid);
    if (view === undefined) return;
    this.#late.delete(uuid);
    jobs.set(uuid, view);
  }

  #inTurn(domains: readonly Domain[], first: ReadonlySet<string>): readonly Domain[] {
    const early = domains.filter(({ uuid }) => first.has(uuid));
    const rest = domains.filter(({ uuid }) => !first.has(uuid));
    this.#turn = rest.length === 0 ? 0 : (this.#turn + THREADS) % rest.length;
    return [...early, ...rest.slice(this.#turn), ...rest.slice(0, this.#turn)];
  }

  #viewOf(result: Exclude<JobStatsResult, { kind: "notAsked" }>, sinceMs: number): JobView {
    return result.kind === "stats"
      ? statsView(jobStatsFromLibvirt(result.stats), sinceMs, this.#nowMs())
      : failedJobView(result.error);
  }

  #nowMs(): number {
    return this.#clock.monotonicMs();
  }
}

/** One after the other: these are calls on one connection, and few. */
async function statesOf(domains: readonly Domain[]): Promise<ReadonlyMap<string, RunState>> {
  const states = new Map<string, RunState>();
  for (const domain of domains) {
    // A domain may be gone between the list and the question: then nothing is known but that it stood.
    const state = await domain.getState().catch(() => null);
    states.set(domain.uuid, state === null ? "suspended" : runStateFromLibvirt(state));
  }
  return states;
}

const BROKEN: JobView = { kind: "incoming", broken: true };

function isIncoming(job: JobView | undefined): boolean {
  return job?.kind === "incoming";
}

/** Arriving guests whose post-copy has failed. */
async function brokenIncoming(incoming: readonly Domain[]): Promise<ReadonlySet<string>> {
  const broken = new Set<string>();
  for (const domain of incoming) {
    const state = await domain.getState().catch(() => null);
    if (state === null) continue;
    if (runStateFromLibvirt(state) === "incomingPostCopyFailed") broken.add(domain.uuid);
  }
  return broken;
}
