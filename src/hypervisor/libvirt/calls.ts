/** Calls of one domain over connections of one purpose, as the adapters' books have them (in-flight.ts). */
import type { Connection, Domain } from "libvirt";
import { ExclusiveCalls, SharedReads } from "../in-flight.ts";
import type { CallResult } from "../port.ts";
import type { Connections } from "./connections.ts";

type Call<T> = (domain: Domain, connection: Connection) => Promise<T>;

/** Reads of one kind. */
export class SharedRead<T> {
  readonly #connections: Connections;
  readonly #call: Call<T>;
  readonly #reads = new SharedReads();

  constructor(connections: Connections, call: Call<T>) {
    this.#connections = connections;
    this.#call = call;
  }

  ask(vmId: string): Promise<CallResult<T>> {
    return this.#reads.ask(vmId, (settled) =>
      this.#connections.run(
        async (connection) => this.#call(await connection.lookupByUuid(vmId), connection),
        settled,
      ),
    );
  }
}

/** Calls that change something, of any kind. */
export class DomainChanges {
  readonly #connections: Connections;
  readonly #calls = new ExclusiveCalls();

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  make(kind: string, vmId: string, call: Call<void>): Promise<CallResult<null>> {
    return this.#calls.make(`${kind} ${vmId}`, (settled) =>
      this.#connections.run(async (connection) => {
        await call(await connection.lookupByUuid(vmId), connection);
        return null;
      }, settled),
    );
  }
}
