/**
 * Looks at the queue: what may begin does, and what has waited too long ends. Which ones is
 * core/admission.ts's; the way to libvirt's call is prepare.ts's.
 */
import { hasWaitedTooLong, mayBegin, retryInMs } from "../../core/admission.ts";
import { prepare } from "./prepare.ts";
import type { Context } from "../context.ts";
import type { MigrationRun } from "./run.ts";
import type { MonitorThread } from "../monitor-thread.ts";
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
    for (const run of this.#registry.live()) {
      if (hasWaitedTooLong(run, admissionTimeoutMs, nowMs)) run.apply({ kind: "notAdmitted" });
    }
    // What cannot even be admitted must not hold up those behind it.
    const stuck = new Set<MigrationRun>();
    for (let before = -1; before < stuck.size; ) {
      before = stuck.size;
      for (const run of mayBegin(this.#registry.live(), maxOutgoing, nowMs, stuck)) {
        const prepared = prepare(run, () => this.#monitor.ownMigrationsTo(run), this.#context);
        void prepared.then(() => this.#sentBack(run));
        if (run.migration.phase === "queued") stuck.add(run);
        this.#monitor.wake();
      }
    }
  }

  /** Its slot goes to the next one, and it is tried again on time: neither waits for a cycle. */
  #sentBack(run: MigrationRun): void {
    const inMs = retryInMs(run, this.#context.clock.monotonicMs());
    if (inMs === null) return;
    const admit = (): void => {
      const { defects } = this.#context;
      if (this.#monitor.running) defects.contained("admit", null, () => this.admit());
    };
    admit();
    setTimeout(admit, inMs).unref();
  }
}
