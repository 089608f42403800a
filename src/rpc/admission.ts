/**
 * Who gets a place at a door, and what is said of it: `Places` with sockets. A connection is known
 * here from accept on, before TLS; the one that TLS makes of it has the same two addresses, by which
 * its place is found.
 */

import type { Socket } from "node:net";
import { addressOf, hostOf } from "./client.ts";
import type { LogThrottle } from "./log-throttle.ts";
import { type Place, type PlaceLimits, Places } from "./places.ts";

export class Admission {
  readonly #log: LogThrottle;
  readonly #door: string;
  readonly #places: Places;
  readonly #byAddress = new Map<string, Place>();

  /** `door` is its name for the log. */
  constructor(log: LogThrottle, door: string, limits: PlaceLimits) {
    this.#log = log;
    this.#door = door;
    this.#places = new Places(limits);
  }

  /** undefined: it has been refused and is ended. */
  admit(socket: Socket): Place | undefined {
    const isTcp = socket.remoteAddress !== undefined;
    const client = isTcp ? addressOf(socket) : "unix";
    const place: Place = {
      address: isTcp ? hostOf(socket) : undefined,
      stage: "silent",
      leave: () => socket.destroy(),
    };
    const taken = this.#places.take(place);
    const fields = { client, door: this.#door };
    if (taken.kind === "refused") {
      this.#log.say("warn", this.#door, fields, "too many connections, one refused");
      socket.destroy();
      return undefined;
    }
    if (taken.kind === "evicted") {
      const { stage, address } = taken.place;
      const ended = { ...fields, ended: address ?? "unix", stage };
      this.#log.say("warn", this.#door, ended, "too many connections, the quietest ended");
    }
    if (isTcp) this.#byAddress.set(client, place);
    socket.once("close", () => {
      this.#places.free(place);
      if (this.#byAddress.get(client) === place) this.#byAddress.delete(client);
    });
    return place;
  }

  /** The place of the connection that TLS has made; undefined if it has lost it meanwhile. */
  placeOf(secured: Socket): Place | undefined {
    return this.#byAddress.get(addressOf(secured));
  }
}
