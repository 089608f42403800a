/**
 * The boundary to C++: what build/Release/node_libvirt.node exports, and how it is loaded. Each
 * function is one libvirt call, but for those that ask many domains; arguments are checked beforehand, because C++ trusts them. Calls run on
 * the addon's own threads and reject with a NativeFailure. Nothing outside this package can import this
 * file: package.json exports only index.js.
 */
import { createRequire } from "node:module";
import type { Int64 } from "./arguments.ts";
import type { JobStats, JobStatsFields } from "./job-stats.ts";

declare const connectionBrand: unique symbol;
declare const domainBrand: unique symbol;
declare const jobSamplesBrand: unique symbol;

/** Owns a virConnectPtr, released by garbage collection or connectClose. */
export interface ConnectionHandle {
  readonly [connectionBrand]: never;
}

/** Owns a virDomainPtr until garbage collection, or until its connection is closed. */
export interface DomainHandle {
  readonly [domainBrand]: never;
}

/** Domains to be sampled, and what they have answered. */
export interface JobSamplesHandle {
  readonly [jobSamplesBrand]: never;
}

/** What lanes have collected. */
export interface NativeTaken {
  /** For each answer: index in the list, age in ms, type, then each of job-samples.ts's fields or NaN. */
  readonly rows: Float64Array;
  readonly refused: readonly {
    readonly index: number;
    readonly failure: NativeFailure;
    /** It was the look-up of the domain that failed. */
    readonly lookingUp: boolean;
    /** The connection is gone. */
    readonly lost: boolean;
  }[];
}

/** libvirt's virError, or the addon's own (6: the connection is closed; 38: no thread could be started). */
export interface NativeFailure {
  readonly code: number;
  readonly domain: number;
  readonly level: number;
  readonly message: string;
}

/** A domain as a lookup returns it. */
export interface NativeDomain {
  readonly handle: DomainHandle;
  readonly uuid: string;
  readonly name: string;
}

/** An active domain. */
export interface NativeActive {
  readonly uuid: string;
  readonly name: string;
  readonly running: boolean;
}

/** One virTypedParameter. The value's type matches the kind; a list repeats the name. */
export type NativeParam =
  | readonly [name: string, kind: "int" | "uint", value: number]
  | readonly [name: string, kind: "llong" | "ullong", value: Int64]
  | readonly [name: string, kind: "double", value: number]
  | readonly [name: string, kind: "boolean", value: boolean]
  | readonly [name: string, kind: "string", value: string];

export interface NativeEventDomain {
  readonly uuid: string;
  readonly name: string;
  readonly id: number | null;
}

/** What a subscription of each kind delivers. */
export interface NativeEvents {
  readonly lifecycle: { domain: NativeEventDomain; event: number; detail: number };
  readonly jobCompleted: { domain: NativeEventDomain; stats: JobStatsFields };
  readonly migrationIteration: { domain: NativeEventDomain; iteration: number };
  readonly connectionClosed: { reason: number };
}

/**
 * Receives every event of every connection, on the JavaScript thread. Must not throw. The payload has
 * the type that NativeEvents gives for the subscription's kind.
 */
export type NativeDispatch = (subscription: number, payload: never) => void;

export interface NativeThreads {
  /** Running now, at most `limit`. */
  readonly threads: number;
  readonly idle: number;
  /** Calls that wait because all threads are in use and the limit is reached. */
  readonly waiting: number;
  readonly limit: number;
}

export interface NativeAddon {
  initialize(dispatch: NativeDispatch): void;
  /** The process stays alive while there are more holds than releases. */
  holdProcess(): void;
  releaseProcess(): void;
  libraryVersion(): number;
  threads(): NativeThreads;

  connectOpen(
    uri: string,
    readOnly: boolean,
    closeSubscription: number,
  ): Promise<{ handle: ConnectionHandle; uri: string }>;
  connectClose(connection: ConnectionHandle): Promise<void>;
  connectIsAlive(connection: ConnectionHandle): Promise<boolean>;
  connectSetKeepAlive(c: ConnectionHandle, intervalS: number, count: number): Promise<boolean>;
  connectGetHostname(connection: ConnectionHandle): Promise<string>;
  connectGetVersion(connection: ConnectionHandle): Promise<number>;
  connectGetLibVersion(connection: ConnectionHandle): Promise<number>;
  connectGetCapabilities(connection: ConnectionHandle): Promise<string>;
  connectCompareCpu(connection: ConnectionHandle, xml: string, flags: number): Promise<number>;
  connectCompareHypervisorCpu(
    connection: ConnectionHandle,
    emulator: string | null,
    arch: string | null,
    machine: string | null,
    virtType: string | null,
    xml: string,
    flags: number,
  ): Promise<number>;
  connectListAllDomains(connection: ConnectionHandle, flags: number): Promise<NativeDomain[]>;
  /** Two calls: which domains are active, and which of them are not running. */
  connectListActive(connection: ConnectionHandle): Promise<NativeActive[]>;
  /** A call for each, whose domain is looked up once; null: it was refused. */
  connectGetStates(
    connection: ConnectionHandle,
    uuids: readonly string[],
  ): Promise<({ state: number; reason: number } | null)[]>;
  connectLookupByUuid(connection: ConnectionHandle, uuid: string): Promise<NativeDomain>;
  connectLookupByName(connection: ConnectionHandle, name: string): Promise<NativeDomain>;
  connectDefineXml(c: ConnectionHandle, xml: string, flags: number): Promise<NativeDomain>;
  connectCreateXml(c: ConnectionHandle, xml: string, flags: number): Promise<NativeDomain>;
  connectRestore(
    connection: ConnectionHandle,
    path: string,
    xml: string | null,
    flags: number,
  ): Promise<void>;
  connectRestoreParams(
    c: ConnectionHandle,
    p: readonly NativeParam[],
    flags: number,
  ): Promise<void>;
  /** Resolves with the callback's ID. */
  connectEventRegister(
    connection: ConnectionHandle,
    kind: Exclude<keyof NativeEvents, "connectionClosed">,
    subscription: number,
  ): Promise<number>;
  connectEventDeregister(connection: ConnectionHandle, callbackId: number): Promise<void>;

  /** Sends no request: the ID stored in the handle. */
  domainGetId(domain: DomainHandle): number | null;
  domainGetState(domain: DomainHandle): Promise<{ state: number; reason: number }>;
  domainGetXml(domain: DomainHandle, flags: number): Promise<string>;
  domainGetInfo(domain: DomainHandle): Promise<{
    state: number;
    maxMemoryKiB: Int64;
    memoryKiB: Int64;
    vcpus: number;
    cpuTimeNs: Int64;
  }>;
  domainIsPersistent(domain: DomainHandle): Promise<boolean>;
  domainIsActive(domain: DomainHandle): Promise<boolean>;
  domainCreate(domain: DomainHandle, flags: number): Promise<void>;
  domainDestroy(domain: DomainHandle, flags: number): Promise<void>;
  domainUndefine(domain: DomainHandle, flags: number): Promise<void>;
  domainShutdown(domain: DomainHandle, flags: number): Promise<void>;
  domainSuspend(domain: DomainHandle): Promise<void>;
  domainResume(domain: DomainHandle): Promise<void>;
  domainSave(d: DomainHandle, path: string, xml: string | null, flags: number): Promise<void>;
  domainSaveParams(d: DomainHandle, params: readonly NativeParam[], flags: number): Promise<void>;

  domainGetJobStats(domain: DomainHandle, flags: number): Promise<JobStats>;
  domainAbortJob(domain: DomainHandle): Promise<void>;
  domainAbortJobFlags(domain: DomainHandle, flags: number): Promise<void>;
  domainMigrateToUri3(
    domain: DomainHandle,
    destinationUri: string | null,
    params: readonly NativeParam[],
    flags: number,
  ): Promise<void>;
  domainMigrateSetMaxSpeed(domain: DomainHandle, mibps: Int64, flags: number): Promise<void>;
  domainMigrateGetMaxSpeed(domain: DomainHandle, flags: number): Promise<Int64>;
  domainMigrateSetMaxDowntime(domain: DomainHandle, ms: Int64): Promise<void>;
  domainMigrateGetMaxDowntime(domain: DomainHandle): Promise<Int64>;
  domainMigrateStartPostCopy(domain: DomainHandle): Promise<void>;
  domainMigrateSetCompressionCache(domain: DomainHandle, bytes: Int64): Promise<void>;
  domainMigrateGetCompressionCache(domain: DomainHandle): Promise<Int64>;

  jobSamplesNew(uuids: readonly string[]): JobSamplesHandle;
  /** Asks domain after domain; resolves when none is left. Rejects if the connection is gone. */
  jobSamplesRunLane(connection: ConnectionHandle, samples: JobSamplesHandle): Promise<void>;
  jobSamplesTake(samples: JobSamplesHandle): NativeTaken;
  jobSamplesClose(samples: JobSamplesHandle): void;
  jobSamplesLeft(samples: JobSamplesHandle): number;
  jobSamplesInFlight(samples: JobSamplesHandle): number[];
}

const load = createRequire(import.meta.url);

// The only cast: a .node file's exports have no type. This interface and native/addon.cc belong
// together, and test/libvirt/abi.test.ts compares their names.
export const native = load("../build/Release/node_libvirt.node") as NativeAddon;
