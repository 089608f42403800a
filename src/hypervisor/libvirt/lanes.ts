/**
 * One list of VMs being sampled: which lanes work on it, each on a connection of its own, and until
 * when. When nothing has moved for a moment, a VM hangs, and another lane goes on with the rest; when a
 * connection is lost, its lane goes on with another. Knows nothing of what the VMs answer.
 */
import { type Connection, JobSamples } from "libvirt";
import type { Connections } from "./connections.ts";

/** Lanes that begin at once. */
export const FIRST_LANES_MAX = 4;
/** Those that take over from ones that hang included. */
const LANES_MAX = 16;
/** So many VMs are worth a lane: one answers in half a millisecond on a quiet host. */
const VMS_PER_LANE = 8;
/** A VM answers within a few milliseconds, even on a busy host. */
const STUCK_AFTER_MS = 50;

export class Lanes {
  readonly samples: JobSamples;
  readonly #connections: Connections;
  readonly #laneEnded: () => void;
  #begun = 0;
  #running = 0;
  #over = false;
  #allEnded = (): void => {};
  #unreachable: string | null = null;

  /** `lateLaneEnded` is called for each lane that ends after `run` has resolved. */
  constructor(vmIds: readonly string[], connections: Connections, lateLaneEnded: () => void) {
    this.samples = new JobSamples(vmIds);
    this.#connections = connections;
    this.#laneEnded = lateLaneEnded;
  }

  /** Why libvirt could not be reached; null: it could. */
  get unreachable(): string | null {
    return this.#unreachable;
  }

  /** Calls that have not come back. */
  get running(): number {
    return this.#running;
  }

  /** Resolves when every lane has ended, and after `waitMs` in any case. From then on no VM is asked. */
  async run(waitMs: number): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#allEnded = resolve;
    });
    const first = Math.min(FIRST_LANES_MAX, Math.ceil(this.samples.left / VMS_PER_LANE));
    for (let lane = 0; lane < first; lane++) this.#begin();
    const deadline = setTimeout(this.#allEnded, waitMs);
    let before = this.samples.left;
    const look = setInterval(() => {
      const { left } = this.samples;
      if (left > 0 && left === before && this.#begun < LANES_MAX) this.#begin();
      before = left;
    }, STUCK_AFTER_MS);
    await ended;
    clearTimeout(deadline);
    clearInterval(look);
    this.#over = true;
    this.samples.close();
  }

  #begin(): void {
    this.#begun += 1;
    this.#running += 1;
    const end = (): void => {
      this.#running -= 1;
      if (this.#over) this.#laneEnded();
      else if (this.#running === 0) this.#allEnded();
    };
    this.#lane().then(end, end);
  }

  async #lane(): Promise<void> {
    for (;;) {
      const before = this.samples.left;
      let reached = false;
      const ended = await this.#connections.untilEnd((connection) => {
        reached = true;
        return this.#on(connection);
      });
      if (ended.kind === "disconnected" && !reached) this.#unreachable = ended.message;
      // A lane that asked nobody would get no further on another connection either.
      if (ended.kind === "ok" || !reached || this.samples.left === before) return;
    }
  }

  async #on(connection: Connection): Promise<void> {
    try {
      await connection.sampleJobs(this.samples);
    } catch (error) {
      this.#connections.abandon(connection);
      throw error;
    }
  }
}
