/**
 * Every migration of this host: live ones, in the order of their acceptance, and lately ended ones,
 * kept for an hour and at most 200. It owns admission: one live migration a VM, and no more outgoing
 * at a time than the limit, further ones in order.
 */
import type { MigrationRun } from "./migration-run.ts";

export const ENDED_KEPT_MS = 3_600_000;
export const ENDED_KEPT_MAX = 200;

export class Registry {
  readonly #live = new Map<string, MigrationRun>();
  /** VMs whose acceptance is being checked: the second caller loses at once, not later. */
  readonly #reserved = new Set<string>();
  #ended: readonly MigrationRun[] = [];

  /** False if the VM has a live migration or somebody is just having one accepted. */
  reserve(vmId: string): boolean {
    if (this.#live.has(vmId) || this.#reserved.has(vmId)) return false;
    this.#reserved.add(vmId);
    return true;
  }

  release(vmId: string): void {
    this.#reserved.delete(vmId);
  }

  add(run: MigrationRun): void {
    this.#live.set(run.vmId, run);
  }

  /** One that had ended before this daemon was started. */
  addEnded(run: MigrationRun): void {
    this.#ended = [run, ...this.#ended].slice(0, ENDED_KEPT_MAX);
  }

  retire(run: MigrationRun, nowMs: number): void {
    this.#live.delete(run.vmId);
    this.#ended = [run, ...this.#kept(nowMs)].slice(0, ENDED_KEPT_MAX);
  }

  liveOf(vmId: string): MigrationRun | undefined {
    return this.#live.get(vmId);
  }

  /** The one that ended last. */
  endedOf(vmId: string, nowMs: number): MigrationRun | undefined {
    return this.#kept(nowMs).find((run) => run.vmId === vmId);
  }

  /** VMs with a live migration. */
  vmIds(): ReadonlySet<string> {
    return new Set(this.#live.keys());
  }

  live(): readonly MigrationRun[] {
    return [...this.#live.values()];
  }

  ended(nowMs: number): readonly MigrationRun[] {
    this.#ended = this.#kept(nowMs);
    return this.#ended;
  }

  /** Outgoing migrations that wait for a slot, first come first served. */
  queued(): readonly MigrationRun[] {
    return this.live().filter((run) => run.migration.phase === "queued");
  }

  /** Accepted at that time or before, and not handed to libvirt yet. */
  waitingSince(atMs: number): readonly MigrationRun[] {
    return this.live().filter(
      ({ migration }) => migration.callAtMs === null && migration.acceptedAtMs <= atMs,
    );
  }

  /**
   * The queued ones that may begin now. A hibernation takes no slot and waits for none; one that its
   * destination deferred is passed over until its time, and has its old place then. Only the head is
   * looked at, with its own outgoingLimit if it has one: nobody overtakes but `stuck` ones.
   */
  admissible(
    maxOutgoing: number,
    nowMs: number,
    stuck: ReadonlySet<MigrationRun> = new Set(),
  ): readonly MigrationRun[] {
    const remote = (run: MigrationRun): boolean => run.migration.mode === "remote";
    const queued = this.queued().filter(
      (run) => (run.migration.retryAtMs ?? 0) <= nowMs && !stuck.has(run),
    );
    const begin = queued.filter((run) => !remote(run));
    let holding = this.live().filter((run) => remote(run) && holdsSlot(run)).length;
    for (const run of queued.filter(remote)) {
      if (holding >= (run.request.outgoingLimit ?? maxOutgoing)) break;
      begin.push(run);
      holding += 1;
    }
    return begin;
  }

  #kept(nowMs: number): readonly MigrationRun[] {
    return this.#ended.filter((run) => run.endedForMs(nowMs) < ENDED_KEPT_MS);
  }
}

/** What waits, or has waited and is only asked where it is, holds none. */
function holdsSlot({ migration }: MigrationRun): boolean {
  return migration.phase !== "queued" && migration.waitingEnd === null;
}
