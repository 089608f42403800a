/**
 * The port's calls as one simulated host answers them. A call may be answered at once or later, when the
 * world's time has come; none knows of deadlines.
 */
import { good } from "../../core/migrate-check.ts";
import { isPausedCopy, type RunState } from "../../core/run-state.ts";
import type { JobStats } from "../../core/job-stats.ts";
import type {
  DestinationHost,
  GuestDevices,
  JobView,
  MigrateCall,
  ScannedVm,
  VmDetails,
} from "../port.ts";
import { type Domain, NO_JOB_STATS } from "./domain.ts";
import type { Host } from "./host.ts";
import { Migration } from "./migration.ts";
import * as refusals from "./refusals.ts";
import { Save } from "./save.ts";
import { type Done, OK, type Outcome, refused } from "./surroundings.ts";
import { destinationOf, sayWhyNot } from "./start.ts";
import type { World } from "./world.ts";

/** libvirt waits so long for a VM's job lock. */
const LOCK_WAIT_MS = 30_000;

/** Whom a scan asks: everyone, or those; and of whom the state is enough. */
export interface ScanQuery {
  readonly only?: readonly string[];
  readonly notAsked?: readonly string[];
}

export class HostCalls {
  readonly #world: World;
  readonly #host: Host;

  constructor(world: World, host: Host) {
    this.#world = world;
    this.#host = host;
  }

  scan({ only, notAsked }: ScanQuery, done: Done<readonly ScannedVm[]>): void {
    const silent = new Set(notAsked);
    const wanted =
      only === undefined
        ? this.#host.active
        : this.#host.active.filter(({ vmId }) => only.includes(vmId));
    this.#host.serve(done, (answer) =>
      answer({
        kind: "ok",
        value: wanted.map((domain) => ({
          vm: domain.view(),
          job: silent.has(domain.vmId) ? null : domain.jobView(this.#world.nowMs),
        })),
      }),
    );
  }

  jobView(vmId: string, done: Done<JobView>): void {
    this.#whenFree(vmId, done, (domain) => ok(domain.jobView(this.#world.nowMs)));
  }

  vmDetails(vmId: string, done: Done<VmDetails>): void {
    this.#of(vmId, done, (domain) => ok(domain.details()));
  }

  runState(vmId: string, done: Done<RunState>): void {
    this.#of(vmId, done, (domain) => ok(domain.state));
  }

  domainXml(vmId: string, done: Done<string>): void {
    this.#of(vmId, done, ({ guest: { spec } }) =>
      ok(`<domain type='simulated'><name>${spec.name}</name><uuid>${vmId}</uuid></domain>`),
    );
  }

  guestDevices(vmId: string, done: Done<GuestDevices>): void {
    this.#of(vmId, done, ({ guest: { spec } }) =>
      ok({ disks: spec.disks, hostDevices: spec.hostDevices }),
    );
  }

  destinationHost(vmId: string, uri: string, done: Done<DestinationHost>): void {
    this.#of(vmId, done, () => {
      const host = destinationOf(this.#world, this.#host, uri);
      if (host === undefined) return refused(refusals.UNREACHABLE);
      const { name, profile } = host.spec;
      return ok({
        hostName: name,
        libvirtVersion: profile.libvirtVersion,
        hypervisorVersion: profile.qemuVersion,
        cpu: good("simulated: all hosts have the same CPU"),
      });
    });
  }

  hasKvm(done: Done<boolean>): void {
    this.#host.serve(done, (answer) => answer(ok(true)));
  }

  hostUuid(done: Done<string | null>): void {
    this.#host.serve(done, (answer) => answer(ok(this.#host.spec.uuid)));
  }

  migrate(vmId: string, call: MigrateCall, done: Done<null>): void {
    this.#host.serve(done, (answer) => this.#migrate(vmId, call, answer));
  }

  save(vmId: string, done: Done<null>): void {
    this.#host.serve(done, (answer) => {
      const domain = this.#host.domains.get(vmId);
      if (domain === undefined) answer(refused(refusals.NO_VM));
      else if (!domain.isActive || isPausedCopy(domain.state))
        answer(refused(refusals.NOT_RUNNING));
      else if (domain.job !== null) answer(refused(refusals.HAS_JOB));
      else new Save(this.#world, domain, this.#host.spec.diskBytesPerSecond, answer);
    });
  }

  abortJob(vmId: string, done: Done<null>): void {
    this.#whenFree(vmId, done, ({ job }, answer) => {
      if (job instanceof Migration) {
        job.abort(answer);
        return undefined;
      }
      if (!(job instanceof Save)) return refused(refusals.NO_JOB);
      job.abort();
      return OK;
    });
  }

  /** MiB/s as libvirt takes them: 0 is no limit. */
  setMaxBandwidth(vmId: string, maxBandwidthMiBps: number, done: Done<null>): void {
    this.#unlessSaved(vmId, done, (domain) => {
      if (!domain.isActive) return refused(refusals.NOT_RUNNING);
      // Before the first data the domain takes it, and the job begins with its call's.
      const flowing = flowingIn(domain);
      if (flowing === null) domain.maxBandwidthMiBps = maxBandwidthMiBps;
      else flowing.setMaxBandwidth(maxBandwidthMiBps);
      return OK;
    });
  }

  maxBandwidthMiBps(vmId: string, done: Done<number>): void {
    this.#of(vmId, done, (domain) =>
      ok(flowingIn(domain)?.maxBandwidthMiBps ?? domain.maxBandwidthMiBps),
    );
  }

  setMaxDowntime(vmId: string, maxDowntimeMs: number, done: Done<null>): void {
    this.#unlessSaved(vmId, done, (domain) => {
      if (!domain.isActive) return refused(refusals.NOT_RUNNING);
      domain.maxDowntimeMs = maxDowntimeMs;
      if (domain.job instanceof Migration) domain.job.changed();
      return OK;
    });
  }

  maxDowntimeMs(vmId: string, done: Done<number>): void {
    this.#whenFree(vmId, done, (domain) => ok(domain.maxDowntimeMs));
  }

  startPostCopy(vmId: string, done: Done<null>): void {
    this.#steer(vmId, done, (migration) => migration.startPostCopy());
  }

  pausePostCopy(vmId: string, done: Done<null>): void {
    this.#steer(vmId, done, (migration) => migration.pausePostCopy());
  }

  destroyPausedCopy(vmId: string, undefine: boolean, done: Done<null>): void {
    this.#of(vmId, done, (domain) => {
      if (!isPausedCopy(domain.state)) return refused(refusals.NO_PAUSED_COPY);
      if (domain.job !== null) return refused(refusals.HAS_JOB);
      domain.state = "offDestroyed";
      if (undefine || !domain.persistent) this.#world.remove(domain);
      this.#world.tell(domain.host, { kind: "guest", vmId, change: "stopped", how: "destroyed" });
      return OK;
    });
  }

  undefineMigrated(vmId: string, wasPersistent: boolean, done: Done<boolean>): void {
    this.#of(vmId, done, (domain) => {
      if (isPausedCopy(domain.state)) return ok(false);
      const left = domain.state === "offMigrated" || (domain.state === "off" && wasPersistent);
      if (left) this.#world.remove(domain);
      return ok(true);
    });
  }

  completedJob(vmId: string, done: Done<JobStats>): void {
    this.#of(vmId, done, ({ record }) => ok(record ?? NO_JOB_STATS));
  }

  #migrate(vmId: string, call: MigrateCall, answer: Done<null>): void {
    const domain = this.#host.domains.get(vmId);
    if (domain === undefined) {
      answer(refused(refusals.NO_VM));
      return;
    }
    if (call.resume === true) {
      const { job } = domain;
      const why = job instanceof Migration ? job.resume(answer) : refusals.NO_JOB;
      if (why !== null) answer(refused(why));
      return;
    }
    if (domain.job instanceof Save) {
      domain.job.afterwards(() => this.#migrate(vmId, call, answer));
      return;
    }
    const there = destinationOf(this.#world, this.#host, call.destinationUri);
    const why = sayWhyNot(domain, there, call);
    if (why !== null) answer(refused(why));
    else if (there !== undefined) this.#start(domain, there, call, answer);
  }

  #start(domain: Domain, there: Host, call: MigrateCall, answer: Done<null>): void {
    const planned = there.startRefusals.shift();
    if (planned !== undefined) {
      this.#world.in(planned.afterMs, () => answer(refused(planned.refusal)));
      return;
    }
    this.#world.begin(new Migration(this.#world, domain, there.spec.name, call, answer));
  }

  /** Of a VM, at once. */
  #of<T>(vmId: string, done: Done<T>, call: (domain: Domain) => Outcome<T>): void {
    this.#host.serve(done, (answer) => {
      const domain = this.#host.domains.get(vmId);
      answer(domain === undefined ? refused(refusals.NO_VM) : call(domain));
    });
  }

  /** Once nothing holds the VM; where its job lock is held, libvirt gives up after a while. */
  #whenFree<T>(
    vmId: string,
    done: Done<T>,
    call: (domain: Domain, answer: Done<T>) => Outcome<T> | undefined,
  ): void {
    this.#host.serve(done, (answer) => {
      const domain = this.#host.domains.get(vmId);
      if (domain === undefined) {
        answer(refused(refusals.NO_VM));
        return;
      }
      const run = (): void => {
        const outcome = call(domain, answer);
        if (outcome !== undefined) answer(outcome);
      };
      if (domain.hold === null) {
        run();
        return;
      }
      domain.whenFree(run);
      if (domain.hold !== "jobLocked") return;
      this.#world.in(LOCK_WAIT_MS, () => {
        if (domain.noLongerWaits(run)) answer(refused(refusals.LOCKED));
      });
    });
  }

  /** What a save makes wait until it has ended. */
  #unlessSaved<T>(vmId: string, done: Done<T>, call: (domain: Domain) => Outcome<T>): void {
    this.#whenFree(vmId, done, (domain, answer) => {
      if (!(domain.job instanceof Save)) return call(domain);
      domain.job.afterwards(() => answer(call(domain)));
      return undefined;
    });
  }

  #steer(
    vmId: string,
    done: Done<null>,
    call: (migration: Migration) => ReturnType<Migration["startPostCopy"]>,
  ): void {
    this.#whenFree(vmId, done, ({ job }) => {
      const why = job instanceof Migration ? call(job) : refusals.NO_JOB;
      return why === null ? OK : refused(why);
    });
  }
}

/** Its migration, if that has data to limit. */
function flowingIn({ job }: Domain): Migration | null {
  return job instanceof Migration && job.maxBandwidthMiBps !== null ? job : null;
}

function ok<T>(value: T): Outcome<T> {
  return { kind: "ok", value };
}
