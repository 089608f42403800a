/**
 * The port's libvirt adapter: which call goes over which connections. What libvirt's numbers mean
 * stands in translate/; nothing here decides anything about migrations. Connections are kept for one
 * purpose each, so that calls that hang only use up those of their own purpose:
 *
 * - lists and stats: the scan of each cycle (scan.ts).
 * - queries: single questions (details, a sample on an event, XML).
 * - control: what changes a job and may block on the VM's job lock (abort, limits, post-copy).
 * - events: see events.ts. Each migrate or save call has a connection of its own.
 */
import { AbortJobFlag, JobStatsFlag } from "libvirt";
import type { Connection, Domain, LibvirtError } from "libvirt";
import type { Clock } from "../../clock.ts";
import type { JobStats } from "../../core/job-stats.ts";
import type { Refusal } from "../../core/refusal.ts";
import type { RunState } from "../../core/run-state.ts";
import { Defects } from "../../defects.ts";
import type { Log } from "../../logger.ts";
import type {
  CallResult,
  DestinationHost,
  GuestDevices,
  Hypervisor,
  HypervisorEvent,
  JobView,
  MigrateCall,
  ScannedVm,
  ScanOptions,
  VmDetails,
} from "../port.ts";
import { jobStatsFromLibvirt } from "./translate/job-stats.ts";
import { guestDevicesIn } from "./guest-devices.ts";
import { HostScan } from "./scan.ts";
import { FIRST_LANES_MAX } from "./lanes.ts";
import { destroyPausedCopy, undefineMigrated } from "./leftovers.ts";
import { readJobView } from "./job-view.ts";
import { Connections, messageOf, openConnection, resultOf } from "./connections.ts";
import { runStateFromLibvirt } from "./translate/run-state.ts";
import { definitionsFor } from "./destination-definition.ts";
import { DestinationHosts } from "./destination-host.ts";
import { devicesIn } from "./devices.ts";
import { EventStream } from "./events.ts";
import { hostUuidIn } from "./host-uuid.ts";
import { offersKvm } from "./offers-kvm.ts";
import { DomainChanges, SharedRead } from "./calls.ts";
import { migrateFlags, migrateParamsOf } from "./translate/migrate-call.ts";
import { postCopyCallRefusalFrom, refusalFrom } from "./translate/refusal.ts";
import { COMPLETE_IMAGE_MAGIC } from "./translate/save-image.ts";

/** Connections of one purpose that are kept open while they are not used. */
const IDLE_MAX = 3;

type Purpose = "lists" | "stats" | "queries" | "control";

export interface LibvirtHypervisorOptions {
  readonly uri: string;
  readonly callTimeoutMs: () => number;
}

export class LibvirtHypervisor implements Hypervisor {
  readonly completeImageMagic = COMPLETE_IMAGE_MAGIC;
  readonly #options: LibvirtHypervisorOptions;
  readonly #log: Log;
  readonly #events: EventStream;
  readonly #connections: Readonly<Record<Purpose, Connections>>;
  readonly #jobViews: SharedRead<JobView>;
  readonly #details: SharedRead<VmDetails>;
  readonly #runStates: SharedRead<RunState>;
  readonly #xmls: SharedRead<string>;
  readonly #guestDevices: SharedRead<GuestDevices>;
  readonly #destinations = new DestinationHosts();
  readonly #records: SharedRead<JobStats>;
  readonly #bandwidths: SharedRead<number>;
  readonly #downtimes: SharedRead<number>;
  readonly #undefines: Readonly<Record<"persistent" | "transient", SharedRead<boolean>>>;
  readonly #changes: DomainChanges;
  readonly #scan: HostScan;

  constructor(options: LibvirtHypervisorOptions, clock: Clock, log: Log) {
    this.#options = options;
    this.#log = log.child({ component: "hypervisor" });
    const connections = (idleMax = IDLE_MAX): Connections =>
      new Connections({ uri: options.uri, deadlineMs: options.callTimeoutMs, idleMax });
    const lists = connections();
    const stats = connections(FIRST_LANES_MAX);
    const queries = connections();
    const control = connections();
    this.#connections = { lists, stats, queries, control };
    this.#events = new EventStream(options.uri, this.#log);
    this.#scan = new HostScan({ lists, stats }, clock, new Defects(this.#log, clock));
    this.#jobViews = new SharedRead(queries, (domain) => readJobView(domain, clock));
    this.#details = new SharedRead(queries, readDetails);
    this.#runStates = new SharedRead(queries, async (domain) =>
      runStateFromLibvirt(await domain.getState()),
    );
    this.#xmls = new SharedRead(queries, (domain) => domain.getXml());
    this.#guestDevices = new SharedRead(queries, async (domain) =>
      guestDevicesIn(await domain.getXml()),
    );
    this.#records = new SharedRead(queries, readRecord);
    this.#bandwidths = new SharedRead(control, async (domain) =>
      Number(await domain.migrateGetMaxSpeed()),
    );
    this.#downtimes = new SharedRead(control, async (domain) =>
      Number(await domain.migrateGetMaxDowntime()),
    );
    const undefine = (wasPersistent: boolean): SharedRead<boolean> =>
      new SharedRead(control, (domain) => undefineMigrated(domain, wasPersistent));
    this.#undefines = { persistent: undefine(true), transient: undefine(false) };
    this.#changes = new DomainChanges(control);
  }

  async start(onEvent: (event: HypervisorEvent) => void): Promise<void> {
    await this.#events.start(onEvent);
  }

  async stop(): Promise<void> {
    await Promise.all([
      this.#events.stop(),
      ...Object.values(this.#connections).map((each) => each.close()),
    ]);
  }

  scan(options: ScanOptions): Promise<CallResult<readonly ScannedVm[]>> {
    return this.#scan.scan(options);
  }

  jobView(vmId: string): Promise<CallResult<JobView>> {
    return this.#jobViews.ask(vmId);
  }

  vmDetails(vmId: string): Promise<CallResult<VmDetails>> {
    return this.#details.ask(vmId);
  }

  runState(vmId: string): Promise<CallResult<RunState>> {
    return this.#runStates.ask(vmId);
  }

  domainXml(vmId: string): Promise<CallResult<string>> {
    return this.#xmls.ask(vmId);
  }

  guestDevices(vmId: string): Promise<CallResult<GuestDevices>> {
    return this.#guestDevices.ask(vmId);
  }

  destinationHost(vmId: string, destinationUri: string): Promise<CallResult<DestinationHost>> {
    return this.#destinations.look(destinationUri, () =>
      this.#connections.queries.run(async (connection) => {
        const domain = await connection.lookupByUuid(vmId);
        return {
          domainXml: await domain.getXml(),
          capabilitiesXml: await connection.capabilities(),
        };
      }),
    );
  }

  hasKvm(): Promise<CallResult<boolean>> {
    return this.#connections.queries.run(async (connection) =>
      offersKvm(await connection.capabilities()),
    );
  }

  hostUuid(): Promise<CallResult<string | null>> {
    return this.#connections.queries.run(async (connection) =>
      hostUuidIn(await connection.capabilities()),
    );
  }

  completedJob(vmId: string): Promise<CallResult<JobStats>> {
    return this.#records.ask(vmId);
  }

  maxBandwidthMiBps(vmId: string): Promise<CallResult<number>> {
    return this.#bandwidths.ask(vmId);
  }

  maxDowntimeMs(vmId: string): Promise<CallResult<number>> {
    return this.#downtimes.ask(vmId);
  }

  abortJob(vmId: string): Promise<CallResult<null>> {
    return this.#changes.make("abortJob", vmId, (domain) => domain.abortJob());
  }

  setMaxBandwidth(vmId: string, maxBandwidthMiBps: number): Promise<CallResult<null>> {
    return this.#changes.make("setMaxBandwidth", vmId, (domain) =>
      domain.migrateSetMaxSpeed(maxBandwidthMiBps),
    );
  }

  setMaxDowntime(vmId: string, maxDowntimeMs: number): Promise<CallResult<null>> {
    return this.#changes.make("setMaxDowntime", vmId, (domain) =>
      domain.migrateSetMaxDowntime(maxDowntimeMs),
    );
  }

  startPostCopy(vmId: string): Promise<CallResult<null>> {
    return this.#changes.make("startPostCopy", vmId, (domain) => domain.migrateStartPostCopy());
  }

  pausePostCopy(vmId: string): Promise<CallResult<null>> {
    return this.#changes.make("pausePostCopy", vmId, (domain) =>
      domain.abortJobFlags(AbortJobFlag.POSTCOPY),
    );
  }

  destroyPausedCopy(vmId: string, undefine: boolean): Promise<CallResult<null>> {
    return this.#changes.make("destroyPausedCopy", vmId, (domain) =>
      destroyPausedCopy(domain, undefine),
    );
  }

  undefineMigrated(vmId: string, wasPersistent: boolean): Promise<CallResult<boolean>> {
    return this.#undefines[wasPersistent ? "persistent" : "transient"].ask(vmId);
  }

  migrate(vmId: string, call: MigrateCall): Promise<CallResult<null>> {
    const migrates = async (domain: Domain): Promise<void> => {
      const params = { ...migrateParamsOf(call), ...(await definitionsFor(domain, call)) };
      await domain.migrateToUri3(call.destinationUri, params, migrateFlags(call));
    };
    const refusal = call.postcopy ? postCopyCallRefusalFrom : refusalFrom;
    return this.#onOwnConnection(vmId, migrates, refusal);
  }

  save(vmId: string, imagePath: string): Promise<CallResult<null>> {
    return this.#onOwnConnection(vmId, (domain) => domain.save(imagePath), refusalFrom);
  }

  /** A long call occupies its connection until it ends, so it gets one of its own. */
  async #onOwnConnection(
    vmId: string,
    call: (domain: Domain) => Promise<void>,
    refusal: (error: LibvirtError, vmName: string) => Refusal,
  ): Promise<CallResult<null>> {
    let connection: Connection;
    try {
      connection = await openConnection(this.#options.uri);
    } catch (error) {
      return { kind: "disconnected", message: messageOf(error) };
    }
    let vmName = "";
    const done = async (): Promise<null> => {
      const domain = await connection.lookupByUuid(vmId);
      vmName = domain.name;
      await call(domain);
      return null;
    };
    const result = await resultOf(
      done(),
      () => false,
      (error) => refusal(error, vmName),
    );
    connection.close().catch((err: unknown) => {
      this.#log.debug({ err, vmId }, "closing a migration's connection failed");
    });
    return result;
  }
}

async function readDetails(domain: Domain): Promise<VmDetails> {
  const state = await domain.getState();
  const persistent = await domain.isPersistent();
  const info = await domain.getInfo();
  const xml = await domain.getXml();
  return {
    vmId: domain.uuid,
    name: domain.name,
    runState: runStateFromLibvirt(state),
    persistent,
    memoryBytes: Number(info.maxMemoryKiB) * 1024,
    vcpus: info.vcpus,
    ...devicesIn(xml),
  };
}

async function readRecord(domain: Domain): Promise<JobStats> {
  const flags = JobStatsFlag.COMPLETED | JobStatsFlag.KEEP_COMPLETED;
  return jobStatsFromLibvirt(await domain.getJobStats(flags));
}
