/**
 * The verbs as the daemon performs them: accepts migrations, passes changes and cancels on to them, and
 * answers from their states. Everything else about a migration is the loop's (monitor-thread.ts).
 */
import type { Migration } from "../core/migration.ts";
import { momentOf } from "../clock.ts";
import type { Check } from "../core/migrate-check.ts";
import { shownPhase } from "../core/vm-status.ts";
import { MonitorError } from "../errors.ts";
import type { HypervisorEvent } from "../hypervisor/port.ts";
import type { LineFilter, Segment } from "../journal/segments.ts";
import {
  migrationEntry,
  migrationStatus,
  type MigrationEntry,
  type MigrationStatus,
} from "../wire/migration-answer.ts";
import type {
  Capabilities as CapabilitiesAnswer,
  Explanation,
  HostStats,
  MigrationCreated,
} from "../wire/results.ts";
import { statusTime } from "../wire/time.ts";
import type { VmListEntry, VmStats } from "../wire/vm-answer.ts";
import { Admission } from "./migrations/admit.ts";
import { accept, detailsError } from "./migrations/accept.ts";
import { lookAgain } from "./migrations/prepare.ts";
import { Capabilities } from "./capabilities.ts";
import type { Context } from "./context.ts";
import { Departures } from "./migrations/departures.ts";
import { IncomingSlots } from "./incoming/slots.ts";
import { explainFrom } from "./recovery/explain.ts";
import { mayChange } from "../core/change.ts";
import { ForeignMigrations, foreignJob, adopt } from "./migrations/foreign.ts";
import { migrateCheck } from "./checks/migrate-check.ts";
import type { MigrationRun, RunHooks } from "./migrations/run.ts";
import type { MonitorThread } from "./monitor-thread.ts";
import type { Registry } from "./migrations/registry.ts";
import type { Replay } from "./recovery/replay.ts";
import type {
  ExplainQuestion,
  IncomingRequest,
  MigrateRequest,
  MigrationService,
  ParamChanges,
} from "./service.ts";
import { VmAnswers } from "./vm-answers.ts";

/** The longest that a cancel waits for the outcome. */
export const CANCEL_WAIT_MAX_MS = 10_000;
/** The longest that a save waits for the files of ended saves. */
const CLEAN_UP_WAIT_MAX_MS = 2_000;

export class MonitorService implements MigrationService {
  readonly #context: Context;
  readonly #registry: Registry;
  readonly #monitor: MonitorThread;
  readonly #slots: IncomingSlots;
  readonly #capabilities: Capabilities;
  readonly #departures: Departures;
  readonly #vms: VmAnswers;
  readonly #admission: Admission;
  readonly #foreign: ForeignMigrations;
  readonly #unknownKeysLogged = new Set<string>();
  /** For every run, including restored ones. */
  readonly hooks: RunHooks = {
    wake: () => this.#monitor.wake(),
    ended: (ended) => this.#ended(ended),
  };

  constructor(context: Context, registry: Registry, monitor: MonitorThread) {
    this.#context = context;
    this.#registry = registry;
    this.#monitor = monitor;
    this.#slots = new IncomingSlots(context);
    this.#admission = new Admission(context, registry, monitor);
    this.#capabilities = new Capabilities(context);
    this.#foreign = new ForeignMigrations(registry, context);
    this.#departures = new Departures(context, registry);
    this.#vms = new VmAnswers(context, registry, this.#departures, monitor.arrivals);
  }

  async migrate(request: MigrateRequest, by: string): Promise<true> {
    const { vmId } = request;
    if (!this.#registry.reserve(vmId)) {
      throw new MonitorError("migrationInProgress", `VM ${vmId} is already migrating`);
    }
    try {
      this.#logUnknownKeys(request);
      await this.#registry.endedOf(vmId, this.#context.clock.monotonicMs())?.cleanedUp();
      if (request.mode === "file") await this.#savesCleanedUp();
      const run = await accept(request, this.#context, this.hooks);
      this.#add(run, by);
    } finally {
      this.#registry.release(vmId);
    }
    this.admit();
    await this.#context.journal.durable();
    return true;
  }

  #add(run: MigrationRun, by: string): void {
    this.#departures.noteHere(run.vmId, "migrates");
    this.#registry.add(run);
    run.accepted(by);
    run.apply({ kind: "accepted" });
  }

  /** Waits until the paths of ended saves are free, but not for a file system that hangs. */
  async #savesCleanedUp(): Promise<void> {
    const ended = this.#registry.ended(this.#context.clock.monotonicMs());
    const saves = ended.filter(({ target }) => target.mode === "file");
    if (saves.length === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, CLEAN_UP_WAIT_MAX_MS);
      void Promise.all(saves.map((run) => run.cleanedUp())).then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Guests that were expected or arriving before a restart of the daemon, within this boot. */
  restoreIncoming({ reservations, coming }: Pick<Replay, "reservations" | "coming">): void {
    this.#slots.restore(reservations);
    this.#monitor.arrivals.expects([...reservations.map(({ vmId }) => vmId), ...coming]);
  }

  /** Called when a migration is accepted or ends, when a limit has changed, and in each timer cycle. */
  admit(): void {
    this.#foreign.note();
    this.#admission.admit();
  }

  async changeParams(vmId: string, changes: ParamChanges, by: string): Promise<true> {
    const run = this.#registry.liveOf(vmId) ?? (await this.#adopt(vmId, changes, by));
    // A guest that was resumed since acceptance can switch to post-copy after all.
    const asks = changes.migrationTechnique !== undefined;
    if (run !== undefined && asks) await lookAgain(run, this.#context);
    const result = run?.change(changes, by) ?? { kind: "notMigrating" };
    switch (result.kind) {
      case "possible":
        await this.#context.journal.durable();
        return true;
      case "impossible":
        throw new MonitorError("impossibleInState", `VM ${vmId}: ${result.reason}`);
      case "notMigrating":
        await this.#checkExists(vmId);
        throw new MonitorError("notMigrating", `VM ${vmId}: migration not in progress`);
    }
  }

  /** Somebody else's migration of this VM, if there is one: it is ours from now on. */
  async #adopt(vmId: string, changes: ParamChanges, by: string): Promise<MigrationRun | undefined> {
    if (!this.#registry.reserve(vmId)) return this.#registry.liveOf(vmId);
    try {
      const run = await adopt(vmId, this.#context, this.hooks);
      if (run === null) return undefined;
      // If the changes are refused, it is not adopted.
      if (mayChange(run.migration, changes).kind !== "possible") return run;
      this.#add(run, by);
      run.log.warn({ by }, "somebody else's migration is adopted");
      return run;
    } finally {
      this.#registry.release(vmId);
    }
  }

  async cancel(vmId: string, by: string): Promise<true> {
    const run = this.#registry.liveOf(vmId);
    if (run === undefined) return this.#cancelNothing(vmId);
    if (run.migration.phase === "postCopy") throw inPostCopy(run);
    run.log.info({ by, phase: run.migration.phase }, "cancel requested");
    run.apply({ kind: "cancel", by });
    const known = (migration: Migration): boolean =>
      migration.phase === "ended" || migration.phase === "postCopy";
    await run.waitFor(known, CANCEL_WAIT_MAX_MS);
    if (run.target.mode === "file") await this.#savesCleanedUp();
    return cancelAnswer(run);
  }

  async migrationCreate(request: IncomingRequest, source: string): Promise<MigrationCreated> {
    const { vmId, incomingLimit, xml } = request;
    await this.#slots.reserve(vmId, source, incomingLimit);
    this.#departures.noteHere(vmId, "comes");
    this.#monitor.arrivals.ended.forget(vmId);
    return {
      migrationPort: 0,
      params: {
        vmId,
        status: "Migration Destination",
        statusTime: statusTime(momentOf(this.#context.clock)),
        ...(xml === undefined ? {} : { xml }),
      },
    };
  }

  async destroy(vmId: string, options?: { readonly onlyReservationOf: string }): Promise<true> {
    if (options !== undefined) return this.#slots.releaseOwn(vmId, options.onlyReservationOf);
    // Freeing a slot affects no VM: it is done whether or not libvirt answers.
    const reserved = this.#slots.release(vmId);
    const silence = await this.#tryLook();
    if (silence !== null && reserved) return true;
    if (silence !== null) throw silence;
    const view = this.#context.hostView.get(vmId);
    if (view !== undefined || this.#registry.liveOf(vmId)) {
      const state =
        view !== undefined && this.#monitor.arrivals.isComing(view)
          ? "is still arriving"
          : "is active";
      throw new MonitorError("migrationInProgress", `VM ${vmId} ${state}: it is not destroyed`);
    }
    const ended = this.#monitor.arrivals.ended.forget(vmId);
    const left = this.#departures.destroyed(vmId) || ended;
    if (!reserved && !left)
      throw new MonitorError("noVm", `VM ${vmId} does not exist on this host`);
    return true;
  }

  migrateCheck(request: MigrateRequest): Promise<readonly Check[]> {
    return migrateCheck(request, this.#registry, this.#context);
  }

  async migrationStatus(vmId: string): Promise<MigrationStatus> {
    const run = this.#registry.liveOf(vmId) ?? (await this.#endedOf(vmId));
    if (run !== undefined) {
      return migrationStatus(run.migration, this.#context.clock.monotonicMs());
    }
    await this.#checkExists(vmId);
    throw new MonitorError("notMigrating", `VM ${vmId}: no migration is known`);
  }

  async explain(question: ExplainQuestion): Promise<Explanation> {
    const { vmId, migrationId } = question;
    const { journal } = this.#context;
    const read = (wanted: LineFilter): Promise<readonly Segment[]> => journal.read(wanted);
    const explained = await explainFrom(read, question, journal.failing ?? "ok");
    if (explained !== null) return explained;
    const which = migrationId === null ? "no migration" : `no migration ${migrationId}`;
    throw new MonitorError("noVm", `VM ${vmId}: the journal knows ${which} of it`);
  }

  async migrations(vmId?: string): Promise<readonly MigrationEntry[]> {
    const { clock, defects } = this.#context;
    const nowMs = clock.monotonicMs();
    const all = [...this.#registry.live(), ...this.#registry.ended(nowMs)];
    const ours = all.filter((run) => vmId === undefined || run.vmId === vmId);
    // While migrations of ours are live, the cycles look at foreign ones too.
    if (this.#registry.live().length === 0) await this.#tryLook();
    return [
      ...ours
        .map((run) => defects.contained("answer", run.vmId, () => migrationEntry(run, nowMs)))
        .filter((answer) => answer !== null),
      ...this.#foreign.entries().filter((entry) => vmId === undefined || entry.vmId === vmId),
    ];
  }

  async vmStats(vmId: string): Promise<VmStats> {
    await this.#look();
    return this.#vms.stats(vmId);
  }

  async allVmStats(): Promise<readonly VmStats[]> {
    await this.#look();
    return this.#vms.all();
  }

  async vmList(): Promise<readonly VmListEntry[]> {
    await this.#look();
    return this.#vms.list();
  }

  async hostStats(): Promise<HostStats> {
    await this.#look();
    return this.#vms.host(this.#slots.inUse());
  }

  async capabilities(): Promise<CapabilitiesAnswer> {
    return await this.#capabilities.answer();
  }

  /** An expected guest has arrived, or has arrived and gone: its reservation is over. */
  onHypervisorEvent(event: HypervisorEvent): void {
    if (event.kind !== "guest") return;
    const arrived = event.change === "resumed" && event.byMigration;
    const { vmId } = event;
    const { defects, hostView } = this.#context;
    // The next query must not be answered from before this event.
    hostView.invalidate();
    const started = event.change === "started";
    if (arrived || started) {
      const evidence = started ? "comes" : "seen";
      defects.contained("event", vmId, () => this.#departures.noteHere(vmId, evidence));
    }
    if (arrived || event.change === "stopped") {
      defects.contained("event", vmId, () => this.#slots.release(vmId));
    }
  }

  /** The VM's last migration, unless the VM has returned since and that says nothing about it now. */
  async #endedOf(vmId: string): Promise<MigrationRun | undefined> {
    const nowMs = this.#context.clock.monotonicMs();
    if (this.#registry.endedOf(vmId, nowMs) === undefined) return undefined;
    await this.#tryLook();
    const run = this.#registry.endedOf(vmId, nowMs);
    return run?.migration.end?.departureOver === "cameBack" ? undefined : run;
  }

  #ended(run: MigrationRun): void {
    this.#context.hostView.invalidate();
    this.#registry.retire(run, this.#context.clock.monotonicMs());
    this.admit();
  }

  async #look(): Promise<void> {
    const silence = await this.#tryLook();
    if (silence !== null) throw silence;
  }

  /** null: the host view is fresh; otherwise why it is not. */
  async #tryLook(): Promise<MonitorError | null> {
    const looked = await this.#context.hostView.freshWithin(this.#monitor.viewMaxAgeMs);
    if (looked.kind === "ok") {
      this.#slots.note();
      this.#departures.note();
      this.#monitor.looked();
      return null;
    }
    const why = looked.kind === "disconnected" ? looked.message : looked.kind;
    return new MonitorError("libvirtUnavailable", `libvirt does not answer: ${why}`);
  }

  async #checkExists(vmId: string): Promise<void> {
    const asked = await this.#context.hypervisor.runState(vmId);
    if (asked.kind !== "ok") throw detailsError(vmId, asked);
  }

  async #cancelNothing(vmId: string): Promise<never> {
    const run = await this.#endedOf(vmId);
    if (run?.migration.end?.outcome.outcome === "completed") throw tooLate(run);
    await this.#checkExists(vmId);
    if ((await foreignJob(vmId, this.#context)) !== null) {
      throw new MonitorError(
        "cancelFailed",
        `VM ${vmId}: somebody else is migrating it; VM.migrateChangeParams adopts the migration`,
      );
    }
    throw new MonitorError("cancelFailed", `VM ${vmId}: nothing is migrating`);
  }

  #logUnknownKeys(request: MigrateRequest): void {
    const fresh = request.unknownKeys.filter((key) => !this.#unknownKeysLogged.has(key));
    if (fresh.length === 0 || this.#unknownKeysLogged.size > UNKNOWN_KEYS_KEPT_MAX) return;
    for (const key of fresh) this.#unknownKeysLogged.add(key);
    this.#context.log.warn({ keys: fresh, vmId: request.vmId }, "unknown keys in VM.migrate");
  }
}

/** More different ones than this are noise, which is not logged. */
const UNKNOWN_KEYS_KEPT_MAX = 1_000;

function cancelAnswer(run: MigrationRun): true {
  const { end, phase, stop } = run.migration;
  if (phase === "postCopy") throw inPostCopy(run);
  if (end === null) {
    const said = stop?.refusal === null || stop === null ? "" : `: ${stop.refusal.message}`;
    throw new MonitorError(
      "cancelFailed",
      `VM ${run.vmId}: cancel requested, but not ended yet, phase ${shownPhase(phase, stop)}${said}`,
    );
  }
  const { outcome } = end;
  if (outcome.outcome === "cancelled") return true;
  if (outcome.outcome === "completed") throw tooLate(run);
  throw new MonitorError("cancelFailed", `not cancelled: ${outcome.message}`);
}

function inPostCopy(run: MigrationRun): MonitorError {
  return new MonitorError(
    "cancelFailed",
    `VM ${run.vmId} is in post-copy, where cancelling would lose the guest`,
  );
}

function tooLate(run: MigrationRun): MonitorError {
  return new MonitorError(
    "cancelFailed",
    `VM ${run.vmId}: too late, completed on ${run.migration.facts.destination}`,
  );
}
