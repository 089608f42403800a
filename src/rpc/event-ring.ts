/**
 * Recent events, numbered, for clients that were disconnected: `Host.getEvents` reads them here.
 *
 * Numbers start at 1 with the host's boot and continue when the daemon is restarted, since its journal
 * has them. `epoch` names the run of numbers, so that a client that returns can tell a new run from a
 * long silence. An event's number is not among its params on the wire, where the engine takes every
 * key for a VM; STOMP has it in message-id. The ring is bounded in count and bytes and reports when
 * something that is asked for is gone. Of a VM's progress only the last is kept, as it says all that the
 * others said: so hours of stalls and ends fit in.
 */

import { randomUUID } from "node:crypto";
import type { NumberedEvent } from "../monitor/service.ts";
import type { EventMessage } from "../wire/event-message.ts";
import type { RecentEvents } from "../wire/verbs.ts";
import { defaultRpcLimits, type EventLimits } from "./limits.ts";

/** The run of numbers that an earlier daemon had begun, with the events it still had. */
export interface NumberedBefore {
  readonly epoch: string | null;
  readonly nextSeq: number;
  readonly events: readonly NumberedEvent[];
}

/** In the method of VM_migration_status. */
const PROGRESS = "|VM_migration_status|";

interface Kept {
  readonly event: NumberedEvent;
  readonly bytes: number;
}

export class EventRing {
  readonly #limits: EventLimits;
  /** The kept events by number, oldest first. */
  readonly #kept = new Map<number, Kept>();
  /** Numbers of the last VM_migration_status of each VM, by method: that names the VM, too. */
  readonly #progress = new Map<string, number>();
  /** Below this number something is lost that nothing later says. */
  #lostBelow = 1;
  #epoch: string = randomUUID();
  #bytes = 0;
  #next = 1;

  constructor(limits: EventLimits = defaultRpcLimits.events) {
    this.#limits = limits;
  }

  /**
   * Continues the numbers of an earlier daemon; only before anything is numbered or read here.
   * **Fails**: Error afterwards.
   */
  restore({ epoch, nextSeq, events }: NumberedBefore): void {
    if (this.#next !== 1) throw new Error("events have been numbered already");
    this.#epoch = epoch ?? this.#epoch;
    for (const event of events) this.#keep(event);
    this.#next = Math.max(this.#next, nextSeq);
    // What came before the first that the journal has is unknown.
    this.#lostBelow = Math.max(this.#lostBelow, events[0]?.seq ?? nextSeq);
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
    this.#supersede(event);
    const bytes = Buffer.byteLength(JSON.stringify(event));
    this.#next = event.seq + 1;
    this.#kept.set(event.seq, { event, bytes });
    this.#bytes += bytes;
    for (const seq of this.#kept.keys()) {
      if (this.#kept.size <= this.#limits.count && this.#bytes <= this.#limits.bytes) break;
      this.#drop(seq);
      this.#lostBelow = seq + 1;
    }
  }

  #supersede({ method, seq }: NumberedEvent): void {
    if (!method.includes(PROGRESS)) return;
    const before = this.#progress.get(method);
    if (before !== undefined) this.#drop(before);
    this.#progress.set(method, seq);
  }

  #drop(seq: number): void {
    const dropped = this.#kept.get(seq);
    if (dropped === undefined) return;
    this.#kept.delete(seq);
    this.#bytes -= dropped.bytes;
    const { method } = dropped.event;
    if (this.#progress.get(method) === seq) this.#progress.delete(method);
  }

  /**
   * The kept events from number `since` on. `gone`: some of those asked for are missing, because they
   * are no longer kept or because `since` belongs to another run (by its epoch, or because it is ahead
   * of us); for another run everything kept is returned. `next` is the `since` to ask with later. A
   * client that also listens to live events may see one twice and misses none.
   */
  read(since: number, epoch?: string): RecentEvents {
    const first = this.#kept.keys().next().value ?? this.#next;
    const isOtherRun = (epoch !== undefined && epoch !== this.#epoch) || since > this.#next;
    const from = isOtherRun ? 0 : since;
    return {
      epoch: this.#epoch,
      first,
      next: this.#next,
      gone: isOtherRun || Math.max(since, 1) < this.#lostBelow,
      events: [...this.#kept.values()].flatMap(({ event }) => (event.seq >= from ? [event] : [])),
    };
  }
}
