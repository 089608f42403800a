/**
 * The places of a door: which connection must go when there are too many.
 *
 * A flood must not shut out whoever has something to say, so a new connection takes the place of one
 * that has said the least: first the oldest that is silent (nothing received, or its TLS handshake
 * not done), then the oldest that has begun and not come to a request, then the oldest idle one.
 * An established one is never ended for it: a WebSocket, a STOMP client that is CONNECTED, a request
 * being answered. The limit of one address comes first, and is made room for among its own, so that
 * one host cannot cost another its place. With nothing but established ones the new one is refused.
 *
 * It knows no sockets: who holds a place is told to leave.
 */

/** In the order in which they go. */
const stages = ["silent", "begun", "idle", "established"] as const;

export type Stage = (typeof stages)[number];

export interface Place {
  /** Without the port; undefined where there are none. */
  readonly address: string | undefined;
  stage: Stage;
  /** Ends the connection; the place is free already. */
  readonly leave: () => void;
}

export interface PlaceLimits {
  readonly total: number;
  readonly perAddress: number;
}

export type Taken =
  | { readonly kind: "free" }
  /** Whose place it was. */
  | { readonly kind: "evicted"; readonly place: Place }
  | { readonly kind: "refused" };

export class Places {
  readonly #limits: PlaceLimits;
  /** The oldest first. */
  readonly #held = new Set<Place>();
  readonly #byAddress = new Map<string, number>();

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#held.size;
  }

  take(place: Place): Taken {
    const evicted = this.#makeRoom(place.address);
    if (evicted === "none") return { kind: "refused" };
    this.#held.add(place);
    this.#count(place.address, 1);
    if (evicted === undefined) return { kind: "free" };
    evicted.leave();
    return { kind: "evicted", place: evicted };
  }

  /** May be called again. */
  free(place: Place): void {
    if (this.#held.delete(place)) this.#count(place.address, -1);
  }

  /** undefined: there is room. */
  #makeRoom(address: string | undefined): Place | undefined | "none" {
    const ofAddress = address === undefined ? 0 : (this.#byAddress.get(address) ?? 0);
    const isAddressFull = ofAddress >= this.#limits.perAddress;
    if (!isAddressFull && this.#held.size < this.#limits.total) return undefined;
    const goes = this.#leastOf((place) => !isAddressFull || place.address === address);
    if (goes === undefined) return "none";
    this.free(goes);
    return goes;
  }

  #leastOf(mayGo: (place: Place) => boolean): Place | undefined {
    let least: Place | undefined;
    for (const place of this.#held) {
      if (place.stage === "established" || !mayGo(place)) continue;
      if (place.stage === "silent") return place;
      if (least === undefined || stages.indexOf(place.stage) < stages.indexOf(least.stage)) {
        least = place;
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
