/**
 * The port: all that the daemon asks of a hypervisor, in the daemon's own words. One adapter speaks
 * to libvirt (libvirt/hypervisor.ts); nothing outside this folder knows that.
 *
 * Contract of every call: it settles within the call deadline given to the adapter, except `migrate`
 * and `save`, which settle when their job has ended. A call that does not come back in time settles
 * as `noAnswer`; it still occupies the VM, so the same kind of call is not made again for that VM
 * until it returned (`busy`). Nothing here throws for an operating error: each result says what
 * happened, because what it means depends on the migration's state, and that is the core's to judge.
 */
import type { JobStats } from "../core/job-stats.ts";
import type { DiskFact, Finding } from "../core/migrate-check.ts";
import type { Refusal } from "../core/refusal.ts";
import type { GuestStopped, RunState } from "../core/run-state.ts";

export type CallResult<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** No answer within the deadline; the call is still out there, and `late` is what it comes to. */
  | { readonly kind: "noAnswer"; readonly late?: Promise<CallResult<T>> }
  /** An earlier call of this kind for this VM has not come back: not asked. */
  | { readonly kind: "busy" }
  /** There is no connection to the hypervisor at present. */
  | { readonly kind: "disconnected"; readonly message: string };

export interface VmView {
  readonly vmId: string;
  readonly name: string;
  readonly runState: RunState;
}

/** What one VM's job looked like when it was asked. */
export type JobView =
  | {
      readonly kind: "stats";
      readonly stats: JobStats;
      readonly atMs: number;
    }
  /** The VM is arriving here. `broken`: in post-copy, and no data come. */
  | { readonly kind: "incoming"; readonly broken?: true }
  | { readonly kind: "noAnswer" }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export interface VmJobView {
  readonly vm: VmView;
  readonly job: JobView;
}

export interface ScanOptions {
  readonly waitMs: number;
  /** These are asked before the others. */
  readonly first: ReadonlySet<string>;
  readonly only?: ReadonlySet<string>;
}

export interface VmDetails extends VmView {
  readonly persistent: boolean;
  readonly memoryBytes: number;
  /** Graphics devices by type, for the URI that follows the guest's console. */
  readonly graphics: readonly ("spice" | "vnc" | "other")[];
  readonly vcpus: number;
  /** NUMA nodes that the guest sees; 0: none are defined. */
  readonly numaNodes: number;
}

/** What ties a guest to its host. */
export interface GuestDevices {
  readonly disks: readonly DiskFact[];
  readonly hostDevices: readonly string[];
}

/** Who answers at a destination, and whether the guest's CPU is available there. */
export interface DestinationHost {
  readonly hostName: string;
  /** As people write it: 9.0.0. */
  readonly libvirtVersion: string;
  readonly hypervisorVersion: string;
  readonly cpu: Finding;
}

/** Where a guest's CPUs and memory are to be on another host, as sets in libvirt's words. */
export interface Placement {
  /** One for each vCPU, in their order; absent: as they are. */
  readonly cpusets?: readonly string[];
  /** One for each NUMA node of the guest. */
  readonly numaNodesets?: readonly string[];
}

export interface MigrateCall {
  /** libvirt URI of the destination. */
  readonly destinationUri: string;
  /** `tcp://…`; absent: the destination's libvirt names it. */
  readonly migrateUri?: string;
  readonly graphicsUri?: string;
  /** Name that the destination's certificate must carry when data are encrypted. */
  readonly tlsDestination?: string;
  readonly bandwidthMiBps: number;
  /** 0 = no limit. Used only with postcopy. */
  readonly postcopyBandwidthMiBps: number;
  readonly parallelConnections?: number;
  readonly postcopy: boolean;
  /** Goes on with a post-copy that broke; everything else as in the call that began it. */
  readonly resume?: true;
  readonly compressed: boolean;
  readonly autoConverge: boolean;
  readonly abortOnError: boolean;
  readonly encrypted: boolean;
  readonly tunneled: boolean;
  /** PERSIST_DEST and UNDEFINE_SOURCE. */
  readonly persistent: boolean;
  readonly placement?: Placement;
  /**
   * Names or addresses of the destination, its daemon's first: what of the guest listens on an address
   * of this host will listen there on one of theirs.
   */
  readonly destinationHosts: readonly string[];
}

/** How a guest has ended on this host. */
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
  | { readonly kind: "iteration"; readonly vmId: string; readonly iteration: number }
  | { readonly kind: "jobCompleted"; readonly vmId: string; readonly stats: JobStats }
  | GuestEvent
  | { readonly kind: "connected" }
  | { readonly kind: "disconnected"; readonly message: string };

export interface Hypervisor {
  /** Connects, and from then on reconnects by itself. Rejects if the first attempt fails. */
  start(onEvent: (event: HypervisorEvent) => void): Promise<void>;
  /** Lets go of everything. Migrations in flight go on in libvirt. */
  stop(): Promise<void>;
  /**
   * Every active VM, or `only` those, with its job. Waits `waitMs` for answers at the most: a VM whose
   * answer is not there by then has `noAnswer`, and is not asked again until it came; a late answer
   * is in the next scan.
   */
  scan(options: ScanOptions): Promise<CallResult<readonly VmJobView[]>>;
  jobView(vmId: string): Promise<CallResult<JobView>>;
  /** Active or not. Refused with `noVm` if there is none. */
  vmDetails(vmId: string): Promise<CallResult<VmDetails>>;
  /** What of it changes by itself, without its definition. Refused as `vmDetails` is. */
  runState(vmId: string): Promise<CallResult<RunState>>;
  domainXml(vmId: string): Promise<CallResult<string>>;
  /** What ties the guest to this host. */
  guestDevices(vmId: string): Promise<CallResult<GuestDevices>>;
  /** Who is at a destination's libvirt, and whether the guest's CPU can be had there. */
  destinationHost(vmId: string, destinationUri: string): Promise<CallResult<DestinationHost>>;
  /** Guests can have the host's hardware virtualisation. */
  hasKvm(): Promise<CallResult<boolean>>;
  /** The host's UUID, which differs between hosts that migrate to each other; null: it has none. */
  hostUuid(): Promise<CallResult<string | null>>;
  migrate(vmId: string, call: MigrateCall): Promise<CallResult<null>>;
  save(vmId: string, imagePath: string): Promise<CallResult<null>>;
  abortJob(vmId: string): Promise<CallResult<null>>;
  setMaxBandwidth(vmId: string, maxBandwidthMiBps: number): Promise<CallResult<null>>;
  maxBandwidthMiBps(vmId: string): Promise<CallResult<number>>;
  setMaxDowntime(vmId: string, maxDowntimeMs: number): Promise<CallResult<null>>;
  maxDowntimeMs(vmId: string): Promise<CallResult<number>>;
  startPostCopy(vmId: string): Promise<CallResult<null>>;
  /**
   * On the source only: QEMU gives up a post-copy whose connection is dead, which then can be
   * resumed. The guest goes on over there.
   */
  pausePostCopy(vmId: string): Promise<CallResult<null>>;
  /**
   * Ends what post-copy left here of a guest that runs elsewhere, and its definition if `undefine`.
   * Looked at once more first: refused with `invalidState` unless the domain is paused for post-copy
   * and has no job.
   */
  destroyPausedCopy(vmId: string, undefine: boolean): Promise<CallResult<null>>;
  /**
   * The definition of a VM that has migrated from here and that was left; no other's. False: libvirt is
   * not through with the VM yet. Refused with `noVm` if nothing is left. `wasPersistent`: when
   * it was sent; of such a one libvirt may know no reason for its being off.
   */
  undefineMigrated(vmId: string, wasPersistent: boolean): Promise<CallResult<boolean>>;
  /** The record of the VM's last completed job, left in place. */
  completedJob(vmId: string): Promise<CallResult<JobStats>>;
}
