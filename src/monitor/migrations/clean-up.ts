/**
 * Cleans up after a migration has ended: restores the domain's own downtime, removes the files of a
 * failed save, frees the destination's slot, undefines what libvirt left here. When each of these is
 * due is the core's to say (end.ts, slot-there.ts, leftover.ts).
 */
import type { Outcome } from "../../core/event.ts";
import { isSurelyLeft, mayHaveLeftover } from "../../core/leftover.ts";
import type { Migration } from "../../core/migration.ts";
import { isOff } from "../../core/run-state.ts";
import { type Release, releaseAtEnd, releaseLate } from "../../core/slot-there.ts";
import type { Log } from "../../logger.ts";
import type { Context } from "../context.ts";
import type { Timely } from "../hibernation/file-turn.ts";
import type { Target } from "./effects.ts";

export class CleanUp {
  readonly #vmId: string;
  readonly #target: Target;
  readonly #context: Context;
  readonly #log: Log;
  readonly #begun = new Set<Promise<void>>();

  /** Monotonic; null: not yet, or not known when. */
  #confirmedAtMs: number | null;

  /** `lastAtMs`: of one that had ended before a restart, the time of its last journal record. */
  constructor(
    { facts, end }: Migration,
    target: Target,
    lastAtMs: number | null,
    context: Context,
    log: Log,
  ) {
    this.#vmId = facts.vmId;
    this.#target = target;
    this.#confirmedAtMs = end?.outcome.confirmed === true ? lastAtMs : null;
    this.#context = context;
    this.#log = log;
  }

  /** Resolves once everything that was started is done or out of time. Never rejects. */
  async done(): Promise<void> {
    await Promise.all(this.#begun);
  }

  putBackDowntime(maxDowntimeMs: number): void {
    this.#begin(this.#putBackDowntime(maxDowntimeMs));
  }

  removeImage(): void {
    if (this.#target.mode === "file") this.#begin(this.#letGo(this.#target.files.undo()));
  }

  /** Frees the paths of a save, and the slot that the destination still keeps. */
  ended({ admission, call, end }: Migration): void {
    if (this.#target.mode === "file") this.#begin(this.#letGo(this.#target.files.release()));
    const where = end?.outcome.where ?? null;
    this.#release(releaseAtEnd(where, admission.reservedThere, call.madeAtMs));
  }

  /** At the end and later: where the guest is known to be. `was`: before. */
  learnt(was: Outcome | null, { admission, end }: Migration): void {
    if (end === null || end.outcome === was) return;
    const { outcome } = end;
    if (outcome.confirmed && was?.confirmed !== true) {
      this.#confirmedAtMs = this.#context.clock.monotonicMs();
    }
    this.#release(releaseLate(was?.where ?? null, outcome.where, admission.reservedThere));
  }

  /** See core/leftover.ts. */
  mayHaveLeftover({ end }: Migration): boolean {
    const destinationAnswers = this.#context.settings().peerMode !== "none";
    return mayHaveLeftover(this.#target.mode, end, destinationAnswers);
  }

  /** `cleared` is called once nothing is left. */
  undefineLeftover({ end }: Migration, target: Target, cleared: () => void): void {
    const wasPersistent = target.mode === "remote" && target.call.persistent;
    const confirmed = end?.outcome.confirmed === true;
    const nowMs = this.#context.clock.monotonicMs();
    const confirmedForMs = this.#confirmedAtMs === null ? null : nowMs - this.#confirmedAtMs;
    this.#begin(
      this.#undefineLeftover(isSurelyLeft(wasPersistent, confirmed, confirmedForMs), cleared),
    );
  }

  #release(release: Release | null): void {
    if (release === "ifHere") this.#begin(this.#releaseIfHere());
    if (release === "ifOurDaemon") this.#begin(this.#releaseIfOurDaemon());
  }

  #begin(work: Promise<void>): void {
    const done = work
      .catch((err: unknown) => this.#context.defects.note("cleanUp", this.#vmId, err))
      .finally(() => this.#begun.delete(done));
    this.#begun.add(done);
  }

  /** Continues by itself once the file system answers; nobody waits for that. */
  async #letGo(letting: Promise<Timely<void>>): Promise<void> {
    if ((await letting) === "late") {
      this.#log.warn(
        {},
        "the files of the save are not released yet: their file system does not answer",
      );
    }
  }

  async #putBackDowntime(maxDowntimeMs: number): Promise<void> {
    const result = await this.#context.hypervisor.setMaxDowntime(this.#vmId, maxDowntimeMs);
    if (result.kind !== "ok") {
      this.#log.warn(
        { maxDowntimeMs, result },
        "could not restore the domain's own maximum downtime",
      );
    }
  }

  async #releaseIfHere(): Promise<void> {
    if (this.#target.mode !== "remote") return;
    const here = await this.#context.hypervisor.runState(this.#vmId);
    if (here.kind === "ok" && !isOff(here.value)) {
      await this.#target.peer.release(this.#vmId, this.#log);
    }
  }

  async #releaseIfOurDaemon(): Promise<void> {
    if (this.#target.mode !== "remote") return;
    const { peer } = this.#target;
    await peer.askCounts();
    if (!peer.wantsDefinition) await peer.release(this.#vmId, this.#log);
  }

  async #undefineLeftover(wasPersistent: boolean, cleared: () => void): Promise<void> {
    const { hypervisor } = this.#context;
    const result = await hypervisor.undefineMigrated(this.#vmId, wasPersistent);
    const gone = result.kind === "refused" && result.refusal.kind === "noVm";
    if (gone || (result.kind === "ok" && result.value)) cleared();
    else this.#log.info({ result }, "could not undefine the VM that has left yet");
  }
}
