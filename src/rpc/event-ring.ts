/**
 * The events of late, numbered, for whoever was not there: `Host.getEvents` reads them here.
 *
 * Numbers begin at 1 with the host's boot and go on over a restart of the daemon, whose journal has
 * them; `epoch` names the run of numbers, so that a client which comes back can tell a new run from a
 * long silence. Events on the wire carry no number among their
 * params, where engine takes each key for a VM; STOMP has it in message-id. The ring is bounded in
 * count and bytes and says when something asked for is gone.
 */

import { randomUUID } from "node:crypto";
import type { NumberedEvent } from "../monitor/service.ts";
import type { EventMessage } from "../wire/event-message.ts";
import type { RecentEvents } from "../wire/verbs.ts";
import { defaultRpcLimits, type EventLimits } from "./limits.ts";

/** The run of numbers that a daemon which was killed had begun, with the events it still had. */
export interface NumberedBefore {
  readonly epoch: string | null;
  readonly nextSeq: number;
  readonly events: readonly NumberedEvent[];
}

interface Kept {
  readonly event: NumberedEvent;
  readonly bytes: number;
}

export class EventRing {
  readonly #limits: EventLimits;
  /** Kept ones by number, the oldest first. */
  readonly #kept = new Map<number, Kept>();
  #epoch: string = randomUUID();
  #bytes = 0;
  #next = 1;

  constructor(limits: EventLimits = defaultRpcLimits.events) {
    this.#limits = limits;
  }

  /**
   * What a daemon that ran before had numbered, to go on from; before anything is numbered or read
   * here. **Fails**: Error afterwards.
   */
  restore({ epoch, nextSeq, events }: NumberedBefore): void {
    if (this.#next !== 1) throw new Error("events have been numbered already");
    this.#epoch = epoch ?? this.#epoch;
    for (const event of events) this.#keep(event);
    this.#next = Math.max(this.#next, nextSeq);
  }

  /** This run of numbers. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Number of the next event. */
  get next(): number {
    return this.#next;
  }

  add({ method, params }: EventMessage): NumberedEvent {
    const event = { seq: this.#next, method, params };
    this.#keep(event);
    return event;
  }

  #keep(event: NumberedEvent): void {
    const bytes = Buffer.byteLength(JSON.stringify(event));
    this.#next = event.seq + 1;
    this.#kept.set(event.seq, { event, bytes });
    this.#bytes += bytes;
    for (const [seq, oldest] of this.#kept) {
      if (this.#kept.size <= this.#limits.count && this.#bytes <= this.#limits.bytes) break;
      this.#kept.delete(seq);
      this.#bytes -= oldest.bytes;
    }
  }

  /**
   * The kept events from number `since` on. `gone`: some of those asked for are not among them, since
   * they are no longer kept, or `since` is of another run, by its epoch or because it lies ahead of
   * us; of another run's number everything kept is given. `next` is the `since` to ask with later.
   * Asked again after `next`, with live events in between, a client may see one twice and misses none.
   */
  read(since: number, epoch?: string): RecentEvents {
    const first = this.#kept.keys().next().value ?? this.#next;
    const isOtherRun = (epoch !== undefined && epoch !== this.#epoch) || since > this.#next;
    const from = isOtherRun ? 0 : since;
    return {
      epoch: this.#epoch,
      first,
      next: this.#next,
      gone: isOtherRun || Math.max(since, 1) < first,
      events: [...this.#kept.values()].flatMap(({ event }) => (event.seq >= from ? [event] : [])),
    };
  }
}
