/**
 * Migrations that another party began (virsh, virt-manager, a daemon whose journal is lost): shown and
 * counted, but left alone until the engine adopts one with migrateChangeParams. From then on it is a
 * migration like any other, except that nobody knows its destination: libvirt does not report it.
 */
import { UNKNOWN_DESTINATION, foreignMigration } from "../../core/adopt.ts";
import { dataFlow, type JobStats, isOutgoing } from "../../core/job-stats.ts";
import { isPausedCopy } from "../../core/run-state.ts";
import {
  foreignEntry,
  type ForeignFacts,
  type MigrationEntry,
} from "../../wire/migration-answer.ts";
import type { Context } from "../context.ts";
import { limitsOf } from "./accept.ts";
import { MigrationRun, type RunHooks } from "./run.ts";
import type { Registry } from "./registry.ts";
import { type MigrateRequest, PLAIN_OPTIONS } from "../service.ts";

/** Those that libvirt shows now, and what their first pass was called when it was first seen. */
export class ForeignMigrations {
  readonly #registry: Registry;
  readonly #context: Context;
  readonly #firstIterations = new Map<string, number>();
  #notedAtMs: number | null = null;

  constructor(registry: Registry, context: Context) {
    this.#registry = registry;
    this.#context = context;
  }

  /** After each look at the host: a pass that nobody notes is not counted. */
  note(): void {
    const { lookedAtMs } = this.#context.hostView;
    if (lookedAtMs === this.#notedAtMs) return;
    this.#notedAtMs = lookedAtMs;
    const seen = this.#each(({ vmId, stats }) => {
      const first = firstIteration(this.#firstIterations.get(vmId), stats);
      if (first !== undefined) this.#firstIterations.set(vmId, first);
      return vmId;
    });
    for (const vmId of this.#firstIterations.keys()) {
      if (!seen.includes(vmId)) this.#firstIterations.delete(vmId);
    }
  }

  /** As Host.getMigrations shows them. */
  entries(): readonly MigrationEntry[] {
    this.note();
    return this.#each((foreign) =>
      foreignEntry({
        ...foreign,
        firstIteration: this.#firstIterations.get(foreign.vmId) ?? null,
      }),
    );
  }

  #each<T>(tell: (foreign: Omit<ForeignFacts, "firstIteration">) => T): readonly T[] {
    const { hostView, defects } = this.#context;
    return hostView.views().flatMap((view) => {
      const { vmId, name } = view.vm;
      if (view.job.kind !== "stats" || this.#registry.liveOf(vmId) !== undefined) return [];
      const { stats, atMs } = view.job;
      const told = defects.contained("answer", vmId, () =>
        isOutgoing(stats) && !this.#wasOurs(vmId, atMs)
          ? tell({ vmId, vmName: name, stats, inPostCopy: isPausedCopy(view.vm.runState) })
          : null,
      );
      return told === null ? [] : [told];
    });
  }

  /** The job was seen before a migration of ours ended: it was that one's. */
  #wasOurs(vmId: string, seenAtMs: number): boolean {
    const own = this.#registry.endedOf(vmId, this.#context.clock.monotonicMs());
    const endedAtMs = own?.migration.end?.atMs;
    return endedAtMs !== undefined && seenAtMs <= endedAtMs;
  }
}

/** Only of a job whose data flow; a lower number than before is another job's. */
function firstIteration(known: number | undefined, stats: JobStats): number | undefined {
  const { memoryIteration: seen } = stats;
  if (seen === undefined || !dataFlow(stats)) return known;
  return known === undefined ? seen : Math.min(known, seen);
}

/** The VM's outgoing job, as libvirt shows it now. */
export async function foreignJob(vmId: string, context: Context): Promise<JobStats | null> {
  const view = await context.hypervisor.jobView(vmId);
  if (view.kind !== "ok" || view.value.kind !== "stats") return null;
  return isOutgoing(view.value.stats) ? view.value.stats : null;
}

/**
 * The migration as a run of ours; null: there is none to adopt. `id`: the one under which the journal has
 * it, if it has; absent: a new one.
 */
export async function adopt(
  vmId: string,
  context: Context,
  hooks: RunHooks,
  id?: string,
): Promise<MigrationRun | null> {
  const stats = await foreignJob(vmId, context);
  const details = await context.hypervisor.vmDetails(vmId);
  if (stats === null || details.kind !== "ok") return null;
  const request: MigrateRequest = {
    vmId,
    mode: "remote",
    dst: UNKNOWN_DESTINATION,
    ...PLAIN_OPTIONS,
  };
  const { name, memoryBytes, runState } = details.value;
  const limits = limitsOf(request, context.settings());
  const found = foreignMigration(
    { vmId, vmName: name, memoryBytes, limits },
    context.clock.monotonicMs(),
  );
  const adopt = { kind: "adopt", stats, inPostCopy: isPausedCopy(runState) } as const;
  const nowWallMs = context.clock.wallMs();
  const known = { acceptedAtWallMs: nowWallMs, lastWallMs: nowWallMs, lastAtMs: null };
  const restored = id === undefined ? undefined : { id, ...known };
  return new MigrationRun(found, request, { mode: "foreign" }, context, hooks, adopt, restored);
}
