/**
 * Which connections a listener accepts, and what is logged about it: `OpenConnections` with sockets. A
 * connection is known here from accept on, before TLS; the one that TLS makes of it has the same two
 * addresses, by which its entry is found.
 */

import type { Socket } from "node:net";
import { addressOf, hostOf } from "./client.ts";
import type { LogThrottle } from "./log-throttle.ts";
import { type ConnectionBounds, type OpenConnection, OpenConnections } from "./open-connections.ts";

export class ConnectionLimits {
  readonly #log: LogThrottle;
  readonly #listener: string;
  readonly #open: OpenConnections;
  readonly #byAddress = new Map<string, OpenConnection>();

  /** `listener` is its name for the log. */
  constructor(log: LogThrottle, listener: string, bounds: ConnectionBounds) {
    this.#log = log;
    this.#listener = listener;
    this.#open = new OpenConnections(bounds);
  }

  /** undefined: the connection has been refused and closed. */
  accept(socket: Socket): OpenConnection | undefined {
    const isTcp = socket.remoteAddress !== undefined;
    const client = isTcp ? addressOf(socket) : "unix";
    const entry: OpenConnection = {
      address: isTcp ? hostOf(socket) : undefined,
      stage: "silent",
      leave: () => socket.destroy(),
    };
    const added = this.#open.add(entry);
    const fields = { client, listener: this.#listener };
    if (added.kind === "refused") {
      this.#log.say("warn", this.#listener, fields, "too many connections, refused one");
      socket.destroy();
      return undefined;
    }
    if (added.kind === "evicted") {
      const { stage, address } = added.connection;
      const dropped = { ...fields, dropped: address ?? "unix", stage };
      this.#log.say(
        "warn",
        this.#listener,
        dropped,
        "too many connections, dropped the least active",
      );
    }
    if (isTcp) this.#byAddress.set(client, entry);
    socket.once("close", () => {
      this.#open.remove(entry);
      if (this.#byAddress.get(client) === entry) this.#byAddress.delete(client);
    });
    return entry;
  }

  /** The entry of the connection that TLS has made; undefined if it was dropped in the meantime. */
  entryOf(secured: Socket): OpenConnection | undefined {
    return this.#byAddress.get(addressOf(secured));
  }
}
