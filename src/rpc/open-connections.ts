/**
 * The open connections of a listener, and which of them is dropped when there are too many.
 *
 * A flood must not shut out clients that have something to say, so a new connection replaces the least
 * active one: first the oldest that is silent (nothing received, or its TLS handshake not done), then
 * the oldest that has begun and not completed a request, then the oldest idle one. An established one
 * is never dropped for it: a WebSocket, a STOMP client that is CONNECTED, a request being answered.
 * The limit of one address is applied first, among its own connections, so that one host cannot push
 * another out. If all are established the new one is refused.
 *
 * It knows no sockets: a connection that is dropped is told to leave.
 */

/** In the order in which they are dropped. */
const stages = ["silent", "begun", "idle", "established"] as const;

export type Stage = (typeof stages)[number];

export interface OpenConnection {
  /** Without the port; undefined where there are none. */
  readonly address: string | undefined;
  stage: Stage;
  /** Closes the connection, which is not counted any more. */
  readonly leave: () => void;
}

export interface ConnectionBounds {
  readonly total: number;
  readonly perAddress: number;
}

export type Added =
  | { readonly kind: "added" }
  /** The one that was dropped for it. */
  | { readonly kind: "evicted"; readonly connection: OpenConnection }
  | { readonly kind: "refused" };

export class OpenConnections {
  readonly #bounds: ConnectionBounds;
  /** The oldest first. */
  readonly #open = new Set<OpenConnection>();
  readonly #byAddress = new Map<string, number>();

  constructor(bounds: ConnectionBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#open.size;
  }

  add(connection: OpenConnection): Added {
    const evicted = this.#makeRoom(connection.address);
    if (evicted === "none") return { kind: "refused" };
    this.#open.add(connection);
    this.#count(connection.address, 1);
    if (evicted === undefined) return { kind: "added" };
    evicted.leave();
    return { kind: "evicted", connection: evicted };
  }

  /** May be called again. */
  remove(connection: OpenConnection): void {
    if (this.#open.delete(connection)) this.#count(connection.address, -1);
  }

  /** undefined: there is room. */
  #makeRoom(address: string | undefined): OpenConnection | undefined | "none" {
    const ofAddress = address === undefined ? 0 : (this.#byAddress.get(address) ?? 0);
    const isAddressFull = ofAddress >= this.#bounds.perAddress;
    if (!isAddressFull && this.#open.size < this.#bounds.total) return undefined;
    const goes = this.#leastOf((connection) => !isAddressFull || connection.address === address);
    if (goes === undefined) return "none";
    this.remove(goes);
    return goes;
  }

  #leastOf(mayGo: (connection: OpenConnection) => boolean): OpenConnection | undefined {
    let least: OpenConnection | undefined;
    for (const connection of this.#open) {
      if (connection.stage === "established" || !mayGo(connection)) continue;
      if (connection.stage === "silent") return connection;
      if (least === undefined || stages.indexOf(connection.stage) < stages.indexOf(least.stage)) {
        least = connection;
      }
    }
    return least;
  }

  #count(address: string | undefined, by: number): void {
    if (address === undefined) return;
    const held = (this.#byAddress.get(address) ?? 0) + by;
    if (held === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, held);
  }
}
