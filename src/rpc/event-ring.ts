/**
 * The events of late, numbered, for whoever was not there: `Host.getEvents` reads them here.
 *
 * Numbers begin at 1 in each run of the daemon, and `epoch` names the run, so that a client which
 * comes back can tell a restart from a long silence. Events on the wire carry no number among their
 * params, where engine takes each key for a VM; STOMP has it in message-id. The ring is bounded in
 * count and bytes and says when something asked for is gone.
 */

import { randomUUID } from "node:crypto";
import type { MonitorEvent, WireObject } from "../monitor/service.ts";
import { defaultRpcLimits, type EventLimits } from "./limits.ts";

export interface NumberedEvent extends MonitorEvent {
  readonly seq: number;
}

interface Kept {
  readonly event: NumberedEvent;
  readonly bytes: number;
}

export class EventRing {
  /** This run of the daemon. */
  readonly epoch: string = randomUUID();
  readonly #limits: EventLimits;
  /** Kept ones by number: without gaps, the oldest first. */
  readonly #kept = new Map<number, Kept>();
  #bytes = 0;
  #next = 1;

  constructor(limits: EventLimits = defaultRpcLimits.events) {
    this.#limits = limits;
  }

  add({ method, params }: MonitorEvent): NumberedEvent {
    const event = { seq: this.#next, method, params };
    const bytes = Buffer.byteLength(JSON.stringify(event));
    this.#next += 1;
    this.#kept.set(event.seq, { event, bytes });
    this.#bytes += bytes;
    for (const [seq, oldest] of this.#kept) {
      if (this.#kept.size <= this.#limits.count && this.#bytes <= this.#limits.bytes) break;
      this.#kept.delete(seq);
      this.#bytes -= oldest.bytes;
    }
    return event;
  }

  /**
   * The kept events from number `since` on. `gone`: some of those asked for are not among them, since
   * they are no longer kept, or `since` is of another run, by its epoch or because it lies ahead of
   * us; of another run's number everything kept is given. `next` is the `since` to ask with later.
   * Asked again after `next`, with live events in between, a client may see one twice and misses none.
   */
  read(since: number, epoch?: string): WireObject {
    const first = this.#next - this.#kept.size;
    const isOtherRun = (epoch !== undefined && epoch !== this.epoch) || since > this.#next;
    const from = isOtherRun ? 0 : since;
    return {
      epoch: this.epoch,
      first,
      next: this.#next,
      gone: isOtherRun || Math.max(since, 1) < first,
      events: [...this.#kept.values()].flatMap(({ event }) => (event.seq >= from ? [event] : [])),
    };
  }
}
