/**
 * What the end of a migration still has to put right: the domain's own downtime, the files of a save
 * that came to nothing, the slot that the destination keeps, a definition that libvirt left here.
 * When each of them is due is the migration's to say.
 */
import { LIBVIRT_ERROR } from "../core/libvirt-codes.ts";
import { isOff } from "../core/run-state.ts";
import type { Migration } from "../core/migration.ts";
import type { Log } from "../logger.ts";
import type { Context } from "./context.ts";
import type { Timely } from "./file-turn.ts";
import type { Target } from "./run-effects.ts";

/**
 * So long after it was known to have arrived a definition without a word of how its guest ended is what
 * its migration has left; later it is somebody's.
 */
const SURELY_LEFT_MS = 600_000;

export class CleanUp {
  readonly #vmId: string;
  readonly #target: Target;
  readonly #context: Context;
  readonly #log: Log;
  readonly #begun = new Set<Promise<void>>();

  /** Monotonic; null: not yet, or nobody knows when. */
  #confirmedAtMs: number | null;

  /** `lastAtMs`: of one that had ended before this daemon was started, when anything was last noted of it. */
  constructor(
    { vmId, outcome }: Migration,
    target: Target,
    lastAtMs: number | null,
    context: Context,
    log: Log,
  ) {
    this.#vmId = vmId;
    this.#target = target;
    this.#confirmedAtMs = outcome?.confirmed === true ? lastAtMs : null;
    this.#context = context;
    this.#log = log;
  }

  /** Resolves once all that was begun is done, or its time is over. Never rejects. */
  async done(): Promise<void> {
    await Promise.all(this.#begun);
  }

  putBackDowntime(maxDowntimeMs: number): void {
    this.#begin(this.#putBackDowntime(maxDowntimeMs));
  }

  removeImage(): void {
    if (this.#target.mode === "file") this.#begin(this.#letGo(this.#target.files.undo()));
  }

  /**
   * The paths of a save are free, and the destination keeps a slot for nobody. A stock VDSM would keep
   * its half-made VM for hours, and would destroy one that runs: so it is told only if the guest is
   * seen here.
   */
  ended({ reservedThere, outcome, callAtMs }: Migration): void {
    if (this.#target.mode === "file") this.#begin(this.#letGo(this.#target.files.release()));
    if (!reservedThere) return;
    if (outcome?.where === "source") this.#begin(this.#releaseSlot());
    else if (callAtMs === null) this.#begin(this.#releaseUnused());
  }

  /** At its end and later: what is known of where its guest is. `was`: until now. */
  learnt(was: Migration["outcome"], { outcome, reservedThere }: Migration): void {
    if (outcome === null || outcome === was) return;
    if (outcome.confirmed && was?.confirmed !== true) {
      this.#confirmedAtMs = this.#context.clock.monotonicMs();
    }
    // Seen here at last: its destination need not expect it any more.
    const isHere = was?.where === "unknown" && outcome.where === "source";
    if (isHere && reservedThere) this.#begin(this.#releaseSlot());
  }

  /**
   * A guest that has arrived may have a definition left here: libvirt was restarted meanwhile, or
   * somebody defined it while it was on its way. True until that is looked for and nothing is left.
   */
  mayHaveLeftover({ outcome, cleared, departureOver }: Migration): boolean {
    if (this.#target.mode !== "remote" || cleared) return false;
    // What came back is no leftover.
    if (departureOver === "cameBack") return false;
    // Where nobody can confirm it, libvirt's word that it has left must do.
    const isKnown = outcome?.confirmed === true || this.#context.settings().peerMode === "none";
    return outcome?.outcome === "completed" && isKnown;
  }

  /**
   * `cleared` is called if it is gone. One that libvirt says was migrated is this migration's at any
   * age; one of a guest that was persistent, and of whose end libvirt has no word, is for a while.
   */
  undefineLeftover(wasPersistent: boolean, cleared: () => void): void {
    const nowMs = this.#context.clock.monotonicMs();
    const isSure = nowMs - (this.#confirmedAtMs ?? nowMs) < SURELY_LEFT_MS;
    this.#begin(this.#undefineLeftover(wasPersistent && isSure, cleared));
  }

  #begin(work: Promise<void>): void {
    const done = work
      .catch((err: unknown) => this.#context.defects.note("cleanUp", this.#vmId, err))
      .finally(() => this.#begun.delete(done));
    this.#begun.add(done);
  }

  /** It goes on by itself when the file system answers; nobody waits for that. */
  async #letGo(letting: Promise<Timely<void>>): Promise<void> {
    if ((await letting) === "late") {
      this.#log.warn(
        {},
        "the files of the save are not free yet: their file system does not answer",
      );
    }
  }

  async #putBackDowntime(maxDowntimeMs: number): Promise<void> {
    const result = await this.#context.hypervisor.setMaxDowntime(this.#vmId, maxDowntimeMs);
    if (result.kind !== "ok") {
      this.#log.warn({ maxDowntimeMs, result }, "the domain's own downtime could not be put back");
    }
  }

  async #releaseSlot(): Promise<void> {
    if (this.#target.mode !== "remote") return;
    const here = await this.#context.hypervisor.runState(this.#vmId);
    if (here.kind === "ok" && !isOff(here.value)) {
      await this.#target.peer.release(this.#vmId, this.#log);
    }
  }

  /**
   * Nothing was handed to libvirt, and its guest is not here any more: nobody comes. Only a daemon like
   * this one touches nothing but the slot.
   */
  async #releaseUnused(): Promise<void> {
    if (this.#target.mode !== "remote") return;
    const { peer } = this.#target;
    await peer.askCounts();
    if (!peer.wantsDefinition) await peer.release(this.#vmId, this.#log);
  }

  async #undefineLeftover(wasPersistent: boolean, cleared: () => void): Promise<void> {
    const { hypervisor } = this.#context;
    const result = await hypervisor.undefineMigrated(this.#vmId, wasPersistent);
    const gone = result.kind === "refused" && result.refusal.code === LIBVIRT_ERROR.NO_DOMAIN;
    if (gone || (result.kind === "ok" && result.value)) cleared();
    else this.#log.info({ result }, "the VM that left is not gone from here yet");
  }
}
