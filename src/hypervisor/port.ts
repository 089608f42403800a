/**
 * The port: everything that the daemon asks of a hypervisor, in the daemon's own words. An adapter
 * translates them; libvirt/ is the one for libvirt, and nothing outside that folder knows libvirt.
 *
 * Every adapter keeps to this:
 * - Errors in operation are results, never exceptions: what they mean depends on the state of a
 *   migration, and that is for the core to judge. A rejected promise is a defect of the adapter.
 * - A call settles within the adapter's call deadline; `migrate` and `save` settle when their job has
 *   ended. Past the deadline a call settles as `noAnswer` and goes on, and until it returns a further
 *   call of this kind for this VM is not made: it is `busy`.
 * - Of two simultaneous calls that change the same thing of a VM the second is `busy`; simultaneous
 *   reads of the same thing share one answer.
 * - A VM that hangs delays calls for that VM alone.
 * - A job belongs to the hypervisor: it goes on when the daemon stops, and the next daemon finds it.
 * - Events arrive in the order in which things happened, but any of them can be lost: `scan` and the
 *   reads are the truth.
 */
import type { JobStats } from "../core/job-stats.ts";
import type { DiskFact, Finding } from "../core/migrate-check.ts";
import type { Refusal } from "../core/refusal.ts";
import type { GuestStopped, RunState } from "../core/run-state.ts";

export type CallResult<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** No answer within the deadline. The call goes on; `late` is what it comes to. */
  | { readonly kind: "noAnswer"; readonly late?: Promise<CallResult<T>> }
  /** Not asked, because an earlier call of this kind for this VM has not returned. */
  | { readonly kind: "busy" }
  /** There is no connection to the hypervisor. */
  | { readonly kind: "disconnected"; readonly message: string };

export interface VmView {
  readonly vmId: string;
  readonly name: string;
  readonly runState: RunState;
}

/** What a VM said of its job. */
export type JobView =
  /** `atMs`: when the answer came, on the monotonic clock. Without a job the stats' type is `none`. */
  | { readonly kind: "stats"; readonly stats: JobStats; readonly atMs: number }
  /** The VM is arriving on this host. `broken`: post-copy has failed, and no data arrive. */
  | { readonly kind: "incoming"; readonly broken?: true }
  | { readonly kind: "noAnswer" }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export interface VmJobView {
  readonly vm: VmView;
  readonly job: JobView;
}

/** `job` null: it was not asked. */
export interface ScannedVm {
  readonly vm: VmView;
  readonly job: JobView | null;
}

export interface ScanOptions {
  readonly waitMs: number;
  /** VMs that are asked before the others. */
  readonly first: ReadonlySet<string>;
  /** Absent: every active VM. */
  readonly only?: ReadonlySet<string>;
  /** VMs whose state is enough. */
  readonly notAsked?: ReadonlySet<string>;
}

export interface VmDetails extends VmView {
  readonly persistent: boolean;
  readonly memoryBytes: number;
  /** Graphics devices by type, for the URI that follows the guest's console. */
  readonly graphics: readonly ("spice" | "vnc" | "other")[];
  readonly vcpus: number;
  /** NUMA nodes of the guest; 0: none are defined. */
  readonly numaNodes: number;
}

/** What ties a guest to its host. */
export interface GuestDevices {
  readonly disks: readonly DiskFact[];
  readonly hostDevices: readonly string[];
}

/** What answers at a destination, and whether the guest's CPU is available there. */
export interface DestinationHost {
  readonly hostName: string;
  /** Of the management layer there, as people write it: 9.0.0. */
  readonly libvirtVersion: string;
  readonly hypervisorVersion: string;
  readonly cpu: Finding;
}

/** The host's CPUs and NUMA nodes that a guest is to use on the destination, as sets such as `0-3,^2`. */
export interface Placement {
  /** One for each vCPU, in order; absent: unchanged. */
  readonly cpusets?: readonly string[];
  /** One for each NUMA node of the guest. */
  readonly numaNodesets?: readonly string[];
}

export interface MigrateCall {
  /** The destination, as the hypervisor's management layer addresses it. */
  readonly destinationUri: string;
  /** Where the data go, `tcp://…`; absent: the destination chooses. */
  readonly migrateUri?: string;
  readonly graphicsUri?: string;
  /** Name that the destination's certificate must have if the data are encrypted. */
  readonly tlsDestination?: string;
  readonly bandwidthMiBps: number;
  /** 0 = no limit. Used only with `postcopy`. */
  readonly postcopyBandwidthMiBps: number;
  readonly parallelConnections?: number;
  /** Post-copy may be started later. */
  readonly postcopy: boolean;
  /** Resumes a broken post-copy; everything else as in the call that began it. */
  readonly resume?: true;
  readonly compressed: boolean;
  readonly autoConverge: boolean;
  readonly abortOnError: boolean;
  readonly encrypted: boolean;
  readonly tunneled: boolean;
  /** The VM's definition moves along: made permanent there, removed here. */
  readonly persistent: boolean;
  readonly placement?: Placement;
  /**
   * Names or addresses of the destination, its daemon's first: a device of the guest that listens on an
   * address of this host will listen on one of these over there.
   */
  readonly destinationHosts: readonly string[];
}

/** How a guest ended on this host. */
export type StoppedHow = GuestStopped | "migrated" | "unknown";

/** The guest's state on this host has changed. */
export type GuestEvent = { readonly kind: "guest"; readonly vmId: string } & (
  | {
      readonly change: "started";
      /** Started to receive a guest that migrates to this host. */
      readonly incoming: boolean;
    }
  | { readonly change: "suspended" }
  | {
      readonly change: "resumed";
      /** It has arrived here, or continues here after its migration from this host failed. */
      readonly byMigration: boolean;
    }
  | { readonly change: "stopped"; readonly how: StoppedHow }
  | { readonly change: "other" }
);

export type HypervisorEvent =
  /** A pass over the guest's memory has begun, on its source. Some hypervisors leave out pass 1. */
  | { readonly kind: "passBegan"; readonly vmId: string; readonly pass: number }
  /** With the record of the job. */
  | { readonly kind: "jobCompleted"; readonly vmId: string; readonly stats: JobStats }
  | GuestEvent
  | { readonly kind: "connected" }
  | { readonly kind: "disconnected"; readonly message: string };

export interface Hypervisor {
  /** The first characters (Latin-1) of an image that `save` has completed. Before, they differ. */
  readonly completeImageMagic: string;
  /** Connects, and from then on reconnects by itself. Rejects if the first attempt fails. */
  start(onEvent: (event: HypervisorEvent) => void): Promise<void>;
  /** Releases everything. Jobs go on. */
  stop(): Promise<void>;
  /**
   * Every active VM, or `only` those, with its job. Waits at most `waitMs` for their answers: a VM that
   * has not answered by then has `noAnswer`, and is not asked again until it has; its late answer is in
   * the next scan.
   */
  scan(options: ScanOptions): Promise<CallResult<readonly ScannedVm[]>>;
  jobView(vmId: string): Promise<CallResult<JobView>>;
  /** Of an active VM or of a definition. Refused with `noVm` if there is neither. */
  vmDetails(vmId: string): Promise<CallResult<VmDetails>>;
  /** Cheaper than `vmDetails`, and refused likewise. */
  runState(vmId: string): Promise<CallResult<RunState>>;
  /** The definition of the VM as it runs, for the destination's daemon. */
  domainXml(vmId: string): Promise<CallResult<string>>;
  /** What ties the guest to this host. */
  guestDevices(vmId: string): Promise<CallResult<GuestDevices>>;
  /** Asked of the destination itself; nothing there is changed. */
  destinationHost(vmId: string, destinationUri: string): Promise<CallResult<DestinationHost>>;
  /** Whether guests can use the host's hardware virtualisation. */
  hasKvm(): Promise<CallResult<boolean>>;
  /** The host's UUID, which differs between hosts that migrate to each other; null: it has none. */
  hostUuid(): Promise<CallResult<string | null>>;
  /** Refused as `aborted` after an abort. Where the guest is, the daemon checks whatever the result. */
  migrate(vmId: string, call: MigrateCall): Promise<CallResult<null>>;
  /** Into a file, overwriting one that exists. */
  save(vmId: string, imagePath: string): Promise<CallResult<null>>;
  /** Of whatever job the VM has. Ok: accepted; the job's end comes later. */
  abortJob(vmId: string): Promise<CallResult<null>>;
  setMaxBandwidth(vmId: string, maxBandwidthMiBps: number): Promise<CallResult<null>>;
  maxBandwidthMiBps(vmId: string): Promise<CallResult<number>>;
  /** With or without a job: what is set on an idle VM holds for its next migration. */
  setMaxDowntime(vmId: string, maxDowntimeMs: number): Promise<CallResult<null>>;
  maxDowntimeMs(vmId: string): Promise<CallResult<number>>;
  /** Of a migration whose call had `postcopy`. There is no way back. */
  startPostCopy(vmId: string): Promise<CallResult<null>>;
  /**
   * On the source only: gives up the dead connection of a post-copy, which can then be resumed. The
   * guest keeps running on the destination. Refused with `internalError` if post-copy is no longer
   * active.
   */
  pausePostCopy(vmId: string): Promise<CallResult<null>>;
  /**
   * Ends the copy that post-copy left here of a guest that runs elsewhere, and removes its definition
   * if `undefine`. Checks first: refused with `invalidState` unless the VM is such a copy and has no
   * job.
   */
  destroyPausedCopy(vmId: string, undefine: boolean): Promise<CallResult<null>>;
  /**
   * Removes the definition that a VM left here when it migrated, and no other. False: the hypervisor is
   * not done with the VM yet. Refused with `noVm` if nothing is left. `wasPersistent`: when it was
   * sent; such a VM is removed also if the hypervisor has forgotten why it is off.
   */
  undefineMigrated(vmId: string, wasPersistent: boolean): Promise<CallResult<boolean>>;
  /** The record of the VM's last completed job, which stays readable. */
  completedJob(vmId: string): Promise<CallResult<JobStats>>;
}
