/**
 * One migration in the daemon: its state, and the only place where its effects are performed. Every
 * input goes through `apply`, which calls the core's `step` and performs the effects; the result of an
 * effect is the next input. It decides nothing about the migration.
 */
import { randomUUID } from "node:crypto";
import { type ChangeAnswer, mayChange } from "../../core/change.ts";
import {
  type Effect,
  type Reporting,
  isReporting,
  valueAsked,
  reportsLateOnly,
} from "../../core/effect.ts";
import { inputOfEnd } from "../../core/guest-end.ts";
import { ownCount } from "../../core/host-count.ts";
import type { Changes, Input } from "../../core/input.ts";
import { isDoubtful, isHurried } from "../../core/locate.ts";
import type { DestinationCount, Migration } from "../../core/migration.ts";
import { isToAbandon } from "../../core/missed.ts";
import { step } from "../../core/step.ts";
import type { Decision, Stepped } from "../../core/turn.ts";

import type { CallResult, StoppedHow, VmDetails } from "../../hypervisor/port.ts";
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
  type Subject,
  type Target,
} from "./effects.ts";
import type { MigrateRequest, NumberedEvent } from "../service.ts";
import { fitted, journaled, seenAs } from "./target.ts";
import { Watchers } from "./watchers.ts";
import { logStep } from "./run-log.ts";

export interface RunHooks {
  /** Something has changed that the loop should look at soon. */
  readonly wake: () => void;
  readonly ended: (run: MigrationRun) => void;
}

const CALL_FAILED = {
  kind: "other",
  code: null,
  message: "the call failed in this daemon",
} as const;

/** A run from the journal: its id, and when it began and ended. */
export interface RestoredRun {
  readonly id: string;
  readonly acceptedAtWallMs: number;
  /** The time of its last record. */
  readonly lastWallMs: number;
  /** The same, monotonic; null: from before a reboot. */
  readonly lastAtMs: number | null;
}

/** The first input of a run that is not a new request. The first record contains its result. */
export type FirstInput = Extract<Input, { kind: "restore" | "adopt" }>;

/** The longest that setTimeout takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

type Numbered = readonly NumberedEvent[];

export class MigrationRun {
  /** Identifies this migration; a VM may have had others. */
  readonly id: string;
  readonly request: MigrateRequest;
  readonly log: Log;
  /** Wall-clock time of acceptance, for people. */
  readonly acceptedAtWallMs: number;
  readonly #context: Context;
  readonly #hooks: RunHooks;
  readonly #watchers = new Watchers<Migration>();
  readonly #cleanUp: CleanUp;
  readonly #entry: MigrationEntry;
  readonly #missed = new MissedInputs();
  readonly #firstDecisions: readonly Decision[];
  #migration: Migration;
  #target: Target;
  #endedAtWallMs: number | null = null;
  /** Decided and journaled; null: all of it is carried out. */
  #toCarryOut: (() => void) | null = null;

  /** `found`: just accepted, or as a journal or somebody else left it. */
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
    const begun = first === undefined ? null : step(found, first, nowMs);
    this.#migration = begun?.migration ?? found;
    this.#firstDecisions = begun?.decisions ?? [];
    this.request = request;
    this.#target = target;
    this.#context = context;
    this.#hooks = hooks;
    this.id = restored?.id ?? randomUUID();
    this.acceptedAtWallMs = restored?.acceptedAtWallMs ?? context.clock.wallMs();
    this.#endedAtWallMs = restored !== undefined && !this.live ? restored.lastWallMs : null;
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

  /** Monotonic; after a reboot of this host, since its boot. */
  endedForMs(nowMs: number): number {
    return nowMs - (this.#migration.end?.atMs ?? nowMs);
  }

  /** Wall-clock time, for people. */
  get endedAtWallMs(): number | null {
    return this.#endedAtWallMs;
  }

  get target(): Target {
    return this.#target;
  }

  /** The VM of a waiting one was looked at just now: adapts state and call to it, and journals that. */
  seen(vm: VmDetails): void {
    if (this.#migration.call.madeAtMs !== null) return;
    const settings = this.#context.settings();
    this.apply(seenAs(vm, settings));
    const target = fitted(this.#target, this.request, vm, settings);
    if (target === this.#target) return;
    this.#target = target;
    this.#entry.retargeted(journaled(target), this.#migration);
    this.log.info({ persistent: vm.persistent }, "the VM has changed while its migration waited");
  }

  /** How its guest ended on this host, by libvirt's event or by its definition. */
  guestEnded(how: StoppedHow): void {
    const input = inputOfEnd(this.#migration.facts.mode, how);
    if (input !== null) this.apply(input);
  }

  /** Journaled before anything is done for it. `by`: who asked for it. */
  accepted(by: string): void {
    this.#entry.accepted(this.#migration, by, this.#firstDecisions);
    this.log.info({ request: this.request, by }, "migration accepted");
  }

  /** Once, by the daemon that restores it. */
  restored(): void {
    const { phase } = this.#migration;
    this.#entry.decided(this.#migration, this.#firstDecisions);
    for (const { rule, numbers } of this.#firstDecisions) {
      if (rule === "restored") this.log.info({ phase, ...numbers }, "migration restored");
    }
  }

  /** A complete record, for a new segment of the journal. */
  journalRecord(): ReturnType<MigrationEntry["record"]> {
    return this.#entry.record(this.#migration);
  }

  /**
   * Passes one input through the core; its effects are started before this returns. Never throws: a
   * defect is contained in the part that it occurs in, and the other parts are done all the same.
   */
  apply(input: Input): void {
    if (input.kind === "cycle" && input.timer) this.giveMissedAgain();
    this.decide(input);
    this.carryOut();
  }

  /**
   * The same, but what is decided is only journaled: a cycle's decisions go in one write before any of them
   * is carried out. What was decided before is carried out first.
   */
  decide(input: Input): void {
    this.carryOut();
    const before = this.#migration;
    const nowMs = this.#context.clock.monotonicMs();
    const stepped = this.#contained("step", () => step(before, input, nowMs));
    if (stepped !== null) {
      this.#decided(before, stepped);
      return;
    }
    this.#missed.note(input, nowMs);
    // The step would have asked for it.
    const asks = input.kind === "cycle" && input.timer && before.call.returned !== null;
    if (asks) this.#toCarryOut = () => void this.locateGuest();
  }

  /** Carries out what was decided, if that has not been done yet; its effects are started before this returns. */
  carryOut(): void {
    const carryOut = this.#toCarryOut;
    this.#toCarryOut = null;
    carryOut?.();
  }

  #decided(before: Migration, stepped: Stepped): void {
    const { migration, effects, decisions } = stepped;
    this.#migration = migration;
    const events = effects.flatMap(
      (each) => this.#contained("event", () => this.#numbered(each)) ?? [],
    );
    this.#contained("journal", () => this.#entry.decided(migration, decisions, events));
    this.#toCarryOut = () => this.#perform(before, stepped, events);
  }

  #perform(before: Migration, { migration, effects }: Stepped, events: Numbered): void {
    this.#contained("log", () => logStep(this.log, before, migration, effects));
    for (const event of events) this.#contained("event", () => this.#context.events.send(event));
    for (const effect of effects) this.#contained(effect.kind, () => this.#performOne(effect));
    const { phase } = migration;
    if (before.phase !== "ended" && phase === "ended") this.#contained("end", () => this.#finish());
    this.#contained("end", () => this.#cleanUp.learnt(before.end?.outcome ?? null, migration));
    if (migration !== before) this.#watchers.tell(this.#migration);
  }

  #contained<T>(where: string, work: () => T): T | null {
    return this.#context.defects.contained(where, this.vmId, work);
  }

  /** Inputs at which a defect occurred; on the timer. */
  giveMissedAgain(): void {
    this.#missed.giveAgain((input) => this.apply(input));
    const { call } = this.#migration;
    const { sinceMs } = this.#missed;
    const missesCallEnded = this.#missed.has("callEnded");
    const nowMs = this.#context.clock.monotonicMs();
    if (isToAbandon({ call, missesCallEnded, sinceMs }, nowMs)) this.apply({ kind: "abandoned" });
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

  /** n(destination), by the destination's daemon or, with peer.mode none, by this host's own migrations. */
  destinationCount(ownMigrationsThere: number): DestinationCount {
    const { clock, settings } = this.#context;
    const asks = this.target.mode === "remote" && settings().peerMode !== "none";
    return asks ? this.target.peer.counts() : ownCount(ownMigrationsThere, clock.monotonicMs());
  }

  /** Resolves true once `fact` holds, or false at the deadline. */
  waitFor(fact: (migration: Migration) => boolean, deadlineMs: number): Promise<boolean> {
    return this.#watchers.waitFor(this.#migration, fact, deadlineMs);
  }

  /** Resolves when the migration is to stop, or has left `preparing`. */
  async stopped(): Promise<"stopped"> {
    const left = ({ stop, phase }: Migration): boolean => stop !== null || phase !== "preparing";
    await this.waitFor(left, LONGEST_TIMER_MS);
    return "stopped";
  }

  /** Resolves once the clean-up after its end is done. */
  cleanedUp(): Promise<void> {
    return this.#cleanUp.done();
  }

  #finish(): void {
    const outcome = this.#migration.end?.outcome;
    this.#endedAtWallMs = this.#context.clock.wallMs();
    this.log[outcome?.outcome === "failed" ? "error" : "info"]({ ...outcome }, "migration ended");
    this.#cleanUp.ended(this.#migration);
    if (this.mayHaveLeftover) this.undefineLeftover();
    this.#hooks.ended(this);
  }

  get mayHaveLeftover(): boolean {
    return this.#cleanUp.mayHaveLeftover(this.#migration);
  }

  /** One try; the caller repeats it. */
  undefineLeftover(): void {
    const cleared = (): void => this.apply({ kind: "cleared" });
    this.#cleanUp.undefineLeftover(this.#migration, this.#target, cleared);
  }

  get #subject(): Subject {
    const { migration, request, target } = this;
    return { migration, request, target, context: this.#context };
  }

  #numbered(effect: Effect): Numbered {
    if (effect.kind !== "event") return [];
    const { clock, events } = this.#context;
    const about = { vmId: this.vmId, migrationId: this.id };
    return [events.number(eventMessage(about, effect.event, momentOf(clock)))];
  }

  #performOne(effect: Effect): void {
    if (isReporting(effect)) return this.#report(effect);
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
    }
  }

  /** A defect becomes the input `instead`, or the migration would wait forever for the answer. */
  async #reporting(where: string, work: () => Promise<void>, instead: Input): Promise<void> {
    try {
      await work();
    } catch (err) {
      this.#context.defects.note(where, this.vmId, err);
      this.apply(instead);
    }
  }

  #report(asking: Reporting): void {
    const asked = valueAsked(asking);
    const effect = asking.kind;
    const report = (answer: CallResult<number | null>): void => {
      const result = effectResult(answer);
      this.apply({ kind: "effectDone", effect, asked, result });
      if (result.kind === "ok") this.#hooks.wake();
    };
    const done = async (): Promise<void> => {
      const answer = await performReporting(asking, this.#subject);
      const late = answer.kind === "noAnswer" ? answer.late : undefined;
      if (late === undefined || !reportsLateOnly(effect)) report(answer);
      // Another call of this kind is `busy` until then, so a late answer is still the latest.
      if (late !== undefined) report(await late);
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
    // The call may have been made all the same; locating the guest shows it.
    await this.#reporting("call", work, { kind: "callEnded", refusal: CALL_FAILED });
  }

  /** Locates the guest and applies the answer. Never rejects. */
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
