/**
 * Connections to libvirt for one purpose. Each carries one call at a time (the binding's
 * ConnectionPool says why), so a call that hangs costs its own connection and delays no other. Every
 * call has a deadline, opening included; one that outlives it goes on, and what it comes to in the
 * end is not lost.
 */
import { ConnectionPool, LibvirtError, open, type Connection } from "libvirt";
import type { Refusal } from "../../core/refusal.ts";
import type { CallResult } from "../port.ts";
import { refusalFrom } from "./translate/refusal.ts";

/** Enough for as many VMs that hang at once; libvirtd's max_clients is in the thousands. */
const CONNECTIONS_MAX = 32;
const IDLE_MAX = 3;
const KEEPALIVE_INTERVAL_SECONDS = 5;
const KEEPALIVE_COUNT = 3;

export class Lane {
  readonly #deadlineMs: () => number;
  readonly #pool: ConnectionPool;

  constructor(uri: string, deadlineMs: () => number) {
    this.#deadlineMs = deadlineMs;
    this.#pool = new ConnectionPool({
      open: () => openConnection(uri),
      max: CONNECTIONS_MAX,
      idleMax: IDLE_MAX,
    });
  }

  /**
   * Makes the call, and says how it went within the deadline. `settled` is called when the call
   * itself is over, however late.
   */
  run<T>(
    call: (connection: Connection) => Promise<T>,
    settled: () => void = () => {},
  ): Promise<CallResult<T>> {
    const answered = this.#answer(call);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => resolve({ kind: "noAnswer", late: answered }),
        this.#deadlineMs(),
      );
      const end = (tell: () => void): void => {
        clearTimeout(timer);
        settled();
        tell();
      };
      answered.then(
        (result) => end(() => resolve(result)),
        // A defect is the caller's to hear of, and no reason to hold the VM for ever.
        (error: unknown) => end(() => reject(error)),
      );
    });
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #answer<T>(call: (connection: Connection) => Promise<T>): Promise<CallResult<T>> {
    let opened = false;
    try {
      return await this.#pool.use((connection) => {
        opened = true;
        return resultOf(call(connection), () => this.#pool.isBroken(connection));
      });
    } catch (error) {
      // No connection is an answer; anything else is a defect.
      if (opened) throw error;
      return { kind: "disconnected", message: messageOf(error) };
    }
  }
}

/** A connection with keepalive, so that a libvirtd that stands still is noticed. */
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
): Promise<CallResult<T>> {
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
