/**
 * What a test may ask of the lab: two or more hosts on one machine, each with its own libvirtd,
 * network, hostname, process tree and system folders, and guests that dirty memory at a set rate.
 *
 * Only types: lab.ts, host.ts and guest.ts implement them. A test file gets its lab by
 * `sharedLab()`, or brings up one of its own with `Lab.up(…)` and owes it `down()`.
 * Nothing here knows the daemon or the binding.
 */

/** "control" carries libvirt and the daemons; "migration" is a second link for dstqemu. */
export type LinkName = "control" | "migration";

/**
 * How a link is broken, on both sides at once. `down`: the interfaces go down, a new connect fails
 * at once. `swallow`: every packet vanishes, a connect is never answered.
 */
export type CutKind = "down" | "swallow";

export type LabOptions = {
  /** Default 2. They are named host-a, host-b, …; every pair has both links. */
  readonly hosts?: number;
  /** The user QEMU runs as: "root" (default), or production's "libvirt-qemu". */
  readonly qemuUser?: "root" | "libvirt-qemu";
  /**
   * libvirt over TLS only, certificates for libvirt, QEMU and the daemon, by an authority of the
   * lab's own (pki.ts). Default false: plain TCP.
   */
  readonly tls?: boolean;
  /** For host-a, host-b, …: the root it runs in; null or absent: the machine's own. */
  readonly roots?: readonly (HostRoot | null)[];
};

/** The root of another Debian, with its own libvirt, QEMU and Node; see test/matrix. */
export type HostRoot = {
  readonly folder: string;
  /** Has a folder for each native package of the checkout, compiled for this root. */
  readonly builds: string;
  /** Its Node, as a path in it. */
  readonly nodePath: string;
};

/** Plain data from which any process can attach to a running lab (vitest's provide and inject). */
export type LabCoordinates = {
  readonly folder: string;
  readonly hosts: readonly HostCoordinates[];
};

export type HostCoordinates = {
  readonly name: string;
  /** Process 1 of the host as seen from outside; ending it takes the whole host away. */
  readonly initPid: number;
  /** The folder with the host's own run, etc, lib, log and cache. */
  readonly folder: string;
  readonly hostUuid: string;
  readonly controlAddress: string;
  readonly migrationAddress: string;
  readonly tls: boolean;
  readonly root: HostRoot | null;
  /** What runs a daemon there. */
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
  /** Names the log file, which holds stdout and stderr. Default: the command's base name. */
  readonly logName?: string;
};

export type ProcessExit = { readonly code: number | null; readonly signal: string | null };

/** A daemon started inside a host; it dies with the host at the latest. */
export type LabProcess = {
  /** The process itself, as seen from outside. */
  readonly pid: number;
  readonly logPath: string;
  readonly exited: Promise<ProcessExit>;
  log(): string;
  /** Resolves with the match once the log has one; fails at the deadline or if the process ends. */
  waitForLog(pattern: RegExp, options?: DeadlineOptions): Promise<RegExpExecArray>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM and wait; at the deadline (default 5000 ms) SIGKILL and failure. */
  stop(options?: DeadlineOptions): Promise<ProcessExit>;
  /** SIGKILL and wait. */
  kill(): Promise<ProcessExit>;
};

export type DeadlineOptions = { readonly deadlineMs?: number };

export type DomainEntry = {
  readonly name: string;
  readonly uuid: string;
  /** virsh's word: "running", "paused", "shut off", … */
  readonly state: string;
  readonly persistent: boolean;
};

/**
 * What a guest does with its memory. It writes one word a page, cyclically over the working set,
 * and checks before each write that the page still holds what it wrote last.
 */
export type GuestLoad = {
  /** Pages written again and again; 0 = none. At most memoryMiB - 8. */
  readonly workingSetMiB?: number;
  /** How fast it writes; 0 = not at all. 256 pages = 1 MiB/s. */
  readonly ratePagesPerSecond?: number;
  /** Memory that is not zero from the start (so that pass 1 sends it). Default: the working set. */
  readonly filledMiB?: number;
  /** The working set shrinks by this much every `shrinkEveryMs` of guest time. 0 = steady. */
  readonly shrinkPercent?: number;
  readonly shrinkEveryMs?: number;
  /** Guest time before the first shrinking. */
  readonly shrinkAfterMs?: number;
  /** It never shrinks below this. Default 0. */
  readonly shrinkFloorMiB?: number;
};

export type GuestOptions = GuestLoad & {
  /** Default: one that no other guest of this lab has. */
  readonly name?: string;
  readonly uuid?: string;
  /** Default 48. */
  readonly memoryMiB?: number;
  /** Its machine has ACPI's registers, by which it can be sent to sleep (S3). */
  readonly sleeps?: boolean;
  /** It has a panic device, and libvirt keeps it as it is once it has panicked. */
  readonly preservedOnPanic?: boolean;
  /** A description of that many KiB, for a definition of any size. */
  readonly descriptionKiB?: number;
  /** Persistent (defined, then started) or transient (created). Default transient. */
  readonly persistent?: boolean;
  /** Default 1; the kernel uses the first alone. */
  readonly vcpus?: number;
  /** More elements of the domain, and of its devices. */
  readonly domainXml?: string;
  readonly devicesXml?: string;
};

export type CounterDeadline = DeadlineOptions & {
  /** How many counts more than now. Default 3. */
  readonly by?: number;
  /** Only what is printed on this host counts. Default: any host. */
  readonly on?: Host;
};

export type CounterReading = {
  /** Goes up by one about ten times a second of guest time, from 1. 0 = nothing printed yet. */
  readonly value: number;
  /** The host on which the highest value was printed. */
  readonly hostName: string | undefined;
};

export interface Guest {
  readonly name: string;
  readonly uuid: string;
  /** The domain's XML as it was handed to libvirt. */
  readonly xml: string;
  counter(): CounterReading;
  /** Waits until the guest has counted on; fails at the deadline (default 10000 ms). */
  counterAdvances(options?: CounterDeadline): Promise<CounterReading>;
  /**
   * Fails unless every count from 1 to the last was printed exactly once over all hosts, and no
   * page ever lost a write.
   */
  assertUnbroken(): void;
  /** The hosts on which libvirt knows it, running or not. */
  residence(): Promise<readonly Host[]>;
  /** Of its QEMU, as that host counts processes; undefined: it has none there. */
  qemuPid(host: Host): number | undefined;
  /** SIGSTOP and SIGCONT to its QEMU on that host. */
  stopQemu(host: Host): Promise<void>;
  contQemu(host: Host): Promise<void>;
  killQemu(host: Host): Promise<void>;
  /** Destroys and undefines it wherever it is; never fails because it is gone. */
  remove(): Promise<void>;
}

export interface Host extends HostCoordinates {
  /** For a client outside the host; inside it is qemu:///system. */
  readonly libvirtUri: string;
  /** Where a path of the host is found from outside; only for /run, /etc/libvirt, /var/… own folders. */
  outsidePath(path: string): string;
  /** Runs a command inside the host. Resolves with its output, fails on a status other than 0. */
  exec(command: string, args?: readonly string[], options?: ExecOptions): Promise<string>;
  /** The same, but any status is an answer. */
  tryExec(command: string, args?: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  spawn(command: string, args?: readonly string[], options?: SpawnOptions): Promise<LabProcess>;
  virsh(...args: string[]): Promise<string>;
  /** Every domain libvirt knows here, inactive ones included. */
  domains(): Promise<readonly DomainEntry[]>;
  /** Resolves once the guest has printed its first count. */
  startGuest(options?: GuestOptions): Promise<Guest>;
  /** Defined, not started. */
  defineGuest(options?: GuestOptions): Promise<Guest>;
  /** Destroys and undefines every domain, starting libvirtd and waking QEMU where needed. */
  removeGuests(): Promise<void>;
  startLibvirtd(): Promise<void>;
  /** SIGKILL; QEMU lives on. */
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
  /** Destroys every guest, undefines every domain, restores both links: for afterEach. */
  clear(): Promise<void>;
}
