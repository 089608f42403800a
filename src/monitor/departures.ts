/**
 * VMs that have left this host: which of them are still spoken of. One that is seen here again or is on
 * its way back, or that the engine has destroyed, is spoken of as this host shows it now; what its
 * migrations were stays in the record.
 */
import { isHalfArrived, runStateRow } from "../core/run-state.ts";
import type { VmJobView } from "../hypervisor/port.ts";
import type { Context } from "./context.ts";
import type { MigrationRun } from "./migration-run.ts";
import type { Registry } from "./registry.ts";

/**
 * What says that a VM is here, or will be. `seen`: it is active, or libvirt set it going, which it does
 * with the same words where a migration has failed. `comes`: it is started here, comes in, or is expected.
 * `migrates`: its next migration is accepted.
 */
export type Evidence = "seen" | "comes" | "migrates";

/** What of the context is of use here. */
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
    for (const run of this.#spokenOf()) {
      const view = hostView.get(run.vmId);
      // A look that began before it left shows it as it was.
      const isLater = lookedAtMs > (run.migration.endedAtMs ?? lookedAtMs);
      const evidence = view === undefined ? null : this.#evidenceOf(view);
      if (isLater && evidence !== null) this.noteHere(run.vmId, evidence);
    }
  }

  /** It is on this host, or is expected here. */
  noteHere(vmId: string, evidence: Evidence): void {
    for (const run of this.#spokenOf()) {
      if (run.vmId !== vmId || !hasComeBack(run, evidence)) continue;
      run.apply({ kind: "departureOver", why: "cameBack" });
    }
  }

  /** VM.destroy. False: no departure of it was spoken of. */
  destroyed(vmId: string): boolean {
    const known = this.of(vmId) !== undefined;
    for (const run of this.#spokenOf()) {
      if (run.vmId === vmId) run.apply({ kind: "departureOver", why: "destroyed" });
    }
    return known;
  }

  /** The VM's last migration if that took it away from here, and it is still spoken of. */
  of(vmId: string): MigrationRun | undefined {
    const last = this.#registry.endedOf(vmId, this.#context.clock.monotonicMs());
    return last !== undefined && isSpokenOf(last) ? last : undefined;
  }

  /** Of each VM that is not here and that no migration of ours is about. */
  all(): readonly MigrationRun[] {
    const { hostView } = this.#context;
    return this.#spokenOf().filter(
      (run) =>
        this.of(run.vmId) === run &&
        hostView.get(run.vmId) === undefined &&
        this.#registry.liveOf(run.vmId) === undefined,
    );
  }

  #spokenOf(): readonly MigrationRun[] {
    return this.#registry.ended(this.#context.clock.monotonicMs()).filter(isSpokenOf);
  }

  /** Its guest lives here or comes in; the paused copy of one that has left is neither. */
  #evidenceOf({ vm }: VmJobView): Evidence | null {
    const transfer = this.#context.hostView.transfer(vm.vmId);
    if (transfer === "incoming" || transfer === "broken") return "comes";
    const isActive = runStateRow(vm.runState).presence === "active" && !isHalfArrived(vm.runState);
    return isActive ? "seen" : null;
  }
}

/** It took the guest away, to wherever that is, or nobody could say whether it did. */
function isSpokenOf({ migration }: MigrationRun): boolean {
  const { outcome, departureOver } = migration;
  return outcome !== null && outcome.where !== "source" && departureOver === null;
}

/** What nobody saw leave may never have been away: that it is active here is no return. */
function hasComeBack({ migration }: MigrationRun, evidence: Evidence): boolean {
  const { outcome, callAtMs } = migration;
  if (outcome?.where !== "unknown" || evidence === "migrates") return true;
  return evidence === "comes" && callAtMs !== null;
}
