/**
 * What this host answers of its VMs: those that are here, as the last look showed them, and those that
 * have left, or came and have ended, as Down, until the engine has destroyed them or their record is gone. Whoever asks has
 * looked at the host before.
 */
import { isoTime } from "../clock.ts";
import { MonitorError } from "../errors.ts";
import { detailsError } from "./accept.ts";
import type { Context } from "./context.ts";
import type { Departures } from "./departures.ts";
import type { EndedArrivals } from "./ended-arrivals.ts";
import { vmIncomingRecord } from "./incoming-record.ts";
import type { Registry } from "./registry.ts";
import type { WireObject } from "./service.ts";
import { endedArrivalToWire, leftVmToWire, offVmToWire, vmStatsToWire } from "./wire-stats.ts";

export class VmAnswers {
  readonly #context: Context;
  readonly #registry: Registry;
  readonly #departures: Departures;
  readonly #endedArrivals: EndedArrivals;

  constructor(
    context: Context,
    registry: Registry,
    departures: Departures,
    endedArrivals: EndedArrivals,
  ) {
    this.#context = context;
    this.#registry = registry;
    this.#departures = departures;
    this.#endedArrivals = endedArrivals;
  }

  /** **Fails**: noVm; libvirtUnavailable while the VM has not answered once. */
  async stats(vmId: string): Promise<WireObject> {
    const { hostView, clock } = this.#context;
    const view = hostView.get(vmId);
    if (view === undefined) return this.#left(vmId);
    if (hostView.transfer(vmId) === "unknown") throw detailsError(vmId, { kind: "noAnswer" });
    const stats = vmStatsToWire(view, hostView, this.#registry.liveOf(vmId), clock);
    return { ...stats, ...(await vmIncomingRecord(vmId, this.#context)) };
  }

  all(): readonly WireObject[] {
    const { clock, defects, hostView } = this.#context;
    const left = this.#departures
      .all()
      .map((run) => defects.contained("answer", run.vmId, () => leftVmToWire(run, clock)));
    const off = this.#registry
      .live()
      .filter(({ vmId }) => hostView.get(vmId) === undefined)
      .map((run) => defects.contained("answer", run.vmId, () => offVmToWire(run, clock)));
    const down = [...left, ...off].filter((answer) => answer !== null);
    const known = [...this.#here(), ...down];
    const knownIds = new Set(known.map(({ vmId }) => vmId));
    const ended = this.#endedArrivals
      .all(clock.monotonicMs())
      .filter(({ vmId }) => !knownIds.has(vmId) && this.#registry.liveOf(vmId) === undefined)
      .map((each) => endedArrivalToWire(each, clock));
    return [...known, ...ended];
  }

  list(): readonly WireObject[] {
    return this.all().map(({ vmId, status, statusTime, ...rest }) => ({
      vmId,
      status,
      statusTime,
      ...(status === "Down" ? exitOf(rest) : {}),
    }));
  }

  /** The host's counts: of VMs that are here. */
  host(incomingSlotsInUse: number): WireObject {
    const here = this.#here();
    const { hostView, journal, clock, settings, version } = this.#context;
    const { incoming, outgoing } = hostView.counts();
    return {
      vmCount: here.length,
      vmActive: here.filter(({ status }) => status === "Up").length,
      vmMigrating: incoming + outgoing,
      incomingVmMigrations: incoming,
      outgoingVmMigrations: outgoing,
      queuedVmMigrations: this.#registry.queued().length,
      incomingSlotsInUse,
      max_incoming_migrations: settings().maxIncoming,
      version,
      journal: journal.failing ?? "ok",
      dateTime: `${isoTime(clock.wallMs()).slice(0, 19)} GMT`,
    };
  }

  #here(): readonly WireObject[] {
    const { hostView, clock, defects } = this.#context;
    const answers = hostView.views().map((view) => {
      const { vmId } = view.vm;
      const run = this.#registry.liveOf(vmId);
      return defects.contained("answer", vmId, () => vmStatsToWire(view, hostView, run, clock));
    });
    return answers.filter((answer) => answer !== null);
  }

  /** No migration of ours is about it. */
  #ended(vmId: string): WireObject | null {
    const { clock } = this.#context;
    const run = this.#departures.of(vmId);
    const left = run === undefined ? null : leftVmToWire(run, clock);
    if (left !== null) return left;
    const ended = this.#endedArrivals.of(vmId, clock.monotonicMs());
    return ended === undefined ? null : endedArrivalToWire(ended, clock);
  }

  #left(vmId: string): WireObject {
    const { clock } = this.#context;
    const live = this.#registry.liveOf(vmId);
    const answer = live === undefined ? this.#ended(vmId) : offVmToWire(live, clock);
    if (answer !== null) return answer;
    throw new MonitorError("noVm", `VM ${vmId} does not exist on this host`);
  }
}

function exitOf({ exitCode, exitMessage, exitReason }: WireObject): WireObject {
  return { exitCode, exitMessage, exitReason };
}
