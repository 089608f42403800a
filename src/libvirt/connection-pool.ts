/**
 * Connections that carry one call at a time each.
 *
 * libvirt lets several threads call over one connection. Up to 9.x its client then loses wake-ups (a
 * request lies unsent while another thread's call hangs) and can dereference a frame of a thread that
 * is gone (seen: SIGSEGV in g_main_loop_quit when a libvirtd that hung came back). One call at a time
 * avoids both, and a call that hangs costs its own connection alone.
 */
import type { Connection } from "./connection.ts";

export interface ConnectionPoolOptions {
  readonly open: () => Promise<Connection>;
  /** Connections at a time; further calls wait for one. */
  readonly max: number;
  /** As many are kept open while nobody calls. */
  readonly idleMax: number;
}

type Waiting = {
  readonly resolve: (connection: Connection) => void;
  readonly reject: (error: unknown) => void;
};

export class ConnectionPool {
  readonly #options: ConnectionPoolOptions;
  readonly #idle: Connection[] = [];
  readonly #broken = new WeakSet<Connection>();
  readonly #waiting: Waiting[] = [];
  #count = 0;
  #closed = false;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
  }

  /** Connections that are open or being opened, idle ones included. */
  get size(): number {
    return this.#count;
  }

  /**
   * Makes the call on a connection that nobody else uses meanwhile. Rejects with what the call
   * rejects with, with what opening rejects with, or once the pool is closed.
   */
  async use<T>(call: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#take();
    try {
      return await call(connection);
    } finally {
      this.#giveBack(connection);
    }
  }

  /** Whether this connection broke: a call on it failed for that, whatever its error says. */
  isBroken(connection: Connection): boolean {
    return this.#broken.has(connection);
  }

  /** Idle connections are closed now, others when their call is back. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error("the pool is closed"));
    await Promise.all(this.#idle.splice(0).map((connection) => connection.close()));
  }

  async #take(): Promise<Connection> {
    if (this.#closed) throw new Error("the pool is closed");
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#count < this.#options.max) return this.#open();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  async #open(): Promise<Connection> {
    this.#count += 1;
    try {
      const connection = await this.#options.open();
      connection.onClose(() => this.#broke(connection));
      return connection;
    } catch (error) {
      this.#count -= 1;
      throw error;
    }
  }

  #broke(connection: Connection): void {
    this.#broken.add(connection);
    const at = this.#idle.indexOf(connection);
    if (at < 0) return;
    this.#idle.splice(at, 1);
    this.#drop(connection);
  }

  #giveBack(connection: Connection): void {
    const next = this.#broken.has(connection) ? undefined : this.#waiting.shift();
    if (next !== undefined) {
      next.resolve(connection);
    } else if (
      this.#closed ||
      this.#broken.has(connection) ||
      this.#idle.length >= this.#options.idleMax
    ) {
      this.#drop(connection);
    } else {
      this.#idle.push(connection);
    }
  }

  /** Its place is free: whoever waits gets a new connection. */
  #drop(connection: Connection): void {
    this.#count -= 1;
    void connection.close();
    const next = this.#closed ? undefined : this.#waiting.shift();
    if (next !== undefined) this.#open().then(next.resolve, next.reject);
  }
}
