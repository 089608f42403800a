/**
 * One connection to libvirt for one purpose, opened when first needed and again when it broke. Every
 * call has a deadline; a call that outlives it goes on holding its place at libvirtd, which serves
 * five calls of a connection at a time. So a connection on which too many hang is left to them and
 * a new one takes its place.
 */
import { LibvirtError, open, type Connection } from "libvirt";
import type { Log } from "../logger.ts";
import type { CallResult } from "./hypervisor.ts";

/** Of libvirtd's five (max_client_requests). */
export const HANGING_CALLS_MAX = 3;
/** A call not back after this, and again each time, has its connection nudged. */
const NUDGE_EVERY_MS = 25;
/** One may be lost as well. */
const NUDGES_MAX = 2;
const KEEPALIVE_INTERVAL_SECONDS = 5;
const KEEPALIVE_COUNT = 3;

interface Link {
  readonly connection: Connection;
  hangingCalls: number;
  nudges: number;
  broken: boolean;
}

export class Lane {
  readonly #uri: string;
  readonly #log: Log;
  readonly #deadlineMs: () => number;
  /** The connection in use; null while there is none, or one is being opened. */
  #current: Link | null = null;
  #opening: Promise<Link> | null = null;
  #closed = false;

  constructor(name: string, uri: string, log: Log, deadlineMs: () => number) {
    this.#uri = uri;
    this.#log = log.child({ lane: name });
    this.#deadlineMs = deadlineMs;
  }

  /**
   * Makes the call, and says how it went within the deadline. `settled` is called when the call
   * itself is over, however late.
   */
  async run<T>(
    call: (connection: Connection) => Promise<T>,
    settled: () => void = () => {},
  ): Promise<CallResult<T>> {
    return new Promise((resolve) => {
      let late = false;
      let link: Link | null = null;
      let nudging: NodeJS.Timeout | undefined;
      const answered = this.#answer(call, (opened) => {
        link = opened;
        nudging = setInterval(() => nudge(opened), NUDGE_EVERY_MS);
        if (late) this.#hangs(opened);
      });
      const timer = setTimeout(() => {
        late = true;
        if (link !== null) this.#hangs(link);
        resolve({ kind: "noAnswer", late: answered });
      }, this.#deadlineMs());
      void answered.then((result) => {
        clearTimeout(timer);
        clearInterval(nudging);
        if (late && link !== null) link.hangingCalls -= 1;
        settled();
        resolve(result);
      });
    });
  }

  /** Opening counts as part of the call: a libvirtd that accepts and says nothing is no answer. */
  async #answer<T>(
    call: (connection: Connection) => Promise<T>,
    onOpen: (link: Link) => void,
  ): Promise<CallResult<T>> {
    let link: Link;
    try {
      link = await this.#get();
    } catch (error) {
      return { kind: "disconnected", message: messageOf(error) };
    }
    onOpen(link);
    return resultOf(call(link.connection), () => link.broken);
  }

  /** Stops using this connection if it is the lane's: too much hangs on it. */
  leave(connection: Connection): void {
    if (this.#current?.connection !== connection) return;
    this.#log.warn({}, "calls hang, taking a new connection");
    this.#leave(this.#current);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const link = this.#current;
    this.#current = null;
    await link?.connection.close().catch(() => {});
  }

  #get(): Promise<Link> {
    if (this.#closed) return Promise.reject(new Error("the daemon is stopping"));
    if (this.#current !== null) return Promise.resolve(this.#current);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  async #open(): Promise<Link> {
    const connection = await openConnection(this.#uri);
    const link: Link = { connection, hangingCalls: 0, nudges: 0, broken: false };
    connection.onClose((reason) => {
      link.broken = true;
      this.#log.warn({ reason }, "connection to libvirt broke");
      this.#leave(link);
    });
    if (this.#closed || link.broken) {
      this.#leave(link);
      throw new Error("the connection to libvirt did not last");
    }
    this.#current = link;
    return link;
  }

  /** From now on a new connection is used; this one closes when it is let go. */
  #leave(link: Link): void {
    if (this.#current === link) this.#current = null;
    link.connection.close().catch((err: unknown) => {
      this.#log.debug({ err }, "closing a left connection failed");
    });
  }

  #hangs(link: Link): void {
    link.hangingCalls += 1;
    if (link.hangingCalls < HANGING_CALLS_MAX) return;
    this.#log.warn({ hangingCalls: link.hangingCalls }, "calls hang, taking a new connection");
    this.#leave(link);
  }
}

/**
 * Makes libvirt's client look at what waits to be sent. The thread whose call hangs runs the
 * connection's event loop for all; up to libvirt 9.x a request that comes just before that loop is
 * entered does not wake it (virNetClientIOWakeup is g_main_loop_quit, which a loop that does not
 * run yet forgets), so the request of a healthy VM lies there until the next one comes.
 */
function nudge(link: Link): void {
  if (link.nudges >= NUDGES_MAX) return;
  link.nudges += 1;
  void resultOf(link.connection.libVersion(), () => link.broken).finally(() => {
    link.nudges -= 1;
  });
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

/** What a call came to; libvirt's refusals are results, everything else is a defect and thrown on. */
export async function resultOf<T>(call: Promise<T>, broken: () => boolean): Promise<CallResult<T>> {
  try {
    return { kind: "ok", value: await call };
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    if (broken()) return { kind: "disconnected", message: error.libvirtMessage };
    return { kind: "refused", refusal: { code: error.code, message: error.libvirtMessage } };
  }
}

export function messageOf(error: unknown): string {
  if (error instanceof LibvirtError) return error.libvirtMessage;
  return error instanceof Error ? error.message : String(error);
}
