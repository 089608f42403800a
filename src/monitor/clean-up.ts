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

export class CleanUp {
  readonly #vmId: string;
  readonly #target: Target;
  readonly #context: Context;
  readonly #log: Log;
  readonly #begun = new Set<Promise<void>>();

  constructor(vmId: string, target: Target, context: Context, log: Log) {
    this.#vmId = vmId;
    this.#target = target;
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
  ended({ reservedThere, outcome }: Migration): void {
    if (this.#target.mode === "file") this.#begin(this.#letGo(this.#target.files.release()));
    if (reservedThere && outcome?.where === "source") this.#begin(this.#releaseSlot());
  }

  /** The definition that libvirt may have left here; `cleared` is called if it is gone. */
  undefineLeft(wasPersistent: boolean, cleared: () => void): void {
    this.#begin(this.#undefineLeft(wasPersistent, cleared));
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

  async #undefineLeft(wasPersistent: boolean, cleared: () => void): Promise<void> {
    const { hypervisor } = this.#context;
    const result = await hypervisor.undefineMigrated(this.#vmId, wasPersistent);
    const gone = result.kind === "refused" && result.refusal.code === LIBVIRT_ERROR.NO_DOMAIN;
    if (gone || (result.kind === "ok" && result.value)) cleared();
    else this.#log.info({ result }, "the VM that left is not gone from here yet");
  }
}
