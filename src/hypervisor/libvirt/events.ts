/**
 * The connection that delivers libvirt's events, kept up for the life of the daemon: when it breaks it
 * is reopened, with backoff, and events are registered again. Those missed in the meantime are lost;
 * the scan is the truth.
 */
import type { Connection } from "libvirt";
import type { Log } from "../../logger.ts";
import type { HypervisorEvent } from "../port.ts";
import { jobStatsFromLibvirt } from "./translate/job-stats.ts";
import { guestEventFrom } from "./translate/guest-event.ts";
import { messageOf, openConnection } from "./connections.ts";

const RECONNECT_FIRST_MS = 500;
const RECONNECT_MAX_MS = 10_000;

type Listener = (event: HypervisorEvent) => void;

export class EventStream {
  readonly #uri: string;
  readonly #log: Log;
  #onEvent: Listener = () => {};
  #connection: Connection | null = null;
  #retry: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(uri: string, log: Log) {
    this.#uri = uri;
    this.#log = log.child({ connection: "events" });
  }

  /** Rejects if libvirt cannot be reached at first; later it reconnects by itself. */
  async start(onEvent: Listener): Promise<void> {
    this.#onEvent = onEvent;
    await this.#connect();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#connection?.close();
  }

  async #connect(): Promise<void> {
    const connection = await openConnection(this.#uri);
    try {
      await this.#register(connection);
    } catch (error) {
      await connection.close();
      throw error;
    }
    this.#connection = connection;
    this.#onEvent({ kind: "connected" });
    // Last: until here a break makes this call fail, and its caller tries again. A listener added
    // after a break is told at once.
    connection.onClose((reason) => this.#broke(connection, reason));
  }

  async #register(connection: Connection): Promise<void> {
    await connection.onDomainEvent("migrationIteration", ({ domain, iteration }) =>
      this.#onEvent({ kind: "passBegan", vmId: domain.uuid, pass: iteration }),
    );
    await connection.onDomainEvent("jobCompleted", ({ domain, stats }) =>
      this.#onEvent({
        kind: "jobCompleted",
        vmId: domain.uuid,
        stats: jobStatsFromLibvirt(stats),
      }),
    );
    await connection.onDomainEvent("lifecycle", ({ domain, event, detail }) =>
      this.#onEvent(guestEventFrom(domain.uuid, event, detail)),
    );
  }

  #broke(connection: Connection, reason: string): void {
    if (this.#stopped) return;
    this.#log.error({ reason }, "libvirt's events are lost, reconnecting");
    this.#connection = null;
    connection
      .close()
      .catch((err: unknown) => this.#log.debug({ err }, "closing the connection failed"));
    this.#onEvent({ kind: "disconnected", message: reason });
    this.#reconnectAfter(RECONNECT_FIRST_MS);
  }

  #reconnectAfter(delayMs: number): void {
    this.#retry = setTimeout(() => {
      this.#connect().catch((error: unknown) => {
        if (this.#stopped) return;
        this.#log.warn({ why: messageOf(error), delayMs }, "libvirt still cannot be reached");
        this.#reconnectAfter(Math.min(delayMs * 2, RECONNECT_MAX_MS));
      });
    }, delayMs);
  }
}
