/**
 * At most one call of a kind in flight for a VM, however many callers there are and however long it
 * hangs.
 *
 * A read that is requested while the same read is in flight shares its answer. A call that changes
 * something is `busy` instead, because it may carry another value. Past its deadline either kind is
 * `busy` until libvirt has returned from the call.
 */
import type { Connection, Domain } from "libvirt";
import type { CallResult } from "../port.ts";
import type { Connections } from "./connections.ts";

type Call<T> = (domain: Domain, connection: Connection) => Promise<T>;

/** Reads of one kind. */
export class SharedRead<T> {
  readonly #connections: Connections;
  readonly #call: Call<T>;
  /** null: past its deadline. */
  readonly #inFlight = new Map<string, Promise<CallResult<T>> | null>();

  constructor(connections: Connections, call: Call<T>) {
    this.#connections = connections;
    this.#call = call;
  }

  ask(vmId: string): Promise<CallResult<T>> {
    const known = this.#inFlight.get(vmId);
    if (known === null) return Promise.resolve({ kind: "busy" });
    if (known !== undefined) return known;
    const asked = this.#ask(vmId);
    this.#inFlight.set(vmId, asked);
    return asked;
  }

  async #ask(vmId: string): Promise<CallResult<T>> {
    const result = await this.#connections.run(
      async (connection) => this.#call(await connection.lookupByUuid(vmId), connection),
      () => this.#inFlight.delete(vmId),
    );
    if (result.kind === "noAnswer") this.#inFlight.set(vmId, null);
    return result;
  }
}

/** Calls that change something, of any kind. */
export class ExclusiveCalls {
  readonly #connections: Connections;
  readonly #inFlight = new Set<string>();

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async make(kind: string, vmId: string, call: Call<void>): Promise<CallResult<null>> {
    const key = `${kind} ${vmId}`;
    if (this.#inFlight.has(key)) return { kind: "busy" };
    this.#inFlight.add(key);
    return this.#connections.run(
      async (connection) => {
        await call(await connection.lookupByUuid(vmId), connection);
        return null;
      },
      () => this.#inFlight.delete(key),
    );
  }
}
