/**
 * The scan of the host in each cycle: every active VM with its job. A VM that does not answer in time
 * is not asked again until it has, and a late answer, with its time, is in the next scan. VMs that
 * matter most are asked first; the others take turns at being early, so that on a host with more VMs
 * than a scan has time for none is left out for ever.
 */
import type { ActiveDomain, Connection } from "libvirt";
import type { Clock } from "../../clock.ts";
import type { Defects } from "../../defects.ts";
import { type RunState, isOff } from "../../core/run-state.ts";
import type { CallResult, JobView, ScannedVm, ScanOptions } from "../port.ts";
import type { Connections } from "./connections.ts";
import { JobLanes } from "./job-lanes.ts";
import { FIRST_LANES_MAX } from "./lanes.ts";
import { runStateFromLibvirt } from "./translate/run-state.ts";

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

  scan(options: ScanOptions): Promise<CallResult<readonly ScannedVm[]>> {
    return this.#lists.run(async (connection) => {
      const all = await connection.listActive();
      const { notAsked, only } = options;
      const wanted = only === undefined ? all : all.filter(({ uuid }) => only.has(uuid));
      const states = await notRunning(connection, wanted);
      const stateOf = ({ uuid }: ActiveDomain): RunState => states.get(uuid) ?? "running";
      const active = wanted.filter((domain) => !isOff(stateOf(domain)));
      if (only === undefined) this.#lanes.forgetOthers(active.map(({ uuid }) => uuid));
      const asked =
        notAsked === undefined ? active : active.filter(({ uuid }) => !notAsked.has(uuid));
      const jobs = await this.#jobs(asked, options);
      const incoming = active.filter(
        ({ uuid, running }) => running && jobs.get(uuid)?.kind === "incoming",
      );
      const broken = await brokenIncoming(connection, incoming);
      const silence = (uuid: string) => (notAsked?.has(uuid) === true ? null : NO_ANSWER);
      return active.map((domain) => ({
        vm: { vmId: domain.uuid, name: domain.name, runState: stateOf(domain) },
        job: broken.has(domain.uuid) ? BROKEN : (jobs.get(domain.uuid) ?? silence(domain.uuid)),
      }));
    });
  }

  async #jobs(
    domains: readonly ActiveDomain[],
    { waitMs, first }: ScanOptions,
  ): Promise<ReadonlyMap<string, JobView>> {
    const ordered = this.#inOrder(domains, first).map(({ uuid }) => uuid);
    return this.#lanes.ask(ordered, waitMs);
  }

  #inOrder(domains: readonly ActiveDomain[], first: ReadonlySet<string>): readonly ActiveDomain[] {
    const early = domains.filter(({ uuid }) => first.has(uuid));
    const rest = domains.filter(({ uuid }) => !first.has(uuid));
    this.#turn = rest.length === 0 ? 0 : (this.#turn + FIRST_LANES_MAX) % rest.length;
    return [...early, ...rest.slice(this.#turn), ...rest.slice(0, this.#turn)];
  }
}

/** States of those that have to be asked for: running ones cost no call. */
async function notRunning(
  connection: Connection,
  domains: readonly ActiveDomain[],
): Promise<ReadonlyMap<string, RunState>> {
  const asked = domains.filter(({ running }) => !running).map(({ uuid }) => uuid);
  const states = asked.length === 0 ? [] : await connection.getStates(asked);
  // A domain may have gone since it was listed: all that is known is that it was not running.
  return new Map(
    asked.map((uuid, at) => {
      const state = states[at] ?? null;
      return [uuid, state === null ? "suspended" : runStateFromLibvirt(state)] as const;
    }),
  );
}

/** Arriving guests whose post-copy has failed. Those are running: before post-copy they are paused. */
async function brokenIncoming(
  connection: Connection,
  incoming: readonly ActiveDomain[],
): Promise<ReadonlySet<string>> {
  const asked = incoming.map(({ uuid }) => uuid);
  const states = asked.length === 0 ? [] : await connection.getStates(asked);
  return new Set(
    asked.filter((_, at) => {
      const state = states[at] ?? null;
      return state !== null && runStateFromLibvirt(state) === "incomingPostCopyFailed";
    }),
  );
}
