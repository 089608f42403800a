/**
 * Event subscriptions. C++ knows a subscription only by its number, so that no thread of libvirt's
 * refers to a JavaScript function. Events reach listeners on the JavaScript thread, in the order in
 * which libvirt raised them and in order with the results of calls.
 *
 * An error that a listener throws becomes an uncaught exception, without affecting other listeners or
 * C++.
 */
import { type ConnectionHandle, type NativeEvents, native } from "./abi.ts";
import { ErrorCode, ErrorLevel } from "./constants-error.ts";
import { LibvirtError, settle } from "./errors.ts";

/** Events of domains by kind, as listeners receive them. */
export type DomainEvents = Omit<NativeEvents, "connectionClosed">;
export type DomainEventKind = keyof DomainEvents;

/** The domain that an event is about. */
export interface EventDomain {
  readonly uuid: string;
  readonly name: string;
  /** null: it is not running. */
  readonly id: number | null;
}

const listeners = new Map<number, (payload: never) => void>();
let lastSubscription = 0;

native.initialize((subscription, payload) => {
  // There is none if it was removed while the event was in transit.
  listeners.get(subscription)?.(payload);
});

/** A new subscription number that delivers to `listener`, which must not throw. */
export function subscribe<Kind extends keyof NativeEvents>(
  _kind: Kind,
  listener: (payload: NativeEvents[Kind]) => void,
): number {
  lastSubscription += 1;
  listeners.set(lastSubscription, listener);
  return lastSubscription;
}

/** From now on nothing is delivered, not even events in transit. */
export function unsubscribe(subscription: number): void {
  listeners.delete(subscription);
}

/** Calls a user's listener. An error that it throws becomes an uncaught exception, on a later tick. */
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
 * The events of one kind on one connection, for any number of listeners. One callback is registered
 * with libvirt for as long as there are any.
 */
export class EventSource<Kind extends DomainEventKind> {
  readonly #connection: ConnectionHandle;
  readonly #kind: Kind;
  readonly #listeners = new Set<(event: DomainEvents[Kind]) => void>();
  #subscription: number | undefined;
  #callbackId: number | undefined;
  /** Registrations and deregistrations, one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(connection: ConnectionHandle, kind: Kind) {
    this.#connection = connection;
    this.#kind = kind;
  }

  /** See Connection.onDomainEvent. */
  async listen(listener: (event: DomainEvents[Kind]) => void): Promise<() => Promise<void>> {
    // A new function for each call, so that the same listener may be added twice.
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

  /** The connection is being closed, which also deregisters the callback. */
  end(): void {
    this.#ended = true;
    for (const listener of this.#listeners) this.#forget(listener);
    if (this.#subscription !== undefined) unsubscribe(this.#subscription);
  }

  /** False if it was removed before. */
  #forget(listener: (event: DomainEvents[Kind]) => void): boolean {
    if (!this.#listeners.delete(listener)) return false;
    if (this.#listeners.size === 0) native.releaseProcess();
    return true;
  }

  /** After what is in progress: registers if there are listeners, deregisters if there are none. */
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
      // Listeners added during delivery wait for the next event.
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
