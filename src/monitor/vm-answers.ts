/**
 * What this host answers of its VMs: those that are here, as the last look showed them; those that are
 * here no more and whose migration has not ended, as leaving; those that have left, or came and have
 * ended, as Down, until the engine has destroyed them or their record is gone. Whoever asks has looked
 * at the host before.
 */
import { isoTime } from "../clock.ts";
import { isQueued } from "../core/admission.ts";
import { MonitorError } from "../errors.ts";
import type { VmJobView } from "../hypervisor/port.ts";
import { detailsError } from "./migrations/accept.ts";
import type { Context } from "./context.ts";
import type { Departures } from "./migrations/departures.ts";
import type { Arrivals } from "./incoming/arrivals.ts";
import { vmIncomingRecord } from "./incoming/record.ts";
import type { Registry } from "./migrations/registry.ts";
import type { WireObject } from "./service.ts";
import { endedArrivalToWire, goneVmToWire, leftVmToWire, vmStatsToWire } from "./wire-stats.ts";

export class VmAnswers {
  readonly #context: Context;
  readonly #registry: Registry;
  readonly #departures: Departures;
  readonly #arrivals: Arrivals;

  constructor(context: Context, registry: Registry, departures: Departures, arrivals: Arrivals) {
    this.#context = context;
    this.#registry = registry;
    this.#departures = departures;
    this.#arrivals = arrivals;
  }

  /** **Fails**: noVm; libvirtUnavailable while the VM has not answered once. */
  async stats(vmId: string): Promise<WireObject> {
    const { hostView } = this.#context;
    const view = hostView.get(vmId);
    if (view === undefined) return this.#left(vmId);
    // Of one that is leaving its migration says enough: just going, libvirt refuses its job's figures.
    const silent = hostView.transfer(vmId) === "unknown" && !isBeingStarted(view);
    if (silent && this.#registry.liveOf(vmId) === undefined) {
      throw detailsError(vmId, { kind: "noAnswer" });
    }
    const stats = this.#hereToWire(view);
    return { ...stats, ...(await vmIncomingRecord(vmId, this.#context)) };
  }

  all(): readonly WireObject[] {
    const { clock, defects, hostView } = this.#context;
    const left = this.#departures
      .all()
      .map((run) => defects.contained("answer", run.vmId, () => leftVmToWire(run, clock)));
    const leaving = this.#registry
      .live()
      .filter(({ vmId }) => hostView.get(vmId) === undefined)
      .map((run) => defects.contained("answer", run.vmId, () => goneVmToWire(run, clock)));
    const gone = [...left, ...leaving].filter((answer) => answer !== null);
    const known = [...this.#here(), ...gone];
    const knownIds = new Set(known.map(({ vmId }) => vmId));
    const ended = this.#arrivals.ended
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
      queuedVmMigrations: this.#registry.live().filter(isQueued).length,
      incomingSlotsInUse,
      max_incoming_migrations: settings().maxIncoming,
      version,
      journal: journal.failing ?? "ok",
      dateTime: `${isoTime(clock.wallMs()).slice(0, 19)} GMT`,
    };
  }

  #hereToWire(view: VmJobView): WireObject {
    const { hostView, clock } = this.#context;
    const { vmId } = view.vm;
    const coming = this.#arrivals.isComing(view);
    const transfer = coming ? "incoming" : hostView.transfer(vmId);
    return vmStatsToWire(view, transfer, this.#registry.liveOf(vmId), clock);
  }

  #here(): readonly WireObject[] {
    const { hostView, defects } = this.#context;
    const answers = hostView.views().map((view) => {
      return defects.contained("answer", view.vm.vmId, () => this.#hereToWire(view));
    });
    return answers.filter((answer) => answer !== null);
  }

  /** No migration of ours is about it. */
  #ended(vmId: string): WireObject | null {
    const { clock } = this.#context;
    const run = this.#departures.of(vmId);
    const left = run === undefined ? null : leftVmToWire(run, clock);
    if (left !== null) return left;
    const ended = this.#arrivals.ended.of(vmId, clock.monotonicMs());
    return ended === undefined ? null : endedArrivalToWire(ended, clock);
  }

  #left(vmId: string): WireObject {
    const { clock } = this.#context;
    const live = this.#registry.liveOf(vmId);
    const answer = live === undefined ? this.#ended(vmId) : goneVmToWire(live, clock);
    if (answer !== null) return answer;
    throw new MonitorError("noVm", `VM ${vmId} does not exist on this host`);
  }
}

function exitOf({ exitCode, exitMessage, exitReason }: WireObject): WireObject {
  return { exitCode, exitMessage, exitReason };
}

/** libvirt starts it here, and says nothing else of it meanwhile. */
function isBeingStarted({ vm, job }: VmJobView): boolean {
  return job.kind === "noAnswer" && vm.runState === "startingUp";
}
