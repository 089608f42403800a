/**
 * The destinations of this host: a Peer for each address in use, and the addresses at which a daemon has
 * ever answered.
 */
import type { Log } from "../logger.ts";
import type { PeerAddress } from "./peer-address.ts";
import type { PeerClient } from "./peer-client.ts";
import { Peer, type PeerTimes } from "./peer.ts";

/** A destination that has been unused for this long is dropped. */
const UNUSED_KEPT_MS = 60_000;
/** Far more destinations than any host has. */
const REACHED_KEPT_MAX = 10_000;

function keyOf({ host, port }: PeerAddress): string {
  return `${host} ${port}`;
}

/** The destinations in use, one Peer for each address. */
export class Peers {
  readonly #client: PeerClient;
  readonly #log: Log;
  readonly #times: PeerTimes;
  readonly #peers = new Map<string, Peer>();
  /** Includes addresses whose Peer has been dropped since. */
  readonly #reached = new Set<string>();
  readonly #forgetting: NodeJS.Timeout;

  constructor(client: PeerClient, log: Log, times: PeerTimes) {
    this.#client = client;
    this.#log = log;
    this.#times = times;
    // A timer of its own: a host without outgoing migrations has no monitoring cycles.
    this.#forgetting = setInterval(() => this.#forgetUnused(), UNUSED_KEPT_MS);
    this.#forgetting.unref();
  }

  get(address: PeerAddress): Peer {
    const key = keyOf(address);
    const peer = this.#peers.get(key) ?? new Peer(address, this.#client, this.#log, this.#times);
    peer.reached ||= this.#reached.has(key);
    peer.usedAtMs = this.#times.nowMs();
    this.#peers.set(key, peer);
    return peer;
  }

  /** A daemon there answered this daemon before it was restarted. */
  noteReached(address: PeerAddress): void {
    const key = keyOf(address);
    if (this.#reached.size < REACHED_KEPT_MAX) this.#reached.add(key);
    const peer = this.#peers.get(key);
    if (peer !== undefined) peer.reached = true;
  }

  /** Drops those that are unused: their answers are stale. */
  #forgetUnused(): void {
    const nowMs = this.#times.nowMs();
    for (const [key, peer] of this.#peers) {
      if (nowMs - peer.usedAtMs <= UNUSED_KEPT_MS) continue;
      if (peer.reached) this.noteReached(peer.address);
      this.#peers.delete(key);
      this.#client.forget(peer.address);
    }
  }

  close(): void {
    clearInterval(this.#forgetting);
    this.#client.close();
  }
}
