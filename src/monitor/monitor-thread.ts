/**
 * MonitorThread: the loop that looks after every migration. The name is VDSM's; it is one
 * asynchronous loop for all of them, no thread and no timer for each.
 *
 * A cycle looks at every VM of the host once, then steps each live migration with what was seen.
 * The timer makes a cycle each migration_monitor_interval; libvirt's events wake it earlier, no
 * closer than WAKE_SPACING_MS apart. Halving, downtime steps and questions to peers go by the
 * timer's cycles alone, so that a chatty libvirt does not hurry them. The poll is the truth if an
 * event is lost. With nothing to look after the loop rests.
 *
 * It must not know what the numbers mean (core) nor how they come (hypervisor).
 */
import { isNews } from "../core/advance.ts";
import { NEVER_COUNTED, countsThere } from "../core/host-count.ts";
import type { CycleInput } from "../core/input.ts";
import { isOpen } from "../core/late.ts";
import type { GuestEvent, HypervisorEvent, JobView } from "../hypervisor/port.ts";
import { Arrivals } from "./arrivals.ts";
import { lookAgain } from "./begin.ts";
import type { Context } from "./context.ts";
import { inPostCopy, inSwitchover, postCopyFailed } from "./host-view.ts";
import type { MigrationRun } from "./migration-run.ts";
import type { Registry } from "./registry.ts";
import { noteStopped } from "./stopped-how.ts";

export const WAKE_SPACING_MS = 100;
/**
 * An arrival that nobody confirmed is asked for this often, and what it may have left here is cleared
 * up, as long as its record is kept.
 */
export const CONFIRM_AGAIN_MS = 5_000;

export class MonitorThread {
  readonly #context: Context;
  readonly #registry: Registry;
  readonly #onTimer: () => void;
  /** Who comes here, and who came and has ended since. */
  readonly arrivals: Arrivals;
  /** They wait, had ended, and were seen here once since. */
  readonly #onAgain = new WeakSet<MigrationRun>();
  readonly #confirmAskedAtMs = new Map<MigrationRun, number>();
  #running = false;
  #woken = false;
  #lastCycleAtMs = 0;
  #nextTimerAtMs = 0;
  #rest: { readonly end: () => void } | null = null;
  #loop: Promise<void> = Promise.resolve();

  /** `onTimer` is called in each cycle of the timer, for what goes by it beside migrations. */
  constructor(context: Context, registry: Registry, onTimer: () => void) {
    this.#onTimer = onTimer;
    this.#context = context;
    this.#registry = registry;
    this.arrivals = new Arrivals(context, registry);
  }

  start(): void {
    this.#running = true;
    this.#loop = this.#run();
  }

  get running(): boolean {
    return this.#running;
  }

  /** Ends after the cycle under way. Migrations go on in libvirt. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#rest?.end();
    await this.#loop;
  }

  /** There is something to look at before the timer is due. */
  wake(): void {
    this.#woken = true;
    this.#rest?.end();
  }

  /** libvirt's events: facts for the migration they are about, and a reason to look early. */
  onHypervisorEvent(event: HypervisorEvent): void {
    const vmId = "vmId" in event ? event.vmId : null;
    this.#context.defects.contained("event", vmId, () => this.#heard(event));
  }

  #heard(event: HypervisorEvent): void {
    const { defects } = this.#context;
    switch (event.kind) {
      case "iteration":
        void defects.containedLater("passBegan", event.vmId, () =>
          this.#samplePassStart(event.vmId, event.iteration),
        );
        return;
      case "jobCompleted":
        this.#registry.liveOf(event.vmId)?.apply({ kind: "jobCompleted", stats: event.stats });
        break;
      case "guest":
        this.#onGuestEvent(event);
        break;
      case "connected":
      case "disconnected":
        break;
    }
    if (this.#busy()) this.wake();
  }

  #onGuestEvent(event: GuestEvent): void {
    const run = this.#registry.liveOf(event.vmId);
    if (event.change === "stopped" && run !== undefined) noteStopped(run, event.how);
    if (event.change === "started") run?.apply({ kind: "guestStarted" });
    this.arrivals.onGuestEvent(event);
  }

  /** The host was looked at outside of a cycle: who was coming may be here. */
  looked(): void {
    this.arrivals.looked();
  }

  #busy(): boolean {
    const { size } = this.arrivals.vmIds;
    return size > 0 || this.#registry.live().length > 0 || this.#unfinished().length > 0;
  }

  /** Ended, and something is still to be asked or cleared up. */
  #unfinished(): readonly MigrationRun[] {
    const ended = this.#registry.ended(this.#context.clock.monotonicMs());
    return ended.filter((run) => run.mayHaveLeftover || this.#isAsked(run));
  }

  /** Where its guest is, or whether it has arrived: libvirt can tell the one, only its destination the other. */
  #isAsked({ migration, target }: MigrationRun): boolean {
    if (migration.outcome?.where === "unknown") return isOpen(migration);
    const asks = this.#context.settings().peerMode !== "none" && target.mode === "remote";
    return asks && isOpen(migration);
  }

  async #run(): Promise<void> {
    const { clock, defects, settings } = this.#context;
    while (this.#running) {
      await this.#untilDue();
      if (!this.#running) return;
      const now = clock.monotonicMs();
      const timer = now >= this.#nextTimerAtMs;
      this.#woken = false;
      this.#lastCycleAtMs = now;
      if (timer) this.#nextTimerAtMs = now + settings().monitorIntervalMs;
      await defects.containedLater("cycle", null, () => this.#cycle(timer));
    }
  }

  async #untilDue(): Promise<void> {
    const { clock } = this.#context;
    while (this.#running) {
      const now = clock.monotonicMs();
      const timerAtMs = this.#busy() ? this.#nextTimerAtMs : Number.POSITIVE_INFINITY;
      const wakeAtMs = this.#woken
        ? this.#lastCycleAtMs + WAKE_SPACING_MS
        : Number.POSITIVE_INFINITY;
      const dueAtMs = Math.min(timerAtMs, wakeAtMs);
      if (dueAtMs <= now) return;
      await this.#restFor(dueAtMs - now);
    }
  }

  #restFor(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = Number.isFinite(ms) ? setTimeout(() => end(), ms) : undefined;
      const end = (): void => {
        clearTimeout(timer);
        this.#rest = null;
        resolve();
      };
      this.#rest = { end };
    });
  }

  async #cycle(timer: boolean): Promise<void> {
    const { hostView, clock, defects } = this.#context;
    const startedAtMs = clock.monotonicMs();
    if (timer) defects.contained("askPeers", null, () => this.#askPeers());
    // What others do can wait for the timer: a chatty libvirt must not have every VM asked each time.
    const vmIds = new Set([...this.#registry.vmIds(), ...this.arrivals.vmIds]);
    if (vmIds.size > 0) {
      const look = () => (timer ? hostView.refresh() : hostView.refreshOnly(vmIds));
      const seen = await defects.containedLater("look", null, look);
      if (seen?.kind === "ok") defects.contained("arrivals", null, () => this.arrivals.looked());
      for (const run of this.#registry.live()) this.#cycleOf(run, timer, seen?.kind === "ok");
      if (timer && seen?.kind === "ok") this.#lookAtWaiting();
    }
    if (this.arrivals.soon) this.wake();
    if (timer) {
      defects.contained("confirm", null, () => this.#confirmArrivals());
      defects.contained("admit", null, () => this.#onTimer());
    }
    const tookMs = clock.monotonicMs() - startedAtMs;
    this.#context.log.debug({ component: "monitor", timer, tookMs }, "cycle");
  }

  /** VMs that wait and have ended or are on again, where no event has told it. */
  #lookAtWaiting(): void {
    const { hostView, defects } = this.#context;
    for (const run of this.#waiting()) {
      const isHere = hostView.get(run.vmId) !== undefined;
      // A look may have begun before the end that it does not show: the next one has not.
      const isSure = this.#onAgain.delete(run);
      if (isHere !== hasEnded(run)) continue;
      if (isHere && isSure) run.apply({ kind: "guestStarted" });
      else if (isHere) this.#onAgain.add(run);
      else void defects.containedLater("look", run.vmId, () => lookAgain(run, this.#context));
    }
  }

  #waiting(): readonly MigrationRun[] {
    return this.#registry.live().filter(({ migration }) => migration.callAtMs === null);
  }

  /** Whatever goes wrong with one is no other's; without what is to be known it goes by the clock. */
  #cycleOf(run: MigrationRun, timer: boolean, seen: boolean): void {
    const input = this.#context.defects.contained("cycle", run.vmId, () =>
      this.#inputFor(run, seen),
    );
    run.apply({ kind: "cycle", timer, ...(input ?? UNSEEN) });
  }

  #askPeers(): void {
    const { settings, clock, defects } = this.#context;
    if (settings().peerMode === "none") return;
    const nowMs = clock.monotonicMs();
    for (const { target, migration, vmId } of this.#registry.live()) {
      if (target.mode !== "remote") continue;
      const { peer } = target;
      peer.usedAtMs = nowMs;
      if (migration.callAtMs === null) continue;
      void defects.containedLater("askPeers", vmId, () => peer.askCounts(true));
    }
  }

  #inputFor(run: MigrationRun, seen: boolean): Omit<CycleInput, "timer"> {
    const { hostView } = this.#context;
    const view = seen ? hostView.get(run.vmId) : undefined;
    return {
      ...(view === undefined ? {} : { runState: view.vm.runState }),
      sample: view === undefined ? null : sampleOf(view.job),
      gone: seen && view === undefined,
      postCopyState: view !== undefined && inPostCopy(view),
      postCopyFailed: view !== undefined && postCopyFailed(view),
      switchover: view !== undefined && inSwitchover(view),
      sourceMigrations: hostView.migrationsWith(run.vmId),
      destination: run.destinationCount(this.ownMigrationsTo(run)),
    };
  }

  /** This host's own migrations to the same destination whose call is out. */
  ownMigrationsTo(run: MigrationRun): number {
    const { target } = run;
    if (target.mode !== "remote") return 1;
    return this.#registry
      .live()
      .filter(
        (other) =>
          other.target.mode === "remote" &&
          other.target.peer === target.peer &&
          countsThere(other.migration),
      ).length;
  }

  /** The pass's size is what remains right now; a moment later it is only a lower bound. */
  async #samplePassStart(vmId: string, iteration: number): Promise<void> {
    const run = this.#registry.liveOf(vmId);
    if (run === undefined) return;
    const eventAtMs = this.#context.clock.monotonicMs();
    const view = await this.#context.hypervisor.jobView(vmId);
    if (view.kind === "ok" && view.value.kind === "stats") {
      const { stats, atMs } = view.value;
      const tookMs = atMs - eventAtMs;
      const before = run.migration.advance;
      run.apply({ kind: "passBegan", sample: { stats, atMs, passStart: { iteration, tookMs } } });
      if (!isNews(before, run.migration.advance)) return;
    }
    this.wake();
  }

  #confirmArrivals(): void {
    const now = this.#context.clock.monotonicMs();
    const unfinished = this.#unfinished();
    for (const run of this.#confirmAskedAtMs.keys()) {
      if (!unfinished.includes(run)) this.#confirmAskedAtMs.delete(run);
    }
    for (const run of unfinished) {
      const askedAtMs = this.#confirmAskedAtMs.get(run) ?? Number.NEGATIVE_INFINITY;
      if (now - askedAtMs < CONFIRM_AGAIN_MS) continue;
      this.#confirmAskedAtMs.set(run, now);
      void this.#context.defects.containedLater("confirm", run.vmId, () => this.#confirm(run));
    }
  }

  async #confirm(run: MigrationRun): Promise<void> {
    if (run.target.mode === "remote") {
      run.target.peer.usedAtMs = this.#context.clock.monotonicMs();
    }
    if (this.#isAsked(run)) await run.locateGuest();
    if (run.mayHaveLeftover) run.undefineLeftover();
  }
}

function hasEnded({ migration }: MigrationRun): boolean {
  return migration.guestStopped !== null || migration.stoppedByJob;
}

const UNSEEN: Omit<CycleInput, "timer"> = {
  sample: null,
  postCopyState: false,
  sourceMigrations: 1,
  destination: NEVER_COUNTED,
};

function sampleOf(job: JobView): CycleInput["sample"] {
  return job.kind === "stats" ? { stats: job.stats, atMs: job.atMs } : null;
}
