/**
 * Connections that carry one call at a time each.
 *
 * libvirt allows several threads to share a connection. Up to 9.x its client has trouble with that:
 * while one thread's call hangs, another's request can remain unsent, and when a hung libvirtd resumes,
 * a thread can follow a pointer into the stack of one that has ended (seen with 9.0: SIGSEGV in
 * g_main_loop_quit). One call at a time avoids both, and a call that hangs occupies its own connection
 * alone.
 */
import type { Connection } from "libvirt";

export interface ConnectionPoolOptions {
  readonly open: () => Promise<Connection>;
  /** Connections at a time; further calls wait for one. */
  readonly max: number;
  /** Connections kept open while they are not used. */
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
   * Makes the call on a connection that nothing else uses meanwhile. Rejects with what the call
   * rejects with, with what opening rejects with, or because the pool is closed.
   */
  async use<T>(call: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#take();
    try {
      return await call(connection);
    } finally {
      this.#giveBack(connection);
    }
  }

  /** The connection broke: that is why a call on it failed, whatever the call's error says. */
  isBroken(connection: Connection): boolean {
    return this.#broken.has(connection);
  }

  /** A call has found it lost, before anybody was told. It is not used again. */
  abandon(connection: Connection): void {
    this.#broke(connection);
  }

  /** Idle connections are closed now, others when their call has returned. Never rejects. */
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
      this.#release();
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

  #drop(connection: Connection): void {
    void connection.close();
    this.#release();
  }

  /** There is one connection less: a call that is waiting gets a new one. */
  #release(): void {
    this.#count -= 1;
    const next = this.#closed ? undefined : this.#waiting.shift();
    if (next !== undefined) this.#open().then(next.resolve, next.reject);
  }
}
