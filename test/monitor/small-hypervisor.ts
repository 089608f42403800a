/**
 * Behind the hypervisor's port, and no libvirt: VMs that stand where a test puts them, calls that end
 * when it says so, and faults that it plants (a call that throws).
 */
import type { Clock } from "../../src/clock.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import { type RunState, isOff } from "../../src/core/run-state.ts";
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
} from "../../src/hypervisor/port.ts";
import { NOT_BEGUN } from "../core/fixtures.ts";

export const NO_JOB: JobStats = { ...NOT_BEGUN, type: "none", timeElapsedMs: 0 };

const NO_DOMAIN = {
  kind: "refused",
  refusal: { kind: "noVm", code: null, message: "Domain not found" },
} as const;
const DONE = { kind: "ok", value: null } as const;

export interface SmallVm {
  details: VmDetails;
  /** `refused`: libvirt does not give its figures, as of one that is just going. */
  job: JobStats | "incoming" | "refused" | "noAnswer";
}

type Faulty = keyof Hypervisor;

export class SmallHypervisor implements Hypervisor {
  readonly completeImageMagic = "complete";
  readonly vms = new Map<string, SmallVm>();
  /** Migrate calls and saves that are out, by VM. */
  readonly out = new Map<string, (result: CallResult<null>) => void>();
  /** Who answers at any destination's libvirt. */
  destination: DestinationHost = {
    hostName: "host2",
    libvirtVersion: "9.0.0",
    hypervisorVersion: "7.2.22",
    cpu: { ok: true, detail: "the same" },
  };
  /** The last migrate call of each VM. */
  readonly calls = new Map<string, MigrateCall>();
  /** VMs that scans have asked for their job. */
  readonly asked: string[] = [];
  /** What was called, as "method vmId". */
  readonly called: string[] = [];
  /** libvirt works on these VMs and says nothing of them alone: in its lists they stand. */
  readonly silent = new Set<string>();
  /** Throws there, of this VM or of any ("*"): a defect that nobody foresaw. */
  readonly faults = new Set<`${Faulty} ${string}`>();
  /** Told of each call as it is made. */
  onCall: (call: string) => void = () => undefined;
  readonly #clock: Clock;
  #tell: (event: HypervisorEvent) => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  put(vmId: string, fields: Partial<VmDetails> = {}, job: SmallVm["job"] = NO_JOB): void {
    this.vms.set(vmId, {
      details: {
        vmId,
        name: `vm-${vmId.slice(0, 4)}`,
        runState: "running",
        persistent: false,
        memoryBytes: 2 ** 30,
        graphics: [],
        vcpus: 1,
        numaNodes: 0,
        ...fields,
      },
      job,
    });
  }

  tell(event: HypervisorEvent): void {
    this.#tell(event);
  }

  /** Its data move. */
  flow(vmId: string): void {
    const vm = this.vms.get(vmId);
    if (vm === undefined || typeof vm.job === "string") return;
    vm.job = {
      ...vm.job,
      dataTotalBytes: 2 ** 30,
      dataProcessedBytes: 2 ** 20,
      memoryIteration: 1,
    };
  }

  /** Its data move, and whoever looks at the number of its pass falls over it. */
  garble(vmId: string): void {
    this.flow(vmId);
    const vm = this.vms.get(vmId);
    if (vm === undefined || typeof vm.job === "string") return;
    vm.job = Object.defineProperty({ ...vm.job }, "memoryIteration", {
      get: () => {
        throw new Error("a defect in the stats");
      },
    });
  }

  /** libvirt's call for this VM ends. */
  end(vmId: string, result: CallResult<null>): void {
    const vm = this.vms.get(vmId);
    if (vm !== undefined) vm.job = NO_JOB;
    this.out.get(vmId)?.(result);
    this.out.delete(vmId);
  }

  /** It has gone over to the other host; its definition may be left here. */
  leave(vmId: string, left: "nothing" | "definition" = "nothing"): void {
    const vm = this.vms.get(vmId);
    if (left === "nothing") this.vms.delete(vmId);
    else if (vm !== undefined) vm.details = { ...vm.details, runState: "offMigrated" };
    this.tell({ kind: "guest", vmId, change: "stopped", how: "migrated" });
    this.end(vmId, DONE);
  }

  #at(method: Faulty, vmId: string): SmallVm | undefined {
    this.called.push(`${method} ${vmId}`);
    this.onCall(`${method} ${vmId}`);
    if (this.faults.has(`${method} ${vmId}`) || this.faults.has(`${method} *`)) {
      throw new Error(`a defect in ${method}`);
    }
    return this.vms.get(vmId);
  }

  #simple(method: Faulty, vmId: string): Promise<CallResult<null>> {
    return Promise.resolve(this.#at(method, vmId) === undefined ? NO_DOMAIN : DONE);
  }

  #number(method: Faulty, vmId: string, value: number): Promise<CallResult<number>> {
    const vm = this.#at(method, vmId);
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value });
  }

  #view(vm: SmallVm): JobView {
    if (vm.job === "refused") {
      return {
        kind: "refused",
        refusal: { kind: "invalidState", code: null, message: "domain is not running" },
      };
    }
    if (typeof vm.job === "string") return { kind: vm.job };
    return { kind: "stats", stats: vm.job, atMs: this.#clock.monotonicMs() };
  }

  start(onEvent: (event: HypervisorEvent) => void): Promise<void> {
    this.#tell = onEvent;
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  scan({ notAsked, only }: ScanOptions): Promise<CallResult<readonly ScannedVm[]>> {
    this.#at("scan", "*");
    const value = [...this.vms.values()]
      .filter(({ details }) => !isOff(details.runState))
      .filter(({ details }) => only === undefined || only.has(details.vmId))
      .map((vm) => {
        const isAsked = notAsked?.has(vm.details.vmId) !== true;
        if (isAsked) this.asked.push(vm.details.vmId);
        return { vm: vm.details, job: isAsked ? this.#view(vm) : null };
      });
    return Promise.resolve({ kind: "ok", value });
  }

  jobView(vmId: string): Promise<CallResult<JobView>> {
    const vm = this.#at("jobView", vmId);
    if (this.silent.has(vmId)) return Promise.resolve({ kind: "busy" });
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value: this.#view(vm) });
  }

  vmDetails(vmId: string): Promise<CallResult<VmDetails>> {
    const vm = this.#at("vmDetails", vmId);
    if (this.silent.has(vmId)) return Promise.resolve({ kind: "busy" });
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value: vm.details });
  }

  runState(vmId: string): Promise<CallResult<RunState>> {
    const vm = this.#at("runState", vmId);
    if (this.silent.has(vmId)) return Promise.resolve({ kind: "busy" });
    return Promise.resolve(
      vm === undefined ? NO_DOMAIN : { kind: "ok", value: vm.details.runState },
    );
  }

  domainXml(vmId: string): Promise<CallResult<string>> {
    const vm = this.#at("domainXml", vmId);
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value: "<domain/>" });
  }

  hostUuid(): Promise<CallResult<string | null>> {
    return Promise.resolve({ kind: "ok", value: "00000000-0000-4000-8000-000000000001" });
  }

  hasKvm(): Promise<CallResult<boolean>> {
    return Promise.resolve({ kind: "ok", value: true });
  }

  migrate(vmId: string, call: MigrateCall): Promise<CallResult<null>> {
    const vm = this.#at("migrate", vmId);
    this.calls.set(vmId, call);
    if (vm === undefined) return Promise.resolve(NO_DOMAIN);
    vm.job = { ...NO_JOB, type: "unbounded", operation: "migrationOut" };
    return new Promise((resolve) => this.out.set(vmId, resolve));
  }

  save(vmId: string): Promise<CallResult<null>> {
    const vm = this.#at("save", vmId);
    if (vm === undefined) return Promise.resolve(NO_DOMAIN);
    vm.job = { ...NO_JOB, type: "unbounded", operation: "save" };
    return new Promise((resolve) => this.out.set(vmId, resolve));
  }

  abortJob(vmId: string): Promise<CallResult<null>> {
    const answer = this.#simple("abortJob", vmId);
    this.end(vmId, {
      kind: "refused",
      refusal: { kind: "aborted", code: null, message: "canceled by client" },
    });
    return answer;
  }

  setMaxBandwidth(vmId: string): Promise<CallResult<null>> {
    return this.#simple("setMaxBandwidth", vmId);
  }

  maxBandwidthMiBps(vmId: string): Promise<CallResult<number>> {
    return this.#number("maxBandwidthMiBps", vmId, 52);
  }

  setMaxDowntime(vmId: string): Promise<CallResult<null>> {
    return this.#simple("setMaxDowntime", vmId);
  }

  maxDowntimeMs(vmId: string): Promise<CallResult<number>> {
    return this.#number("maxDowntimeMs", vmId, 300);
  }

  startPostCopy(vmId: string): Promise<CallResult<null>> {
    return this.#simple("startPostCopy", vmId);
  }

  pausePostCopy(vmId: string): Promise<CallResult<null>> {
    return this.#simple("pausePostCopy", vmId);
  }

  destroyPausedCopy(vmId: string): Promise<CallResult<null>> {
    return this.#simple("destroyPausedCopy", vmId);
  }

  undefineMigrated(vmId: string, wasPersistent: boolean): Promise<CallResult<boolean>> {
    const vm = this.#at("undefineMigrated", vmId);
    this.called.push(`undefineMigrated ${vmId} ${String(wasPersistent)}`);
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value: false });
  }

  guestDevices(vmId: string): Promise<CallResult<GuestDevices>> {
    const vm = this.#at("guestDevices", vmId);
    const value = { disks: [], hostDevices: [] };
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value });
  }

  destinationHost(vmId: string): Promise<CallResult<DestinationHost>> {
    this.#at("destinationHost", vmId);
    return Promise.resolve({ kind: "ok", value: this.destination });
  }

  completedJob(vmId: string): Promise<CallResult<JobStats>> {
    const vm = this.#at("completedJob", vmId);
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value: NO_JOB });
  }
}
