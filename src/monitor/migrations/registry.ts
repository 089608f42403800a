/**
 * Every migration of this host: live ones, one for each VM, in the order of their acceptance, and
 * recently ended ones, as long as core/retention.ts says. Only maps; who may begin is
 * core/admission.ts's.
 */
import { isRemembered, remembering } from "../../core/retention.ts";
import type { MigrationRun } from "./run.ts";

export class Registry {
  readonly #live = new Map<string, MigrationRun>();
  /** VMs whose migration is being accepted: a second request is refused at once. */
  readonly #reserved = new Set<string>();
  #ended: readonly MigrationRun[] = [];

  /** False if the VM has a live migration, or one that is being accepted. */
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

  /** One that had ended before a restart. */
  addEnded(run: MigrationRun): void {
    this.#ended = remembering(run, this.#ended);
  }

  retire(run: MigrationRun, nowMs: number): void {
    this.#live.delete(run.vmId);
    this.#ended = remembering(run, this.#kept(nowMs));
  }

  liveOf(vmId: string): MigrationRun | undefined {
    return this.#live.get(vmId);
  }

  /** The VM's last ended one. */
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

  #kept(nowMs: number): readonly MigrationRun[] {
    return this.#ended.filter((run) => isRemembered(run.endedForMs(nowMs)));
  }
}
