/**
 * A domain (virtual machine) of one connection. Each method is one libvirt call on a thread of the
 * addon: it may take as long as libvirt does (30 s while the job lock is held, forever on a stopped
 * QEMU, minutes for a migration) without delaying anything else in the process. There is no timeout;
 * a caller that needs one stops waiting, and the call continues.
 *
 * Every method rejects with LibvirtError if libvirt reports an error, with code INVALID_CONN (6) if the
 * connection was closed, and with TypeError or RangeError if an argument is invalid.
 */
import { type DomainHandle, type NativeDomain, native } from "./abi.ts";
import {
  checkFlags,
  checkInteger,
  checkOptionalString,
  checkString,
  type Int64,
} from "./arguments.ts";
import { settle } from "./errors.ts";
import type { JobStats } from "./job-stats.ts";
import {
  encodeParams,
  type MigrateParams,
  migrateParams,
  type SaveParams,
  saveParams,
} from "./typed-params.ts";

export interface DomainStateView {
  /** See DomainState. */
  readonly state: number;
  /** See RunningReason, PausedReason, ShutoffReason, …, by `state`. */
  readonly reason: number;
}

export interface DomainInfo {
  readonly state: number;
  readonly maxMemoryKiB: Int64;
  readonly memoryKiB: Int64;
  readonly vcpus: number;
  readonly cpuTimeNs: Int64;
}

export interface SaveOptions {
  /** Domain XML for the image, or to restore with, instead of the current one. */
  readonly xml?: string | undefined;
  /** See SaveRestoreFlag. */
  readonly flags?: number | undefined;
}

export class Domain {
  /** Known from the lookup, no request is sent. Still readable after the connection was closed. */
  readonly uuid: string;
  readonly name: string;
  readonly #handle: DomainHandle;

  /** Only connections create domains. */
  constructor(found: NativeDomain) {
    this.uuid = found.uuid;
    this.name = found.name;
    this.#handle = found.handle;
  }

  /** libvirt's ID of the running domain as of the last lookup, create or destroy through this object;
   * null while it is not running. No request is sent, so it can be out of date. */
  get id(): number | null {
    return native.domainGetId(this.#handle);
  }

  async getState(): Promise<DomainStateView> {
    return settle("virDomainGetState", native.domainGetState(this.#handle));
  }

  /** `flags`: see XmlFlag. */
  async getXml(flags = 0): Promise<string> {
    const checked = checkFlags("flags", flags);
    return settle("virDomainGetXMLDesc", native.domainGetXml(this.#handle, checked));
  }

  async getInfo(): Promise<DomainInfo> {
    return settle("virDomainGetInfo", native.domainGetInfo(this.#handle));
  }

  async isPersistent(): Promise<boolean> {
    return settle("virDomainIsPersistent", native.domainIsPersistent(this.#handle));
  }

  async isActive(): Promise<boolean> {
    return settle("virDomainIsActive", native.domainIsActive(this.#handle));
  }

  /** Starts a defined domain. `flags`: see CreateFlag. */
  async create(flags = 0): Promise<void> {
    const checked = checkFlags("flags", flags);
    return settle("virDomainCreateWithFlags", native.domainCreate(this.#handle, checked));
  }

  /** Ends the guest forcibly. `flags`: see DestroyFlag. */
  async destroy(flags = 0): Promise<void> {
    const checked = checkFlags("flags", flags);
    return settle("virDomainDestroyFlags", native.domainDestroy(this.#handle, checked));
  }

  /** `flags`: see UndefineFlag. */
  async undefine(flags = 0): Promise<void> {
    const checked = checkFlags("flags", flags);
    return settle("virDomainUndefineFlags", native.domainUndefine(this.#handle, checked));
  }

  /** Asks the guest to shut down; resolves once it has been asked. `flags`: see ShutdownFlag. */
  async shutdown(flags = 0): Promise<void> {
    const checked = checkFlags("flags", flags);
    return settle("virDomainShutdownFlags", native.domainShutdown(this.#handle, checked));
  }

  async suspend(): Promise<void> {
    return settle("virDomainSuspend", native.domainSuspend(this.#handle));
  }

  async resume(): Promise<void> {
    return settle("virDomainResume", native.domainResume(this.#handle));
  }

  /**
   * Migrates; resolves when the job has succeeded. Rejects with code OPERATION_ABORTED (78) if it was
   * aborted. Occupies one of libvirtd's workers and one of the connection's five calls until the job
   * ends, so give each migration its own connection.
   * `destinationUri`: libvirt's URI of the other host; null if the flags call for that (not PEER2PEER).
   * `flags`: see MigrateFlag. Source: virDomainMigrateToURI3, since 1.1.0.
   */
  async migrateToUri3(
    destinationUri: string | null,
    params: MigrateParams,
    flags: number,
  ): Promise<void> {
    const uri = destinationUri === null ? null : checkString("destinationUri", destinationUri);
    const encoded = encodeParams("migrateToUri3", migrateParams, params);
    const checked = checkFlags("flags", flags);
    const call = native.domainMigrateToUri3(this.#handle, uri, encoded, checked);
    return settle("virDomainMigrateToURI3", call);
  }

  /** `flags`: see JobStatsFlag. On an incoming domain: code 84, OPERATION_UNSUPPORTED. */
  async getJobStats(flags = 0): Promise<JobStats> {
    const checked = checkFlags("flags", flags);
    return settle("virDomainGetJobStats", native.domainGetJobStats(this.#handle, checked));
  }

  /** Rejects with OPERATION_INVALID (55) if no job is running. */
  async abortJob(): Promise<void> {
    return settle("virDomainAbortJob", native.domainAbortJob(this.#handle));
  }

  /** `flags`: see AbortJobFlag. Since libvirt 8.5. */
  async abortJobFlags(flags: number): Promise<void> {
    const checked = checkFlags("flags", flags);
    return settle("virDomainAbortJobFlags", native.domainAbortJobFlags(this.#handle, checked));
  }

  /** In MiB/s; 0 means no limit or libvirt's default, not "stop". `flags`: see MaxSpeedFlag. */
  async migrateSetMaxSpeed(mibps: Int64, flags = 0): Promise<void> {
    const speed = checkInteger("mibps", mibps, "ullong");
    const checked = checkFlags("flags", flags);
    const call = native.domainMigrateSetMaxSpeed(this.#handle, speed, checked);
    return settle("virDomainMigrateSetMaxSpeed", call);
  }

  /** In MiB/s; "no limit" reads as a very large number. `flags`: see MaxSpeedFlag. */
  async migrateGetMaxSpeed(flags = 0): Promise<Int64> {
    const checked = checkFlags("flags", flags);
    const call = native.domainMigrateGetMaxSpeed(this.#handle, checked);
    return settle("virDomainMigrateGetMaxSpeed", call);
  }

  /** In ms. Also works on an idle domain, and is kept after the job. */
  async migrateSetMaxDowntime(ms: Int64): Promise<void> {
    const downtime = checkInteger("ms", ms, "ullong");
    const call = native.domainMigrateSetMaxDowntime(this.#handle, downtime);
    return settle("virDomainMigrateSetMaxDowntime", call);
  }

  /** In ms. Since libvirt 3.7. */
  async migrateGetMaxDowntime(): Promise<Int64> {
    const call = native.domainMigrateGetMaxDowntime(this.#handle);
    return settle("virDomainMigrateGetMaxDowntime", call);
  }

  /** Switches a running migration that was started with the POSTCOPY flag to post-copy, irreversibly. */
  async migrateStartPostCopy(): Promise<void> {
    return settle("virDomainMigrateStartPostCopy", native.domainMigrateStartPostCopy(this.#handle));
  }

  /** The cache of XBZRLE compression, in bytes. */
  async migrateSetCompressionCache(bytes: Int64): Promise<void> {
    const size = checkInteger("bytes", bytes, "ullong");
    const call = native.domainMigrateSetCompressionCache(this.#handle, size);
    return settle("virDomainMigrateSetCompressionCache", call);
  }

  /** In bytes. */
  async migrateGetCompressionCache(): Promise<Int64> {
    const call = native.domainMigrateGetCompressionCache(this.#handle);
    return settle("virDomainMigrateGetCompressionCache", call);
  }

  /** Saves the guest's memory and state to a file and ends it; resolves when that is done. Overwrites
   * an existing file; a relative path is relative to this process's working directory. */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const file = checkString("path", path);
    const xml = checkOptionalString("xml", options.xml);
    const checked = checkFlags("flags", options.flags ?? 0);
    return settle("virDomainSaveFlags", native.domainSave(this.#handle, file, xml, checked));
  }

  /** The same with typed parameters. Since libvirt 8.4. `flags`: see SaveRestoreFlag. */
  async saveParams(params: SaveParams, flags = 0): Promise<void> {
    const encoded = encodeParams("saveParams", saveParams, params);
    const checked = checkFlags("flags", flags);
    const call = native.domainSaveParams(this.#handle, encoded, checked);
    return settle("virDomainSaveParams", call);
  }
}
