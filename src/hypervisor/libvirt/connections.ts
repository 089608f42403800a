/**
 * Connections to libvirt for one purpose, and calls over them as the port's results. Each connection
 * carries one call at a time (connection-pool.ts says why), so a call that hangs occupies its own
 * connection and delays no other. A call with a deadline goes on after it, and what it comes to in the
 * end is not lost.
 */
import { LibvirtError, open, type Connection } from "libvirt";
import type { Refusal } from "../../core/refusal.ts";
import { type EndedCall, withinDeadline } from "../in-flight.ts";
import type { CallResult } from "../port.ts";
import { ConnectionPool } from "./connection-pool.ts";
import { refusalFrom } from "./translate/refusal.ts";

/** As many VMs may hang at once; libvirtd's max_clients is in the thousands. */
const CONNECTIONS_MAX = 32;
const KEEPALIVE_INTERVAL_SECONDS = 5;
const KEEPALIVE_COUNT = 3;

export interface ConnectionsOptions {
  readonly uri: string;
  readonly deadlineMs: () => number;
  /** Connections kept open while they are not used. */
  readonly idleMax: number;
}

export class Connections {
  readonly #deadlineMs: () => number;
  readonly #pool: ConnectionPool;

  constructor({ uri, deadlineMs, idleMax }: ConnectionsOptions) {
    this.#deadlineMs = deadlineMs;
    this.#pool = new ConnectionPool({
      open: () => openConnection(uri),
      max: CONNECTIONS_MAX,
      idleMax,
    });
  }

  /**
   * Makes the call, and says what it came to within the deadline, which includes opening a connection.
   * `settled` is called when the call itself has ended, however late.
   */
  run<T>(
    call: (connection: Connection) => Promise<T>,
    settled: () => void = () => {},
  ): Promise<CallResult<T>> {
    return withinDeadline(this.untilEnd(call), this.#deadlineMs(), settled);
  }

  /** Makes the call, however long it takes. */
  async untilEnd<T>(call: (connection: Connection) => Promise<T>): Promise<EndedCall<T>> {
    let opened = false;
    try {
      return await this.#pool.use((connection) => {
        opened = true;
        return resultOf(call(connection), () => this.#pool.isBroken(connection));
      });
    } catch (error) {
      // That there is no connection is a result; anything else is a defect.
      if (opened) throw error;
      return { kind: "disconnected", message: messageOf(error) };
    }
  }

  /** For a call that has found its connection lost: it is not used again. */
  abandon(connection: Connection): void {
    this.#pool.abandon(connection);
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }
}

/** A connection with keepalive, so that a libvirtd that hangs is noticed. */
export async function openConnection(uri: string): Promise<Connection> {
  const connection = await open(uri);
  try {
    await connection.setKeepAlive(KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_COUNT);
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** What a call came to: libvirt's errors are results; anything else is a defect and is rethrown. */
export async function resultOf<T>(
  call: Promise<T>,
  broken: () => boolean,
  refusal: (error: LibvirtError) => Refusal = refusalFrom,
): Promise<EndedCall<T>> {
  try {
    return { kind: "ok", value: await call };
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    if (broken()) return { kind: "disconnected", message: error.libvirtMessage };
    return { kind: "refused", refusal: refusal(error) };
  }
}

export function messageOf(error: unknown): string {
  if (error instanceof LibvirtError) return error.libvirtMessage;
  return error instanceof Error ? error.message : String(error);
}
