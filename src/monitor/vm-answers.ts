/**
 * What this host reports of its VMs: those that are here, as the last look showed them; those that are
 * gone but whose migration has not ended, as leaving; those that have left, or arrived and have ended,
 * as Down, until the engine destroys them or their record expires. The caller has looked at the host
 * before. Which status each has is core/vm-status.ts's.
 */
import { isoTime, momentOf } from "../clock.ts";
import { isQueued } from "../core/admission.ts";
import type { VmStatus } from "../core/event.ts";
import { downWhileWaiting, statusAfter, statusHere, statusLeaving } from "../core/vm-status.ts";
import { MonitorError } from "../errors.ts";
import type { VmJobView } from "../hypervisor/port.ts";
import type { HostStats } from "../wire/results.ts";
import {
  isUp,
  vmListEntry,
  vmStats,
  type ShownStatus,
  type VmFacts,
  type VmListEntry,
  type VmStats,
} from "../wire/vm-answer.ts";
import { detailsError } from "./migrations/accept.ts";
import type { Context } from "./context.ts";
import type { Departures } from "./migrations/departures.ts";
import type { Arrivals } from "./incoming/arrivals.ts";
import type { EndedArrival } from "./incoming/ended-arrivals.ts";
import { vmIncomingRecord } from "./incoming/record.ts";
import type { MigrationRun } from "./migrations/run.ts";
import type { Registry } from "./migrations/registry.ts";

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
  async stats(vmId: string): Promise<VmStats> {
    const { hostView, clock } = this.#context;
    const view = hostView.get(vmId);
    if (view === undefined) return vmStats(this.#left(vmId), momentOf(clock));
    // The migration of a leaving VM says enough; libvirt refuses job stats of a domain that is going.
    const silent = hostView.transfer(vmId) === "unknown" && !isBeingStarted(view);
    if (silent && this.#registry.liveOf(vmId) === undefined) {
      throw detailsError(vmId, { kind: "noAnswer" });
    }
    const stats = vmStats(this.#here(view), momentOf(clock));
    return { ...stats, ...(await vmIncomingRecord(vmId, this.#context)) };
  }

  all(): readonly VmStats[] {
    const now = momentOf(this.#context.clock);
    return this.#everyVm().map((vm) => vmStats(vm, now));
  }

  list(): readonly VmListEntry[] {
    const now = momentOf(this.#context.clock);
    return this.#everyVm().map((vm) => vmListEntry(vm, now));
  }

  #everyVm(): readonly VmFacts[] {
    const { clock, defects, hostView } = this.#context;
    const left = this.#departures
      .all()
      .map((run) => defects.contained("answer", run.vmId, () => leftFacts(run)));
    const leaving = this.#registry
      .live()
      .filter(({ vmId }) => hostView.get(vmId) === undefined)
      .map((run) => defects.contained("answer", run.vmId, () => goneFacts(run)));
    const gone = [...left, ...leaving].filter((answer) => answer !== null);
    const known = [...this.#allHere(), ...gone];
    const knownIds = new Set(known.map(({ vmId }) => vmId));
    const ended = this.#arrivals.ended
      .all(clock.monotonicMs())
      .filter(({ vmId }) => !knownIds.has(vmId) && this.#registry.liveOf(vmId) === undefined)
      .map(endedArrivalFacts);
    return [...known, ...ended];
  }

  /** The host's counts, of VMs that are here. */
  host(incomingSlotsInUse: number): HostStats {
    const here = this.#allHere();
    const { hostView, journal, clock, settings, version } = this.#context;
    const { incoming, outgoing } = hostView.counts();
    return {
      vmCount: here.length,
      vmActive: here.filter(({ status }) => isUp(status)).length,
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

  #here(view: VmJobView): VmFacts {
    const { vmId, name } = view.vm;
    const run = this.#registry.liveOf(vmId);
    return {
      vmId,
      vmName: name,
      status: this.#statusHere(view, run),
      progressPercent: run?.migration.sample.progressPercent ?? null,
      absentHere: false,
      arrivedHere: false,
    };
  }

  #statusHere(view: VmJobView, run: MigrationRun | undefined): ShownStatus {
    const { vmId, runState } = view.vm;
    const coming = this.#arrivals.isComing(view);
    const transfer = coming ? "incoming" : this.#context.hostView.transfer(vmId);
    return statusHere(transfer, runState, run === undefined ? null : leaving(run));
  }

  #allHere(): readonly VmFacts[] {
    const { hostView, defects } = this.#context;
    const answers = hostView.views().map((view) => {
      return defects.contained("answer", view.vm.vmId, () => this.#here(view));
    });
    return answers.filter((answer) => answer !== null);
  }

  /** It has no live migration. */
  #ended(vmId: string): VmFacts | null {
    const run = this.#departures.of(vmId);
    const left = run === undefined ? null : leftFacts(run);
    if (left !== null) return left;
    const ended = this.#arrivals.ended.of(vmId, this.#context.clock.monotonicMs());
    return ended === undefined ? null : endedArrivalFacts(ended);
  }

  #left(vmId: string): VmFacts {
    const live = this.#registry.liveOf(vmId);
    const answer = live === undefined ? this.#ended(vmId) : goneFacts(live);
    if (answer !== null) return answer;
    throw new MonitorError("noVm", `VM ${vmId} does not exist on this host`);
  }
}

function leaving({ migration: { facts, postCopy } }: MigrationRun): VmStatus {
  return statusLeaving(facts.mode, postCopy.begun);
}

/** A VM that arrived here and has ended since. */
function endedArrivalFacts({ vmId, vmName, how }: EndedArrival): VmFacts {
  const status = { kind: "down", why: how } as const;
  return { vmId, vmName, status, progressPercent: null, absentHere: false, arrivedHere: true };
}

/**
 * A VM that is no longer on this host and whose migration has not ended: it is leaving until the end is
 * known. One that was switched off or taken away while its migration waits is Down, and may come back.
 */
function goneFacts(run: MigrationRun): VmFacts {
  const { call, evidence, facts, sample } = run.migration;
  const { mode, vmId, vmName } = facts;
  const { guestStopped, stoppedByJob } = evidence;
  const waits = call.madeAtMs === null;
  const why = waits ? downWhileWaiting(mode, guestStopped, stoppedByJob) : null;
  return {
    vmId,
    vmName,
    status: why === null ? leaving(run) : { kind: "down", why },
    progressPercent: waits ? null : sample.progressPercent,
    absentHere: why === null || why === "migrated",
    arrivedHere: false,
  };
}

/** A VM that has left this host; null: it is not known whether it has. */
function leftFacts({ migration }: MigrationRun): VmFacts | null {
  const { end, evidence, facts, postCopy } = migration;
  const where = end?.outcome.where ?? "unknown";
  if (where === "source" || where === "unknown") return null;
  const { guestStopped, runState } = evidence;
  const { vmId, vmName } = facts;
  const status = statusAfter(where, { runState, inPostCopy: postCopy.begun, guestStopped });
  return { vmId, vmName, status, progressPercent: null, absentHere: false, arrivedHere: false };
}

/** While libvirt starts a VM it does not answer for it. */
function isBeingStarted({ vm, job }: VmJobView): boolean {
  return job.kind === "noAnswer" && vm.runState === "startingUp";
}
