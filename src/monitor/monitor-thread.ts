/**
 * MonitorThread: the loop that looks after every migration of this host. The name is VDSM's; this is one
 * asynchronous loop for all of them, not an OS thread, and no migration has a timer of its own. It must
 * not know what the numbers mean (core) nor where they come from (hypervisor).
 *
 * # Theory of operation
 *
 * libvirt migrates; this daemon watches and steers. Each migration is one PEER2PEER call to libvirt on a
 * connection of its own, which returns when the job has ended. If the daemon dies, libvirt carries on.
 *
 * **A cycle**, in this order:
 *
 * 1. Timer only: each destination's daemon is asked for its migration counts. Not awaited: the answer is
 *    there for the next cycle. One query per destination at a time (peer.ts).
 * 2. One look at the host: in a timer's cycle at every VM, of which idle ones are asked for a job in turn
 *    (core/look-plan.ts), in a woken one only at those that migrate or arrive. The look has one deadline;
 *    a VM that has not answered by then has no sample and costs the others nothing (host-view.ts).
 * 3. Guests that arrive on this host are recognised and reported (arrivals.ts).
 * 4. Each live migration gets one `cycle` input: its sample, its VM's state, n(source) and the
 *    destination's count. The core decides everything that follows, and asks for it as effects.
 * 5. Timer only: VMs whose migration still waits, and have been switched off or on; ended migrations
 *    that nobody has confirmed, or that may have left a definition behind; and the queue.
 *
 * **What wakes it.** The timer, every vars.migration_monitor_interval, as long as anything is live,
 * arriving or unfinished; otherwise the loop rests. Sooner than that: libvirt's events, an accepted
 * migration, and effects that libvirt accepted, but never closer than WAKE_SPACING_MS. Halving,
 * downtime steps, the convergence schedule, the cap's read-back and all queries to peers go by the
 * timer's cycles only, so that a busy libvirt does not speed them up.
 *
 * **Events** only make a look happen earlier, since they can be lost; the poll is the truth. Four facts
 * come from events alone and are inputs of their own: that a pass has begun (the VM is sampled at once,
 * since what remains at that moment is the pass's size), the completed job's record, how a guest ended,
 * and that it was started again while its migration waits. Each has a substitute for when it is lost.
 *
 * **step and effects.** `MigrationRun.apply(input)` is the only way to change a migration: it calls the
 * core's `step`, journals what changed, logs, and performs the effects in their order. An effect that
 * asks libvirt something reports back as `effectDone`; until then the core does not ask for it again,
 * and what libvirt refuses it asks for in the next cycle. When the call returns, the guest is located on
 * both hosts, again with each timer's cycle, until that shows how the migration ended. One that waits and
 * is to end without a call is located likewise, but with every cycle: its VM can do anything meanwhile.
 *
 * **Deadlines.** Every call to libvirt but the migrate call settles within libvirt.call_timeout, and every
 * query for counts within vars.peer_timeout, if need be with "no answer". A call that is still pending
 * is not made a second time for that VM. A cycle waits for nothing but the look.
 *
 * **After a restart** the journal's migrations are restored before the first cycle (recovery/). No call
 * for them is pending in this daemon any more, so each is located once and then watched as before.
 * Migrations that somebody else started (foreign.ts) count in n(host) and are shown, but are not touched
 * until VM.migrateChangeParams adopts one, which is then watched in the same way, without a call.
 *
 * **Defects.** Whatever throws is caught where it concerns one migration: in its step, in an effect, in
 * an event about its VM (defects.ts). It is logged with its cause, the input is given again with each
 * cycle, and after a minute without a pending call the migration is given up (core/missed.ts). All
 * others go on in the same cycle. A cycle that throws as a whole is logged, and the next one is due as
 * usual.
 */
import { isNews } from "../core/advance.ts";
import { NEVER_COUNTED, countsThere } from "../core/host-count.ts";
import type { CycleInput } from "../core/input.ts";
import { mayLearnLate } from "../core/location.ts";
import { lookAtWaiting } from "../core/waiting.ts";
import type { GuestEvent, HypervisorEvent, JobView } from "../hypervisor/port.ts";
import type { Peer } from "../peer/peer.ts";
import { Arrivals } from "./incoming/arrivals.ts";
import { lookAgain } from "./migrations/prepare.ts";
import type { Context } from "./context.ts";
import type { MigrationRun } from "./migrations/run.ts";
import type { Registry } from "./migrations/registry.ts";

export const WAKE_SPACING_MS = 100;
/**
 * How often an unconfirmed arrival is asked about, and a definition that may be left here looked for, as
 * long as the migration's record is kept.
 */
export const CONFIRM_AGAIN_MS = 5_000;

/** A view of the host not older than this answers a question without asking libvirt, while the loop rests. */
export const STATS_MAX_AGE_MS = 200;
/** The same in intervals of the loop, while it looks by itself: a look takes up to half of one. */
const LOOKS_MAX_AGE_INTERVALS = 1.5;

export class MonitorThread {
  readonly #context: Context;
  readonly #registry: Registry;
  readonly #onTimer: () => void;
  /** Guests that arrive on this host, or have arrived and ended since. */
  readonly arrivals: Arrivals;
  /** They wait, their VM had ended, and was seen here once since. */
  readonly #onAgain = new WeakSet<MigrationRun>();
  readonly #confirmAskedAtMs = new Map<MigrationRun, number>();
  #running = false;
  #woken = false;
  #lastCycleAtMs = 0;
  #nextTimerAtMs = 0;
  #rest: { readonly end: () => void } | null = null;
  #loop: Promise<void> = Promise.resolve();

  /** `onTimer` is called in each timer cycle, after the migrations. */
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

  /** Ends after the present cycle. Migrations continue in libvirt. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#rest?.end();
    await this.#loop;
  }

  /** Something is to be looked at before the timer is due. */
  wake(): void {
    this.#woken = true;
    this.#rest?.end();
  }

  /** libvirt's events: facts about one VM, and a reason to look early. */
  onHypervisorEvent(event: HypervisorEvent): void {
    const vmId = "vmId" in event ? event.vmId : null;
    this.#context.defects.contained("event", vmId, () => this.#heard(event));
  }

  #heard(event: HypervisorEvent): void {
    const { defects } = this.#context;
    switch (event.kind) {
      case "passBegan":
        void defects.containedLater("passBegan", event.vmId, () =>
          this.#samplePassStart(event.vmId, event.pass),
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
    this.#context.hostView.heardOf(event.vmId);
    const run = this.#registry.liveOf(event.vmId);
    if (event.change === "stopped" && run !== undefined) run.guestEnded(event.how);
    if (event.change === "started") run?.apply({ kind: "guestStarted" });
    this.arrivals.onGuestEvent(event);
  }

  /**
   * How old a view may be to answer a question. While the loop looks in each cycle, a question costs no look
   * of its own; events say what has changed since.
   */
  get viewMaxAgeMs(): number {
    if (!this.#busy()) return STATS_MAX_AGE_MS;
    const { monitorIntervalMs } = this.#context.settings();
    return Math.max(STATS_MAX_AGE_MS, LOOKS_MAX_AGE_INTERVALS * monitorIntervalMs);
  }

  /** The host was looked at outside a cycle: a guest may have arrived. */
  looked(): void {
    this.arrivals.looked();
  }

  #busy(): boolean {
    const { size } = this.arrivals.vmIds;
    return size > 0 || this.#registry.live().length > 0 || this.#unfinished().length > 0;
  }

  /** Ended, and something is still to be confirmed or cleared. */
  #unfinished(): readonly MigrationRun[] {
    const ended = this.#registry.ended(this.#context.clock.monotonicMs());
    return ended.filter((run) => run.mayHaveLeftover || this.#isAsked(run));
  }

  #isAsked({ migration, target }: MigrationRun): boolean {
    const answers = this.#context.settings().peerMode !== "none" && target.mode === "remote";
    return mayLearnLate(migration, answers);
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
    // The other VMs can wait for the timer: frequent events must not have every VM asked each time.
    const vmIds = new Set([...this.#registry.vmIds(), ...this.arrivals.vmIds]);
    if (vmIds.size > 0) {
      const look = () => (timer ? hostView.refresh() : hostView.refreshOnly(vmIds));
      const seen = await defects.containedLater("look", null, look);
      if (seen?.kind === "ok") defects.contained("arrivals", null, () => this.arrivals.looked());
      const ownTo = this.#ownMigrations();
      const live = this.#registry.live();
      if (timer) for (const run of live) run.giveMissedAgain();
      this.#context.journal.together(() => {
        for (const run of live) this.#decide(run, timer, seen?.kind === "ok", ownTo);
      });
      for (const run of live) run.carryOut();
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

  /** VMs whose migration waits, and that have ended or are on again without an event. */
  #lookAtWaiting(): void {
    const { hostView, defects } = this.#context;
    for (const run of this.#waiting()) {
      const isHere = hostView.get(run.vmId) !== undefined;
      switch (lookAtWaiting(isHere, hasEnded(run), this.#onAgain.delete(run))) {
        case "known":
          break;
        case "ended":
          void defects.containedLater("look", run.vmId, () => lookAgain(run, this.#context));
          break;
        case "maybeStarted":
          this.#onAgain.add(run);
          break;
        case "started":
          run.apply({ kind: "guestStarted" });
      }
    }
  }

  #waiting(): readonly MigrationRun[] {
    return this.#registry.live().filter(({ migration }) => migration.call.madeAtMs === null);
  }

  /** A defect is this migration's alone; without any input it goes by the clock. */
  #decide(
    run: MigrationRun,
    timer: boolean,
    seen: boolean,
    ownTo: ReadonlyMap<Peer, number>,
  ): void {
    const input = this.#context.defects.contained("cycle", run.vmId, () =>
      this.#inputFor(run, seen, ownTo),
    );
    run.decide({ kind: "cycle", timer, ...(input ?? UNSEEN) });
  }

  #askPeers(): void {
    const { settings, clock, defects } = this.#context;
    if (settings().peerMode === "none") return;
    const nowMs = clock.monotonicMs();
    for (const { target, migration, vmId } of this.#registry.live()) {
      if (target.mode !== "remote") continue;
      const { peer } = target;
      peer.usedAtMs = nowMs;
      if (migration.call.madeAtMs === null) continue;
      void defects.containedLater("askPeers", vmId, () => peer.askCounts(true));
    }
  }

  #inputFor(
    run: MigrationRun,
    seen: boolean,
    ownTo: ReadonlyMap<Peer, number>,
  ): Omit<CycleInput, "timer"> {
    const { hostView } = this.#context;
    const view = seen ? hostView.get(run.vmId) : undefined;
    return {
      ...(view === undefined ? {} : { runState: view.vm.runState }),
      sample: view === undefined ? null : sampleOf(view.job),
      gone: seen && view === undefined,
      sourceMigrations: hostView.migrationsWith(run.vmId),
      destination: run.destinationCount(countOf(run, ownTo)),
    };
  }

  /** This host's own migrations to the same destination whose call is out. */
  ownMigrationsTo(run: MigrationRun): number {
    return countOf(run, this.#ownMigrations());
  }

  #ownMigrations(): ReadonlyMap<Peer, number> {
    const counts = new Map<Peer, number>();
    for (const { migration, target } of this.#registry.live()) {
      if (target.mode !== "remote" || !countsThere(migration)) continue;
      counts.set(target.peer, (counts.get(target.peer) ?? 0) + 1);
    }
    return counts;
  }

  /** What remains right now is the pass's size; a moment later it is only a lower bound. */
  async #samplePassStart(vmId: string, iteration: number): Promise<void> {
    const run = this.#registry.liveOf(vmId);
    // Another party's: it counts from now on.
    if (run === undefined) return this.#context.hostView.heardOf(vmId);
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

/** One for the destination that a foreign one goes to, and a save. */
function countOf({ target }: MigrationRun, ownTo: ReadonlyMap<Peer, number>): number {
  return target.mode === "remote" ? (ownTo.get(target.peer) ?? 0) : 1;
}

function hasEnded({ migration }: MigrationRun): boolean {
  return migration.evidence.guestStopped !== null || migration.evidence.stoppedByJob;
}

const UNSEEN: Omit<CycleInput, "timer"> = {
  sample: null,
  sourceMigrations: 1,
  destination: NEVER_COUNTED,
};

function sampleOf(job: JobView): CycleInput["sample"] {
  return job.kind === "stats" ? { stats: job.stats, atMs: job.atMs } : null;
}
