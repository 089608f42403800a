/**
 * One migration as the shell carries it: its state, and the only place where its effects are
 * performed. Every input goes through `apply`, which steps the pure core and performs what it asks
 * for; what comes of an effect is the next input. It decides nothing.
 */
import type { Changes, ChangeResult } from "../core/change.ts";
import { changeParams } from "../core/change.ts";
import type { DestinationCount } from "../core/bandwidth.ts";
import type { EffectDone, EffectResult } from "../core/effect-done.ts";
import { LIBVIRT_ERROR } from "../core/libvirt-codes.ts";
import type { Effect, Migration, Refusal } from "../core/migration.ts";
import { step, type Input } from "../core/step.ts";
import type { CallResult } from "../hypervisor/hypervisor.ts";
import type { Log } from "../logger.ts";
import type { Peer } from "../peer/peer.ts";
import type { Context } from "./context.ts";
import { undoFiles, type PreparedFiles } from "./hibernation.ts";
import type { CallTemplate } from "./migrate-call.ts";
import { askPlace } from "./place.ts";
import type { MigrateRequest } from "./service.ts";
import { eventToWire } from "./wire-events.ts";

/** What a run needs beside its state, by mode. */
export type Target =
  | { readonly mode: "remote"; readonly peer: Peer; readonly call: CallTemplate }
  | { readonly mode: "file"; readonly files: PreparedFiles };

export interface RunHooks {
  /** Something changed that the loop should look at soon. */
  readonly wake: () => void;
  readonly ended: (run: MigrationRun) => void;
}

const PLACE_UNKNOWN = {
  place: { source: "unknown", sourceJob: false, destination: "silent" },
  record: null,
} as const;

/** setTimeout takes no more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class MigrationRun {
  readonly request: MigrateRequest;
  readonly target: Target;
  readonly log: Log;
  /** Wall time of acceptance, for people. */
  readonly acceptedAtWallMs: number;
  readonly #context: Context;
  readonly #hooks: RunHooks;
  readonly #watchers = new Set<() => void>();
  readonly #cleanUp: Promise<unknown>[] = [];
  #migration: Migration;
  /** The destination keeps a slot for the guest. */
  reservedThere = false;
  /** VM.destroy: the engine wants to hear no more of the VM that left. */
  forgotten = false;
  #endedAtWallMs: number | null = null;

  constructor(
    migration: Migration,
    request: MigrateRequest,
    target: Target,
    context: Context,
    hooks: RunHooks,
  ) {
    this.#migration = migration;
    this.request = request;
    this.target = target;
    this.#context = context;
    this.#hooks = hooks;
    this.acceptedAtWallMs = context.clock.wallMs();
    this.log = context.log.child({ component: "migration", vmId: migration.vmId });
  }

  get migration(): Migration {
    return this.#migration;
  }

  get vmId(): string {
    return this.#migration.vmId;
  }

  get live(): boolean {
    return this.#migration.phase !== "ended";
  }

  get endedAtWallMs(): number | null {
    return this.#endedAtWallMs;
  }

  /** One input through the core; its effects are begun before this returns. */
  apply(input: Input): void {
    const before = this.#migration;
    const { migration, effects } = step(before, input, this.#context.clock.monotonicMs());
    this.#migration = migration;
    if (migration.phase !== before.phase) {
      this.log.info({ from: before.phase, to: migration.phase }, "phase changed");
    }
    if (before.stop === null && migration.stop !== null) {
      this.log.info({ why: migration.stop.why, phase: migration.phase }, "migration is to end");
    }
    for (const effect of effects) this.#perform(effect);
    if (before.phase !== "ended" && migration.phase === "ended") this.#finish();
    if (migration !== before) this.#tellWatchers();
  }

  /** migrateChangeParams: checked and stored at once; the next cycle carries it out. */
  change(changes: Changes): ChangeResult {
    const result = changeParams(this.#migration, changes, this.#context.clock.monotonicMs());
    if (result.kind === "changed") {
      this.#migration = result.migration;
      this.log.info({ ...changes }, "parameters changed by the engine");
      this.#tellWatchers();
      this.#hooks.wake();
    }
    return result;
  }

  /** What the destination is known to have, as the configured peer mode sees it. */
  destinationCount(ownThere: number): DestinationCount {
    if (this.target.mode === "file" || this.#context.settings().peerMode === "none") {
      return {
        kind: "counted",
        migrations: ownThere,
        askedAtMs: this.#context.clock.monotonicMs(),
      };
    }
    return this.target.peer.counts();
  }

  /** Resolves true once `fact` holds, or false at the deadline. */
  waitFor(fact: (migration: Migration) => boolean, deadlineMs: number): Promise<boolean> {
    if (fact(this.#migration)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (held: boolean): void => {
        clearTimeout(timer);
        this.#watchers.delete(watcher);
        resolve(held);
      };
      const watcher = (): void => {
        if (fact(this.#migration)) done(true);
      };
      const timer = setTimeout(() => done(false), deadlineMs);
      this.#watchers.add(watcher);
    });
  }

  /** Resolves when the migration is to end, or has left `preparing` in another way. */
  async stopped(): Promise<"stopped"> {
    await this.waitFor(
      ({ stop, phase }) => stop !== null || phase !== "preparing",
      LONGEST_TIMER_MS,
    );
    return "stopped";
  }

  /** What the end still had to put back is back. */
  async cleanedUp(): Promise<void> {
    await Promise.all(this.#cleanUp);
  }

  #finish(): void {
    const { outcome } = this.#migration;
    this.#endedAtWallMs = this.#context.clock.wallMs();
    const level = outcome?.outcome === "failed" ? "error" : "info";
    this.log[level]({ ...outcome }, "migration ended");
    if (this.reservedThere && outcome?.where === "source" && this.target.mode === "remote") {
      // A stock VDSM would keep its half-made VM for hours.
      this.#cleanUp.push(this.#own(this.target.peer.release(this.vmId)));
    }
    this.#hooks.ended(this);
  }

  #tellWatchers(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #perform(effect: Effect): void {
    const { hypervisor } = this.#context;
    const vmId = this.vmId;
    switch (effect.kind) {
      case "event":
        this.#context.emit(eventToWire(this.#migration, effect.event, this.#context.clock));
        return;
      case "log":
        this.log[effect.level](effect.fields, effect.message);
        return;
      case "call":
        void this.#own(this.#call(effect.bandwidthMiBps, effect.postcopy));
        return;
      case "setMaxBandwidth": {
        const asked = effect.maxBandwidthMiBps;
        this.#report(effect.kind, asked, hypervisor.setMaxBandwidth(vmId, asked));
        return;
      }
      case "readMaxBandwidth":
        this.#report(effect.kind, null, hypervisor.maxBandwidthMiBps(vmId));
        return;
      case "setMaxDowntime": {
        const asked = effect.maxDowntimeMs;
        this.#report(effect.kind, asked, hypervisor.setMaxDowntime(vmId, asked));
        return;
      }
      case "startPostCopy":
        this.#report(effect.kind, null, hypervisor.startPostCopy(vmId));
        return;
      case "abort":
        this.#report(effect.kind, null, this.#abort());
        return;
      case "askPlace":
        void this.#ownReporting(this.#askPlace(), { kind: "place", ...PLACE_UNKNOWN });
        return;
      case "putBackDowntime":
        this.#cleanUp.push(this.#own(this.#putBackDowntime(effect.maxDowntimeMs)));
        return;
      case "removeImage":
        this.#cleanUp.push(this.#own(this.#removeImage()));
        return;
    }
  }

  /** A promise of ours that must not reject: if it does, that is a defect, and it is logged. */
  #own(work: Promise<void>): Promise<void> {
    return work.catch((err: unknown) => {
      this.log.error({ err }, "effect failed unexpectedly");
    });
  }

  /** What a defect left out is made up for as "no answer": else the migration would wait for ever. */
  #ownReporting(work: Promise<void>, instead: Input): Promise<void> {
    return work.catch((err: unknown) => {
      this.log.error({ err }, "effect failed unexpectedly");
      this.apply(instead);
    });
  }

  #report(
    effect: EffectDone["effect"],
    asked: number | null,
    call: Promise<CallResult<number | null>>,
  ): void {
    const report = (answer: CallResult<number | null>): void => {
      const result = effectResult(answer);
      this.apply({ kind: "effectDone", effect, asked, result });
      if (result.kind === "ok") this.#hooks.wake();
    };
    const done = async (): Promise<void> => {
      const answer = await call;
      report(answer);
      // Until then another one is `busy`, so what comes late is still the latest.
      if (answer.kind === "noAnswer" && answer.late !== undefined) report(await answer.late);
    };
    void this.#ownReporting(done(), {
      kind: "effectDone",
      effect,
      asked,
      result: { kind: "noAnswer" },
    });
  }

  async #call(bandwidthMiBps: number, postcopy: boolean): Promise<void> {
    const { hypervisor } = this.#context;
    this.#hooks.wake();
    const result =
      this.target.mode === "file"
        ? await hypervisor.save(this.vmId, this.target.files.imagePath)
        : await hypervisor.migrate(this.vmId, { ...this.target.call, bandwidthMiBps, postcopy });
    const refusal = refusalOf(result);
    this.log.info({ refusal }, "libvirt's call returned");
    this.apply({ kind: "callEnded", refusal });
  }

  /** An abort ends whatever job the VM has: so it is looked at first whose job that is. */
  async #abort(): Promise<CallResult<null>> {
    const { hypervisor } = this.#context;
    const view = await hypervisor.jobView(this.vmId);
    if (view.kind === "ok" && view.value.kind === "stats") {
      const { type, operation } = view.value.stats;
      const own = this.target.mode === "file" ? "save" : "migrationOut";
      if (type !== "none" && operation !== own) {
        const message = `libvirt's job on the VM is ${operation}, not this migration`;
        return { kind: "refused", refusal: { code: LIBVIRT_ERROR.OPERATION_INVALID, message } };
      }
    }
    return hypervisor.abortJob(this.vmId);
  }

  async #askPlace(): Promise<void> {
    const peer = this.target.mode === "remote" ? this.target.peer : null;
    this.apply({ kind: "place", ...(await askPlace(this.vmId, peer, this.#context)) });
  }

  async #putBackDowntime(maxDowntimeMs: number): Promise<void> {
    const result = await this.#context.hypervisor.setMaxDowntime(this.vmId, maxDowntimeMs);
    if (result.kind !== "ok") {
      this.log.warn({ maxDowntimeMs, result }, "the domain's own downtime could not be put back");
    }
  }

  async #removeImage(): Promise<void> {
    if (this.target.mode === "file") await undoFiles(this.target.files);
  }
}

function effectResult(result: CallResult<number | null>): EffectResult {
  switch (result.kind) {
    case "ok":
      return { kind: "ok", value: result.value };
    case "refused":
      return { kind: "refused", refusal: result.refusal };
    case "busy":
      return { kind: "busy" };
    case "noAnswer":
    case "disconnected":
      return { kind: "noAnswer" };
  }
}

function refusalOf(result: CallResult<unknown>): Refusal | null {
  switch (result.kind) {
    case "ok":
      return null;
    case "refused":
      return result.refusal;
    case "disconnected":
      return { code: 0, message: result.message };
    case "noAnswer":
    case "busy":
      return { code: 0, message: "libvirt did not answer" };
  }
}
