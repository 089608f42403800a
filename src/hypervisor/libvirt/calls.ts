/**
 * At most one call of a kind in flight for a VM, however many ask and however long it hangs.
 *
 * A read that is asked for while the same read is out joins it. A call that changes something is
 * refused as `busy` instead: two different values cannot be one call. Both stay `busy` once the
 * call has outlived its deadline, until libvirt lets go of it.
 */
import type { Connection, Domain } from "libvirt";
import type { CallResult } from "../port.ts";
import type { Connections } from "./connections.ts";

type Call<T> = (domain: Domain, connection: Connection) => Promise<T>;

/** Reads of one kind. */
export class SharedRead<T> {
  readonly #connections: Connections;
  readonly #call: Call<T>;
  /** null: outlived its deadline. */
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

/** Calls of all kinds that change something. */
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
