/**
 * One migration as the daemon carries it: its state, and the only place where its effects are
 * performed. Every input goes through `apply`, which steps the pure core and performs what it asks
 * for; what comes of an effect is the next input. It decides nothing.
 */
import { randomUUID } from "node:crypto";
import { type ChangeAnswer, mayChange } from "../../core/change.ts";
import type { Effect } from "../../core/effect.ts";
import { ownCount } from "../../core/host-count.ts";

import type { Changes, Input } from "../../core/input.ts";
import { isDoubtful, isHurried } from "../../core/locate.ts";
import type { DestinationCount, Migration } from "../../core/migration.ts";
import { isToAbandon } from "../../core/missed.ts";
import { step } from "../../core/step.ts";
import type { Stepped } from "../../core/turn.ts";
import type { CallResult, VmDetails } from "../../hypervisor/port.ts";
import { momentOf } from "../../clock.ts";
import type { Log } from "../../logger.ts";
import { eventMessage } from "../../wire/event-message.ts";
import { CleanUp } from "./clean-up.ts";
import type { Context } from "../context.ts";
import type { MigrationEntry } from "../recovery/record.ts";
import { MissedInputs } from "./missed-inputs.ts";
import { locateGuest, LOCATION_UNKNOWN } from "./locate.ts";
import {
  callOf,
  effectResult,
  performReporting,
  refusalOf,
  type Reporting,
  type Subject,
  type Target,
} from "./effects.ts";
import type { MigrateRequest, NumberedEvent } from "../service.ts";
import { fitted, journaled, seenAs } from "./target.ts";
import { Watchers } from "./watchers.ts";
import { logStep } from "./run-log.ts";

export interface RunHooks {
  /** Something changed that the loop should look at soon. */
  readonly wake: () => void;
  readonly ended: (run: MigrationRun) => void;
}

const CALL_FAILED = {
  kind: "other",
  code: null,
  message: "the call failed in this daemon",
} as const;

/** A run that a journal knows: what it was called and when it began and ended. */
export interface RestoredRun {
  readonly id: string;
  readonly acceptedAtWallMs: number;
  /** Of its last record. */
  readonly lastWallMs: number;
  /** The same, monotonic; null: of a boot of this host before this one. */
  readonly lastAtMs: number | null;
}

/** What a run begins with that is no new request. Its result is in the first record of the run. */
export type FirstInput = Extract<Input, { kind: "restore" | "adopt" }>;

/** setTimeout takes no more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class MigrationRun {
  /** Of this migration among all; a VM may have many. */
  readonly id: string;
  readonly request: MigrateRequest;
  readonly log: Log;
  /** Wall time of acceptance, for people. */
  readonly acceptedAtWallMs: number;
  readonly #context: Context;
  readonly #hooks: RunHooks;
  readonly #watchers = new Watchers<Migration>();
  readonly #cleanUp: CleanUp;
  readonly #entry: MigrationEntry;
  readonly #missed = new MissedInputs();
  readonly #restored: RestoredRun | null;
  #migration: Migration;
  #target: Target;
  #endedAtWallMs: number | null = null;

  /** `found`: just accepted, or as another daemon or another party left it. */
  constructor(
    found: Migration,
    request: MigrateRequest,
    target: Target,
    context: Context,
    hooks: RunHooks,
    first?: FirstInput,
    restored?: RestoredRun,
  ) {
    const nowMs = context.clock.monotonicMs();
    this.#migration = first === undefined ? found : step(found, first, nowMs).migration;
    this.request = request;
    this.#target = target;
    this.#context = context;
    this.#hooks = hooks;
    this.id = restored?.id ?? randomUUID();
    this.acceptedAtWallMs = restored?.acceptedAtWallMs ?? context.clock.wallMs();
    this.#endedAtWallMs = restored !== undefined && !this.live ? restored.lastWallMs : null;
    this.#restored = restored ?? null;
    const { id, acceptedAtWallMs, migration } = this;
    const facts = { id, acceptedAtWallMs, request, target: journaled(target) };
    this.#entry = context.journal.entry(facts, migration);
    const { vmId, vmName } = migration.facts;
    this.log = context.log.child({ component: "migration", migrationId: id, vmId, vmName });
    const lastAtMs = restored?.lastAtMs ?? migration.end?.atMs ?? null;
    this.#cleanUp = new CleanUp(migration, target, lastAtMs, context, this.log);
  }

  get migration(): Migration {
    return this.#migration;
  }

  get vmId(): string {
    return this.#migration.facts.vmId;
  }

  get live(): boolean {
    return this.#migration.phase !== "ended";
  }

  /** Monotonic; after a reboot of this host from its restart on. */
  endedForMs(nowMs: number): number {
    return nowMs - (this.#migration.end?.atMs ?? nowMs);
  }

  /** For people. */
  get endedAtWallMs(): number | null {
    return this.#endedAtWallMs;
  }

  get target(): Target {
    return this.#target;
  }

  /** One that waits: its VM was looked at just now. The call is to fit what it is; written down. */
  seen(vm: VmDetails): void {
    if (this.#migration.call.madeAtMs !== null) return;
    const settings = this.#context.settings();
    this.apply(seenAs(vm, settings));
    const target = fitted(this.#target, this.request, vm, settings);
    if (target === this.#target) return;
    this.#target = target;
    this.#entry.retargeted(journaled(target), this.#migration);
    this.log.info({ persistent: vm.persistent }, "the VM has changed while it waited");
  }

  /** Written down, before anything is done for it. `by`: who asked for it. */
  accepted(by: string): void {
    this.#entry.accepted(this.#migration, by);
    this.log.info({ request: this.request, by }, "migration accepted");
  }

  /** Said once, by the daemon that finds it in the journal. */
  takenOver(): void {
    const { call, phase } = this.#migration;
    const unwatched = call.returned?.unwatched ?? null;
    const lastAtMs = this.#restored?.lastAtMs ?? null;
    const nowMs = this.#context.clock.monotonicMs();
    const downForMs = lastAtMs === null ? null : Math.round(nowMs - lastAtMs);
    const numbers = { phase, unwatched, downForMs };
    this.#entry.decided(this.#migration, [{ rule: "takeOver", what: phase, numbers }]);
    this.log.info(numbers, "migration taken over");
  }

  /** The whole of it, for a new segment of the journal. */
  journalRecord(): ReturnType<MigrationEntry["record"]> {
    return this.#entry.record(this.#migration);
  }

  /**
   * One input through the core; its effects are begun before this returns. Never throws: what goes
   * wrong where nothing may is this migration's alone, and the rest of it is done all the same.
   */
  apply(input: Input): void {
    if (input.kind === "cycle" && input.timer) this.#giveMissedAgain();
    const before = this.#migration;
    const nowMs = this.#context.clock.monotonicMs();
    const stepped = this.#contained("step", () => step(before, input, nowMs));
    if (stepped !== null) this.#follow(before, stepped);
    else this.#missed.note(input, nowMs);
    // The cycle would have asked.
    const asks = stepped === null && input.kind === "cycle" && input.timer;
    if (asks && before.call.returned !== null) void this.locateGuest();
  }

  #follow(before: Migration, { migration, effects, decisions }: Stepped): void {
    this.#migration = migration;
    const events = effects.flatMap(
      (each) => this.#contained("event", () => this.#numbered(each)) ?? [],
    );
    this.#contained("journal", () => this.#entry.decided(migration, decisions, events));
    this.#contained("log", () => logStep(this.log, before, migration, effects));
    for (const event of events) this.#contained("event", () => this.#context.events.send(event));
    for (const effect of effects) this.#contained(effect.kind, () => this.#perform(effect));
    const { phase } = migration;
    if (before.phase !== "ended" && phase === "ended") this.#contained("end", () => this.#finish());
    this.#contained("end", () => this.#cleanUp.learnt(before.end?.outcome ?? null, migration));
    if (migration !== before) this.#watchers.tell(this.#migration);
  }

  #contained<T>(where: string, work: () => T): T | null {
    return this.#context.defects.contained(where, this.vmId, work);
  }

  #giveMissedAgain(): void {
    this.#missed.giveAgain((input) => this.apply(input));
    const { call } = this.#migration;
    const missesCallEnded = this.#missed.has("callEnded");
    const facts = { call, missesCallEnded, sinceMs: this.#missed.sinceMs };
    const nowMs = this.#context.clock.monotonicMs();
    if (isToAbandon(facts, nowMs)) this.apply({ kind: "abandoned" });
  }

  /** VM.migrateChangeParams: stored at once if possible; the next cycle carries it out. */
  change(changes: Changes, by: string): ChangeAnswer {
    const answer = mayChange(this.#migration, changes);
    if (answer.kind !== "possible") return answer;
    this.apply({ kind: "change", changes, by });
    this.log.info({ ...changes, by }, "parameters changed by the engine");
    this.#hooks.wake();
    return answer;
  }

  /** What the destination is known to have, as the configured peer mode sees it. */
  destinationCount(ownMigrationsThere: number): DestinationCount {
    if (this.target.mode !== "remote" || this.#context.settings().peerMode === "none") {
      return ownCount(ownMigrationsThere, this.#context.clock.monotonicMs());
    }
    return this.target.peer.counts();
  }

  /** Resolves true once `fact` holds, or false at the deadline. */
  waitFor(fact: (migration: Migration) => boolean, deadlineMs: number): Promise<boolean> {
    return this.#watchers.waitFor(this.#migration, fact, deadlineMs);
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
  cleanedUp(): Promise<void> {
    return this.#cleanUp.done();
  }

  #finish(): void {
    const outcome = this.#migration.end?.outcome;
    this.#endedAtWallMs = this.#context.clock.wallMs();
    const level = outcome?.outcome === "failed" ? "error" : "info";
    this.log[level]({ ...outcome }, "migration ended");
    this.#cleanUp.ended(this.#migration);
    if (this.mayHaveLeftover) this.undefineLeftover();
    this.#hooks.ended(this);
  }

  /** See CleanUp. */
  get mayHaveLeftover(): boolean {
    return this.#cleanUp.mayHaveLeftover(this.#migration);
  }

  /** What did not work is tried again by whoever asks again. */
  undefineLeftover(): void {
    const confirmed = this.#migration.end?.outcome.confirmed === true;
    const { call } = this.#target.mode === "remote" ? this.#target : { call: null };
    const wasPersistent = confirmed && call?.persistent === true;
    this.#cleanUp.undefineLeftover(wasPersistent, () => this.apply({ kind: "cleared" }));
  }

  get #subject(): Subject {
    return {
      migration: this.#migration,
      request: this.request,
      target: this.target,
      context: this.#context,
    };
  }

  #numbered(effect: Effect): readonly NumberedEvent[] {
    if (effect.kind !== "event") return [];
    const about = { vmId: this.vmId, migrationId: this.id };
    const event = eventMessage(about, effect.event, momentOf(this.#context.clock));
    return [this.#context.events.number(event)];
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "event":
        return;
      case "log":
        this.log[effect.level](effect.fields, effect.message);
        return;
      case "call":
        void this.#call(effect.bandwidthMiBps, effect.postcopy);
        return;
      case "locateGuest":
        void this.locateGuest();
        return;
      case "putBackDowntime":
        this.#cleanUp.putBackDowntime(effect.maxDowntimeMs);
        return;
      case "removeImage":
        this.#cleanUp.removeImage();
        return;
      case "setMaxBandwidth":
        this.#report(effect, effect.maxBandwidthMiBps);
        return;
      case "setMaxDowntime":
        this.#report(effect, effect.maxDowntimeMs);
        return;
      case "readMaxBandwidth":
      case "startPostCopy":
      case "pausePostCopy":
      case "resumePostCopy":
      case "probeAddress":
      case "destroyPausedCopy":
      case "abort":
        this.#report(effect, null);
    }
  }

  /** What a defect left out is made up for as "no answer": else the migration would wait for ever. */
  async #reporting(where: string, work: () => Promise<void>, instead: Input): Promise<void> {
    try {
      await work();
    } catch (err) {
      this.#context.defects.note(where, this.vmId, err);
      this.apply(instead);
    }
  }

  #report(asking: Reporting, asked: number | null): void {
    const effect = asking.kind;
    const report = (answer: CallResult<number | null>): void => {
      const result = effectResult(answer);
      this.apply({ kind: "effectDone", effect, asked, result });
      if (result.kind === "ok") this.#hooks.wake();
    };
    const done = async (): Promise<void> => {
      const answer = await performReporting(asking, this.#subject);
      // An abort behind a switch that is still on its way would lose the guest: only its end counts.
      const waits = effect === "startPostCopy" && answer.kind === "noAnswer";
      if (!waits || answer.late === undefined) report(answer);
      // Until then another one is `busy`, so what comes late is still the latest.
      if (answer.kind === "noAnswer" && answer.late !== undefined) report(await answer.late);
    };
    const instead = { kind: "effectDone", effect, asked, result: { kind: "noAnswer" } } as const;
    void this.#reporting(effect, done, instead);
  }

  async #call(bandwidthMiBps: number, postcopy: boolean): Promise<void> {
    const work = async (): Promise<void> => {
      this.#hooks.wake();
      const result = await callOf(this.#subject, bandwidthMiBps, postcopy);
      const refusal = refusalOf(result);
      this.log.info({ refusal }, "libvirt's call returned");
      this.apply({ kind: "callEnded", refusal });
    };
    // It may have gone out all the same: where the guest is tells.
    await this.#reporting("call", work, { kind: "callEnded", refusal: CALL_FAILED });
  }

  /** Where the guest is, as an input. Never rejects. */
  async locateGuest(): Promise<void> {
    const work = async (): Promise<void> => {
      const { admission, call } = this.#migration;
      const doubtful = isDoubtful(admission.ending, call.returned?.refusal ?? null);
      const answer = await locateGuest(this.vmId, this.#target, this.#context, doubtful);
      this.apply({ kind: "location", ...answer });
      const hurried = isHurried(admission.ending, answer.location.source);
      if (this.live && hurried) this.#hooks.wake();
    };
    await this.#reporting("locateGuest", work, { kind: "location", ...LOCATION_UNKNOWN });
  }
}
