/**
 * The scan of the host in each cycle: every active VM with its job. A VM that does not answer in time
 * is not asked again until it has, and a late answer, with its time, is in the next scan. VMs that
 * matter most are asked first; the others take turns at being early, so that on a host with more VMs
 * than a scan has time for none is left out for ever.
 */
import { ListDomainsFlag } from "libvirt";
import type { Domain } from "libvirt";
import type { Clock } from "../../clock.ts";
import type { Defects } from "../../defects.ts";
import { type RunState, isOff } from "../../core/run-state.ts";
import type { CallResult, JobView, ScanOptions, VmJobView } from "../port.ts";
import type { Connections } from "./connections.ts";
import { JobLanes } from "./job-lanes.ts";
import { FIRST_LANES_MAX } from "./lanes.ts";
import { runStateFromLibvirt } from "./translate/run-state.ts";

/** Active, and in a state that has to be asked for: running ones cost no call. */
const NOT_RUNNING = ListDomainsFlag.ACTIVE | ListDomainsFlag.PAUSED | ListDomainsFlag.OTHER;
const NO_ANSWER: JobView = { kind: "noAnswer" };
const BROKEN: JobView = { kind: "incoming", broken: true };

/** Separate, so that VMs that hang cannot keep the domains from being listed. */
export interface ScanConnections {
  readonly lists: Connections;
  readonly stats: Connections;
}

export class HostScan {
  readonly #lists: Connections;
  readonly #lanes: JobLanes;
  #turn = 0;

  constructor({ lists, stats }: ScanConnections, clock: Clock, defects: Defects) {
    this.#lists = lists;
    this.#lanes = new JobLanes(stats, clock, defects);
  }

  scan(options: ScanOptions): Promise<CallResult<readonly VmJobView[]>> {
    return this.#lists.run(async (connection) => {
      const all = await connection.listDomains(ListDomainsFlag.ACTIVE);
      const stopped = await connection.listDomains(NOT_RUNNING);
      const { only } = options;
      const wanted = (domain: Domain): boolean => only === undefined || only.has(domain.uuid);
      const states = await statesOf(stopped.filter(wanted));
      const stateOf = ({ uuid }: Domain): RunState => states.get(uuid) ?? "running";
      const active = all.filter((domain) => wanted(domain) && !isOff(stateOf(domain)));
      const jobs = await this.#jobs(active, options);
      const broken = await brokenIncoming(active.filter(({ uuid }) => isIncoming(jobs.get(uuid))));
      return active.map((domain) => ({
        vm: { vmId: domain.uuid, name: domain.name, runState: stateOf(domain) },
        job: broken.has(domain.uuid) ? BROKEN : (jobs.get(domain.uuid) ?? NO_ANSWER),
      }));
    });
  }

  async #jobs(
    domains: readonly Domain[],
    { waitMs, first, only }: ScanOptions,
  ): Promise<ReadonlyMap<string, JobView>> {
    const ordered = this.#inOrder(domains, first).map(({ uuid }) => uuid);
    if (only === undefined) this.#lanes.forgetOthers(ordered);
    return this.#lanes.ask(ordered, waitMs);
  }

  #inOrder(domains: readonly Domain[], first: ReadonlySet<string>): readonly Domain[] {
    const early = domains.filter(({ uuid }) => first.has(uuid));
    const rest = domains.filter(({ uuid }) => !first.has(uuid));
    this.#turn = rest.length === 0 ? 0 : (this.#turn + FIRST_LANES_MAX) % rest.length;
    return [...early, ...rest.slice(this.#turn), ...rest.slice(0, this.#turn)];
  }
}

/** One after the other: these are calls on one connection, and few. */
async function statesOf(domains: readonly Domain[]): Promise<ReadonlyMap<string, RunState>> {
  const states = new Map<string, RunState>();
  for (const domain of domains) {
    // A domain may have gone since it was listed: all that is known is that it was not running.
    const state = await domain.getState().catch(() => null);
    states.set(domain.uuid, state === null ? "suspended" : runStateFromLibvirt(state));
  }
  return states;
}

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
