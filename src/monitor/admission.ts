/**
 * When the queue is looked at, and what becomes of it then: whoever may begin does, and whoever waited
 * too long has ended. Which ones may is the registry's; the way to the call is begin.ts's.
 */
import { begin } from "./begin.ts";
import type { Context } from "./context.ts";
import type { MigrationRun } from "./migration-run.ts";
import type { MonitorThread } from "./monitor-thread.ts";
import type { Registry } from "./registry.ts";

export class Admission {
  readonly #context: Context;
  readonly #registry: Registry;
  readonly #monitor: MonitorThread;

  constructor(context: Context, registry: Registry, monitor: MonitorThread) {
    this.#context = context;
    this.#registry = registry;
    this.#monitor = monitor;
  }

  admit(): void {
    const { maxOutgoing, admissionTimeoutMs } = this.#context.settings();
    const nowMs = this.#context.clock.monotonicMs();
    if (admissionTimeoutMs > 0) {
      for (const run of this.#registry.waitingSince(nowMs - admissionTimeoutMs)) {
        run.apply({ kind: "notAdmitted" });
      }
    }
    // One that cannot even be admitted must not hold up those behind it.
    const stuck = new Set<MigrationRun>();
    for (let before = -1; before < stuck.size; ) {
      before = stuck.size;
      for (const run of this.#registry.admissible(maxOutgoing, nowMs, stuck)) {
        const begun = begin(run, () => this.#monitor.ownMigrationsTo(run), this.#context);
        void begun.then(() => this.#sentBack(run));
        if (run.migration.phase === "queued") stuck.add(run);
        this.#monitor.wake();
      }
    }
  }

  /** Its slot is the next one's, and it is tried again at its time: neither waits for a cycle. */
  #sentBack(run: MigrationRun): void {
    const { phase, retryAtMs } = run.migration;
    const inMs = Math.ceil((retryAtMs ?? 0) - this.#context.clock.monotonicMs());
    if (phase !== "queued" || inMs <= 0) return;
    const admit = (): void => {
      const { defects } = this.#context;
      if (this.#monitor.running) defects.contained("admit", null, () => this.admit());
    };
    admit();
    setTimeout(admit, inMs).unref();
  }
}
