/**
 * The destination's half of a migration: the domain that libvirt prepares over there, that the guest
 * goes on in, or that is taken apart again.
 */
import type { JobStats } from "../../core/job-stats.ts";
import { Domain } from "./domain.ts";
import type { Surroundings } from "./surroundings.ts";

export class DestinationHalf {
  readonly domain: Domain;
  readonly #world: Surroundings;
  /** Its QEMU is gone, or somebody has taken it away. */
  #gone = false;

  /** It appears, and its libvirt says so. */
  constructor(world: Surroundings, source: Domain, host: string) {
    this.#world = world;
    this.domain = new Domain(host, source.guest, "startingUp", false);
    this.domain.incoming = "arriving";
    world.place(this.domain);
    const { vmId } = source;
    world.tell(host, { kind: "guest", vmId, change: "started", incoming: true });
  }

  get isStopped(): boolean {
    return this.domain.hold === "qemuStopped";
  }

  /** The guest runs here, and its memory follows. */
  beginPostCopy(): void {
    this.#is("incomingPostCopy", "arriving");
    const { vmId, host } = this.domain;
    this.#world.tell(host, { kind: "guest", vmId, change: "resumed", byMigration: false });
  }

  /** No more data come. */
  breakPostCopy(): void {
    this.#is("incomingPostCopyFailed", "broken");
  }

  resumePostCopy(): void {
    this.#is("incomingPostCopy", "arriving");
  }

  /** It is complete, and goes on as it was over there. */
  arrive(suspended: boolean, persistent: boolean, maxDowntimeMs: number): void {
    if (this.#gone) return;
    const { domain } = this;
    this.#is(suspended ? "suspended" : "running", "no");
    domain.persistent = persistent;
    domain.maxDowntimeMs = maxDowntimeMs;
    const { vmId, host } = domain;
    if (suspended) this.#world.tell(host, { kind: "guest", vmId, change: "suspended" });
    else this.#world.tell(host, { kind: "guest", vmId, change: "resumed", byMigration: true });
  }

  record(record: JobStats): void {
    this.domain.record = { ...record, operation: "migrationIn" };
  }

  /** Somebody else has taken it away already. */
  forget(): void {
    this.#gone = true;
  }

  takeApartIn(delayMs: number): void {
    this.#world.in(delayMs, () => this.takeApart());
  }

  takeApart(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.domain.state = "offFailed";
    this.#world.remove(this.domain);
    const { vmId, host } = this.domain;
    this.#world.tell(host, { kind: "guest", vmId, change: "stopped", how: "crashed" });
  }

  #is(state: Domain["state"], incoming: Domain["incoming"]): void {
    if (this.#gone) return;
    this.domain.state = state;
    this.domain.incoming = incoming;
  }
}
