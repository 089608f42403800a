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

  retire(run: MigrationRun, nowWallMs: number): void {
    this.#live.delete(run.vmId);
    this.#ended = [run, ...this.#kept(nowWallMs)].slice(0, ENDED_KEPT_MAX);
  }

  liveOf(vmId: string): MigrationRun | undefined {
    return this.#live.get(vmId);
  }

  /** The one that ended last. */
  endedOf(vmId: string, nowWallMs: number): MigrationRun | undefined {
    return this.#kept(nowWallMs).find((run) => run.vmId === vmId);
  }

  live(): readonly MigrationRun[] {
    return [...this.#live.values()];
  }

  ended(nowWallMs: number): readonly MigrationRun[] {
    this.#ended = this.#kept(nowWallMs);
    return this.#ended;
  }

  /** Outgoing migrations that wait for a slot, first come first served. */
  queued(): readonly MigrationRun[] {
    return this.live().filter((run) => run.migration.phase === "queued");
  }

  /** The queued ones that may begin now. A hibernation takes no slot and waits for none. */
  admissible(maxOutgoing: number): readonly MigrationRun[] {
    const queued = this.queued();
    const remote = (run: MigrationRun): boolean => run.migration.mode === "remote";
    const holding = this.live().filter((run) => remote(run) && run.migration.phase !== "queued");
    const slots = Math.max(0, maxOutgoing - holding.length);
    const next = queued.filter(remote).slice(0, slots);
    return [...queued.filter((run) => !remote(run)), ...next];
  }

  #kept(nowWallMs: number): readonly MigrationRun[] {
    return this.#ended.filter((run) => nowWallMs - (run.endedAtWallMs ?? 0) < ENDED_KEPT_MS);
  }
}
