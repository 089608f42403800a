/**
 * VMs that have left this host and are still listed as Down. Watches for their return and for the
 * engine's destroy; what counts as either is core/departure.ts's.
 */
import {
  type Sighting,
  hasReturned,
  isDeparture,
  isLookSince,
  sightingOf,
} from "../../core/departure.ts";
import type { Context } from "../context.ts";
import type { MigrationRun } from "./run.ts";
import type { Registry } from "./registry.ts";

/** The part of the context that is used here. */
type DeparturesContext = Pick<Context, "hostView" | "clock">;

export class Departures {
  readonly #context: DeparturesContext;
  readonly #registry: Registry;

  constructor(context: DeparturesContext, registry: Registry) {
    this.#context = context;
    this.#registry = registry;
  }

  /** To be called after every look at the host. */
  note(): void {
    const { hostView } = this.#context;
    const lookedAtMs = hostView.lookedAtMs;
    if (lookedAtMs === null) return;
    for (const run of this.#listed()) {
      const view = hostView.get(run.vmId);
      if (view === undefined || !isLookSince(lookedAtMs, run.migration.end?.atMs ?? null)) continue;
      const evidence = sightingOf(view.vm.runState, hostView.transfer(run.vmId));
      if (evidence !== null) this.noteHere(run.vmId, evidence);
    }
  }

  /** It is on this host, or is expected here. */
  noteHere(vmId: string, evidence: Sighting): void {
    for (const run of this.#listed()) {
      if (run.vmId !== vmId || !hasReturned(run.migration, evidence)) continue;
      run.apply({ kind: "departureOver", why: "cameBack" });
    }
  }

  /** VM.destroy. False: it was not listed. */
  destroyed(vmId: string): boolean {
    const known = this.of(vmId) !== undefined;
    for (const run of this.#listed()) {
      if (run.vmId === vmId) run.apply({ kind: "departureOver", why: "destroyed" });
    }
    return known;
  }

  /** The VM's last migration if that took it away from here, and it is still listed. */
  of(vmId: string): MigrationRun | undefined {
    const last = this.#registry.endedOf(vmId, this.#context.clock.monotonicMs());
    return last !== undefined && isDeparture(last.migration) ? last : undefined;
  }

  /** One for each listed VM that is not here and has no live migration. */
  all(): readonly MigrationRun[] {
    const { hostView } = this.#context;
    return this.#listed().filter(
      (run) =>
        this.of(run.vmId) === run &&
        hostView.get(run.vmId) === undefined &&
        this.#registry.liveOf(run.vmId) === undefined,
    );
  }

  #listed(): readonly MigrationRun[] {
    return this.#registry
      .ended(this.#context.clock.monotonicMs())
      .filter(({ migration }) => isDeparture(migration));
  }
}
