/**
 * A domain (virtual machine) of one connection. Each method is one libvirt call on a thread of the
 * addon: it may take as long as libvirt does (30 s behind a held job lock, for ever on a stopped
 * QEMU, minutes for a migration) without holding up anything else in the process. There is no
 * time-out here; who needs one stops waiting, and the call goes on.
 *
 * Every method rejects with LibvirtError when libvirt refuses, and with code INVALID_CONN (6) once
 * the connection was closed; with TypeError or RangeError when an argument is impossible.
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
  /** Domain XML to put into the image (or to restore with) instead of the current one. */
  readonly xml?: string | undefined;
  /** See SaveRestoreFlag. */
  readonly flags?: number | undefined;
}

export class Domain {
  /** Known from the look-up, without a call. They stay readable after the connection's close. */
  readonly uuid: string;
  readonly name: string;
  readonly #handle: DomainHandle;

  /** Only connections make domains. */
  constructor(found: NativeDomain) {
    this.uuid = found.uuid;
    this.name = found.name;
    this.#handle = found.handle;
  }

  /** libvirt's number of the running domain, as the last look-up, create or destroy through this
   * object saw it; null while it does not run. No call is made, so it can be out of date. */
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

  /** Ends the guest without asking it. `flags`: see DestroyFlag. */
  async destroy(flags = 0): Promise<void> {
    const checked = checkFlags("flags", flags);
    return settle("virDomainDestroyFlags", native.domainDestroy(this.#handle, checked));
  }

  /** `flags`: see UndefineFlag. */
  async undefine(flags = 0): Promise<void> {
    const checked = checkFlags("flags", flags);
    return settle("virDomainUndefineFlags", native.domainUndefine(this.#handle, checked));
  }

  /** Asks the guest to end; resolves when it was asked. `flags`: see ShutdownFlag. */
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
   * Migrates, and resolves when the job has ended well. Rejects with code OPERATION_ABORTED (78)
   * when it was aborted. Holds one of libvirtd's workers and one of the connection's five calls for
   * the job's whole life: give each migration a connection of its own.
   * `destinationUri`: libvirt's URI of the other host; null where a flag says so (not PEER2PEER).
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

  /** `flags`: see JobStatsFlag. On a domain that is arriving: code 84, OPERATION_UNSUPPORTED. */
  async getJobStats(flags = 0): Promise<JobStats> {
    const checked = checkFlags("flags", flags);
    return settle("virDomainGetJobStats", native.domainGetJobStats(this.#handle, checked));
  }

  /** Rejects with OPERATION_INVALID (55) when no job runs. */
  async abortJob(): Promise<void> {
    return settle("virDomainAbortJob", native.domainAbortJob(this.#handle));
  }

  /** `flags`: see AbortJobFlag. Since libvirt 8.5. */
  async abortJobFlags(flags: number): Promise<void> {
    const checked = checkFlags("flags", flags);
    return settle("virDomainAbortJobFlags", native.domainAbortJobFlags(this.#handle, checked));
  }

  /** In MiB/s; 0 means no limit or libvirt's default, never "stop". `flags`: see MaxSpeedFlag. */
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

  /** In ms. Works on an idle domain too, and stays after the job. */
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

  /** Switches a running migration, begun with the POSTCOPY flag, to post-copy. No way back. */
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

  /** Saves the guest's memory and state into a file and ends it; resolves when that is done. An
   * existing file is overwritten; a relative path counts from this process's working directory. */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const file = checkString("path", path);
    const xml = checkOptionalString("xml", options.xml);
    const checked = checkFlags("flags", options.flags ?? 0);
    return settle("virDomainSaveFlags", native.domainSave(this.#handle, file, xml, checked));
  }

  /** The same by parameters. Since libvirt 8.4. `flags`: see SaveRestoreFlag. */
  async saveParams(params: SaveParams, flags = 0): Promise<void> {
    const encoded = encodeParams("saveParams", saveParams, params);
    const checked = checkFlags("flags", flags);
    const call = native.domainSaveParams(this.#handle, encoded, checked);
    return settle("virDomainSaveParams", call);
  }
}
