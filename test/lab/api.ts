/**
 * The lab as tests see it: two or more hosts on one machine, each with its own libvirtd, network,
 * hostname, process tree and system folders, and guests that dirty memory at a set rate.
 *
 * Types only; lab.ts, host.ts and guest.ts implement them. A test file gets a shared lab with
 * `sharedLab()`, or brings up its own with `Lab.up(…)` and must call `down()`. Knows neither the
 * daemon nor the binding.
 */

/** "control" carries libvirt and the daemons; "migration" is a second link, for dstqemu. */
export type LinkName = "control" | "migration";

/**
 * How a link is cut, on both sides at once. `down`: the interfaces go down, so connecting fails at
 * once. `swallow`: every packet is dropped, so connecting gets no answer.
 */
export type CutKind = "down" | "swallow";

export type LabOptions = {
  /** Default 2, named host-a, host-b, …; every pair of hosts has both links. */
  readonly hosts?: number;
  /** The user that QEMU runs as: "root" (default), or "libvirt-qemu" as in production. */
  readonly qemuUser?: "root" | "libvirt-qemu";
  /**
   * libvirt over TLS only, with certificates for libvirt, QEMU and the daemon from the lab's own
   * authority (pki.ts). Default false: plain TCP.
   */
  readonly tls?: boolean;
  /** The root file systems of host-a, host-b, …; null or absent: the machine's own. */
  readonly roots?: readonly (HostRoot | null)[];
};

/** The root file system of another Debian, with its own libvirt, QEMU and Node; see test/matrix. */
export type HostRoot = {
  readonly folder: string;
  /** Has a folder for each of the checkout's native packages, compiled for this root. */
  readonly builds: string;
  /** Its Node, as a path inside it. */
  readonly nodePath: string;
};

/** Plain data with which any process can attach to a running lab (vitest's provide and inject). */
export type LabCoordinates = {
  readonly folder: string;
  readonly hosts: readonly HostCoordinates[];
};

export type HostCoordinates = {
  readonly name: string;
  /** The host's process 1 as seen from outside; when it ends, the whole host is gone. */
  readonly initPid: number;
  /** The folder with the host's own run, etc, lib, log and cache. */
  readonly folder: string;
  readonly hostUuid: string;
  readonly controlAddress: string;
  readonly migrationAddress: string;
  readonly tls: boolean;
  readonly root: HostRoot | null;
  /** The Node that runs a daemon there. */
  readonly nodePath: string;
};

export type ExecResult = {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
};

export type ExecOptions = {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
};

export type SpawnOptions = {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Name of the log file for stdout and stderr. Default: the command's base name. */
  readonly logName?: string;
};

export type ProcessExit = { readonly code: number | null; readonly signal: string | null };

/** A daemon started inside a host; it ends with the host at the latest. */
export type LabProcess = {
  /** The process's ID as seen from outside. */
  readonly pid: number;
  readonly logPath: string;
  readonly exited: Promise<ProcessExit>;
  log(): string;
  /** Resolves with the first match in the log; fails at the deadline or if the process ends. */
  waitForLog(pattern: RegExp, options?: DeadlineOptions): Promise<RegExpExecArray>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, then wait; at the deadline (default 5000 ms) SIGKILL and fail. */
  stop(options?: DeadlineOptions): Promise<ProcessExit>;
  /** SIGKILL, then wait. */
  kill(): Promise<ProcessExit>;
};

export type DeadlineOptions = { readonly deadlineMs?: number };

export type DomainEntry = {
  readonly name: string;
  readonly uuid: string;
  /** virsh's term: "running", "paused", "shut off", … */
  readonly state: string;
  readonly persistent: boolean;
};

/**
 * What a guest does with its memory. It writes one word per page, cycling through the working set,
 * and before each write checks that the page still holds what it wrote last.
 */
export type GuestLoad = {
  /** Pages that are written over and over; 0 = none. At most memoryMiB - 8. */
  readonly workingSetMiB?: number;
  /** Write rate; 0 = no writes. 256 pages = 1 MiB/s. */
  readonly ratePagesPerSecond?: number;
  /** Memory that is nonzero from the start, so that pass 1 sends it. Default: the working set. */
  readonly filledMiB?: number;
  /** The working set shrinks by this much every `shrinkEveryMs` of guest time. 0 = constant. */
  readonly shrinkPercent?: number;
  readonly shrinkEveryMs?: number;
  /** Guest time before it first shrinks. */
  readonly shrinkAfterMs?: number;
  /** It never shrinks below this. Default 0. */
  readonly shrinkFloorMiB?: number;
};

export type GuestOptions = GuestLoad & {
  /** Default: a name unique in this lab. */
  readonly name?: string;
  readonly uuid?: string;
  /** Default 48. */
  readonly memoryMiB?: number;
  /** Whether the machine has ACPI registers, through which it can be put to sleep (S3). */
  readonly sleeps?: boolean;
  /** Whether it has a panic device and libvirt preserves it after a panic. */
  readonly preservedOnPanic?: boolean;
  /** Adds a description of this size, to make the definition arbitrarily large. */
  readonly descriptionKiB?: number;
  /** Persistent (defined, then started) or transient (created). Default transient. */
  readonly persistent?: boolean;
  /** Default 1; the kernel uses only the first. */
  readonly vcpus?: number;
  /** Additional elements of the domain, and of its devices. */
  readonly domainXml?: string;
  readonly devicesXml?: string;
};

export type CounterDeadline = DeadlineOptions & {
  /** By how many counts from now. Default 3. */
  readonly by?: number;
  /** Only counts printed on this host. Default: any host. */
  readonly on?: Host;
};

export type CounterReading = {
  /** Increases by one about ten times per second of guest time, from 1. 0 = nothing printed yet. */
  readonly value: number;
  /** The host on which the highest value was printed. */
  readonly hostName: string | undefined;
};

export interface Guest {
  readonly name: string;
  readonly uuid: string;
  /** The domain's XML as it was passed to libvirt. */
  readonly xml: string;
  counter(): CounterReading;
  /** Waits until the guest has counted further; fails at the deadline (default 10000 ms). */
  counterAdvances(options?: CounterDeadline): Promise<CounterReading>;
  /**
   * Fails unless every count from 1 to the last was printed exactly once across all hosts, and no
   * page ever lost a write.
   */
  assertUnbroken(): void;
  /** The hosts whose libvirt knows it, running or not. */
  residence(): Promise<readonly Host[]>;
  /** Its QEMU's process ID inside that host; undefined if it has no QEMU there. */
  qemuPid(host: Host): number | undefined;
  /** SIGSTOP and SIGCONT for its QEMU on that host. */
  stopQemu(host: Host): Promise<void>;
  contQemu(host: Host): Promise<void>;
  killQemu(host: Host): Promise<void>;
  /** Destroys and undefines it wherever it is; does not fail if it is gone. */
  remove(): Promise<void>;
}

export interface Host extends HostCoordinates {
  /** For a client outside the host; inside it, use qemu:///system. */
  readonly libvirtUri: string;
  /** Where one of the host's own paths is outside: /run, /etc/libvirt and folders in /var only. */
  outsidePath(path: string): string;
  /** Runs a command inside the host. Resolves with its output; fails unless it exits with 0. */
  exec(command: string, args?: readonly string[], options?: ExecOptions): Promise<string>;
  /** The same, but does not fail on any exit status. */
  tryExec(command: string, args?: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  spawn(command: string, args?: readonly string[], options?: SpawnOptions): Promise<LabProcess>;
  virsh(...args: string[]): Promise<string>;
  /** Every domain that libvirt knows here, including inactive ones. */
  domains(): Promise<readonly DomainEntry[]>;
  /** Resolves once the guest has printed its first count. */
  startGuest(options?: GuestOptions): Promise<Guest>;
  /** Defines a guest without starting it. */
  defineGuest(options?: GuestOptions): Promise<Guest>;
  /** Destroys and undefines every domain, starting libvirtd and resuming QEMU if needed. */
  removeGuests(): Promise<void>;
  startLibvirtd(): Promise<void>;
  /** SIGKILL; QEMU survives. */
  killLibvirtd(): Promise<void>;
  stopLibvirtd(): Promise<void>;
}

export interface LabHandle {
  readonly coordinates: LabCoordinates;
  readonly hosts: readonly Host[];
  /** The first host, and the second. */
  readonly a: Host;
  readonly b: Host;
  cut(link: LinkName, kind: CutKind): Promise<void>;
  restore(link: LinkName): Promise<void>;
  /** Destroys every guest, undefines every domain, restores both links. For afterEach. */
  clear(): Promise<void>;
}
