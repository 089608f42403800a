/**
 * Who listens to what: C++ knows a subscription by its number only, so that no JavaScript function
 * is ever held by a thread of libvirt's. Events reach listeners on the JavaScript thread, in the
 * order in which libvirt raised them and in order with the results of calls.
 *
 * A listener that throws is a defect of its owner: the error becomes an uncaught exception, and
 * neither other listeners nor C++ are touched by it.
 */
import { type ConnectionHandle, type NativeEvents, native } from "./abi.ts";
import { ErrorCode, ErrorLevel } from "./constants-error.ts";
import { LibvirtError, settle } from "./errors.ts";

/** The events of domains by kind, as their listeners get them. */
export type DomainEvents = Omit<NativeEvents, "connectionClosed">;
export type DomainEventKind = keyof DomainEvents;

/** The domain as the event names it. */
export interface EventDomain {
  readonly uuid: string;
  readonly name: string;
  /** null: it does not run (any more). */
  readonly id: number | null;
}

const listeners = new Map<number, (payload: never) => void>();
let lastSubscription = 0;

native.initialize((subscription, payload) => {
  // Without a listener it went while the event was on its way.
  listeners.get(subscription)?.(payload);
});

/** A new number that delivers to `listener`, which must not throw; it can be handed to C++ before
 * any event comes. */
export function subscribe<Kind extends keyof NativeEvents>(
  _kind: Kind,
  listener: (payload: NativeEvents[Kind]) => void,
): number {
  lastSubscription += 1;
  listeners.set(lastSubscription, listener);
  return lastSubscription;
}

/** From now on nothing is delivered, not even what is already on its way. */
export function unsubscribe(subscription: number): void {
  listeners.delete(subscription);
}

/** Calls a listener of the user's. What it throws is an uncaught exception, later. */
export function deliver<T>(listener: (value: T) => void, value: T): void {
  try {
    listener(value);
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}

/**
 * The events of one kind on one connection, for any number of listeners. libvirt takes one callback
 * of a kind for each connection, so there is one, for as long as anybody listens.
 */
export class EventSource<Kind extends DomainEventKind> {
  readonly #connection: ConnectionHandle;
  readonly #kind: Kind;
  readonly #listeners = new Set<(event: DomainEvents[Kind]) => void>();
  #subscription: number | undefined;
  #callbackId: number | undefined;
  /** Registering and deregistering, one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(connection: ConnectionHandle, kind: Kind) {
    this.#connection = connection;
    this.#kind = kind;
  }

  /** See Connection.onDomainEvent. */
  async listen(listener: (event: DomainEvents[Kind]) => void): Promise<() => Promise<void>> {
    // One of its own for each call, so that the same function may listen twice.
    const own = (event: DomainEvents[Kind]): void => deliver(listener, event);
    if (this.#listeners.size === 0) native.holdProcess();
    this.#listeners.add(own);
    try {
      await this.#settleRegistration();
      if (this.#ended) throw closedWhileRegistering();
    } catch (error) {
      this.#forget(own);
      throw error;
    }
    return async () => {
      if (this.#forget(own)) await this.#settleRegistration();
    };
  }

  /** The connection is being closed, which takes the callback off by itself. */
  end(): void {
    this.#ended = true;
    for (const listener of this.#listeners) this.#forget(listener);
    if (this.#subscription !== undefined) unsubscribe(this.#subscription);
  }

  /** False if it had gone before. */
  #forget(listener: (event: DomainEvents[Kind]) => void): boolean {
    if (!this.#listeners.delete(listener)) return false;
    if (this.#listeners.size === 0) native.releaseProcess();
    return true;
  }

  /** Once what is under way is done: a callback if anybody listens, none if nobody does. */
  #settleRegistration(): Promise<void> {
    const turn = this.#turn.then(async () => {
      if (this.#listeners.size > 0 && this.#callbackId === undefined) await this.#register();
      else if (this.#listeners.size === 0 && !this.#ended) await this.#deregister();
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #register(): Promise<void> {
    const subscription = subscribe(this.#kind, (event) => {
      // Those that listen now: one that is added meanwhile waits for the next event.
      const current = [...this.#listeners];
      for (const listener of current) {
        if (this.#listeners.has(listener)) listener(event);
      }
    });
    this.#subscription = subscription;
    try {
      const call = native.connectEventRegister(this.#connection, this.#kind, subscription);
      this.#callbackId = await settle("virConnectDomainEventRegisterAny", call);
    } catch (error) {
      unsubscribe(subscription);
      throw error;
    }
  }

  async #deregister(): Promise<void> {
    const callbackId = this.#callbackId;
    if (callbackId === undefined) return;
    this.#callbackId = undefined;
    if (this.#subscription !== undefined) unsubscribe(this.#subscription);
    const call = native.connectEventDeregister(this.#connection, callbackId);
    await settle("virConnectDomainEventDeregisterAny", call);
  }
}

function closedWhileRegistering(): LibvirtError {
  return new LibvirtError("virConnectDomainEventRegisterAny", {
    code: ErrorCode.INVALID_CONN,
    domain: 0,
    level: ErrorLevel.ERROR,
    message: "the connection was closed",
  });
}
