/**
 * Requests to other hosts' daemons: JSON-RPC, one persistent connection per host, a deadline per
 * request. A peer may refuse a frame and close the connection over it; that must not cost concurrent
 * requests their answers. So a long request gets a connection of its own, and if a shared connection is
 * refused, each request that was pending on it is sent once more on its own. What an answer means is
 * peer.ts's.
 */
import { randomUUID } from "node:crypto";
import type { Silence, SilenceCause } from "../core/destination.ts";
import type { CertificateFacts } from "../tls/judge.ts";
import type { PeerTls, PeerAddress } from "./peer-address.ts";
import { PeerConnection, type Reply } from "./peer-connection.ts";
import { isRecord } from "../core/json.ts";

export type PeerAnswer =
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "error"; readonly code: number; readonly message: string }
  /** The peer closed the connection over this request alone, and said why. */
  | { readonly kind: "rejected"; readonly message: string }
  /** No connection, no answer in time, or something other than JSON-RPC; `message` says which. */
  | { readonly kind: "silent"; readonly cause: SilenceCause; readonly message: string };

/** A longer body gets a connection of its own; only VM.migrationCreate has such bodies. */
const SHARED_BODY_MAX_BYTES = 65_536;

/** The reason appears in the log, the journal and the outcome. */
const REASON_LENGTH_MAX = 1000;

export class PeerClient {
  #tls: PeerTls | null;
  readonly #nowMs: () => number;
  readonly #connectWithinMs: () => number;
  readonly #connections = new Map<string, PeerConnection>();
  /** Each for a single request. */
  readonly #single = new Set<PeerConnection>();

  /** `tls` null: plain TCP, for peers on a trusted or test network. `nowMs` is monotonic. */
  constructor(tls: PeerTls | null, nowMs: () => number, connectWithinMs: () => number) {
    this.#connectWithinMs = connectWithinMs;
    this.#tls = tls;
    this.#nowMs = nowMs;
  }

  /** For new connections; open ones stay. */
  useTls(tls: PeerTls | null): void {
    this.#tls = tls;
    for (const connection of this.#connections.values()) connection.useTls(tls);
  }

  /** Never rejects. Settles within `deadlineMs`. */
  async ask(
    address: PeerAddress,
    method: string,
    params: Readonly<Record<string, unknown>>,
    deadlineMs: number,
  ): Promise<PeerAnswer> {
    const endMs = this.#nowMs() + deadlineMs;
    const id = randomUUID();
    const body = JSON.stringify({ jsonrpc: "2.0", method, params, id });
    const isLong = Buffer.byteLength(body) > SHARED_BODY_MAX_BYTES;
    const connection = isLong ? this.#singleTo(address) : this.#to(address);
    const answer = await this.#askOn(connection, id, body, deadlineMs);
    if (answer !== "rejected with others") return answer;
    // With the same id, so that a daemon that has handled it already does not repeat it.
    const again = await this.#askOn(this.#singleTo(address), id, body, endMs - this.#nowMs());
    return again === "rejected with others" ? noAnswer("it refuses every request") : again;
  }

  async #askOn(
    connection: PeerConnection,
    id: string,
    body: string,
    deadlineMs: number,
  ): Promise<PeerAnswer | "rejected with others"> {
    const reply = await within(connection.ask(id, body), deadlineMs);
    if (reply === null) connection.giveUp(id);
    const late = connection.late(deadlineMs);
    if (this.#single.delete(connection)) connection.close();
    if (reply === null) return silentAnswer(late);
    switch (reply.kind) {
      case "body":
        return readAnswer(reply.body);
      case "broken":
        return silentAnswer(reply.silence);
      case "rejected":
        return reply.alone ? { kind: "rejected", message: reply.message } : "rejected with others";
    }
  }

  /** The certificate of that host at the last connection. */
  certificateOf(address: PeerAddress): CertificateFacts | undefined {
    return this.#connections.get(keyOf(address))?.certificate;
  }

  /** Drops the connection to a host that is no longer used. */
  forget({ host, port }: PeerAddress): void {
    const key = keyOf({ host, port });
    this.#connections.get(key)?.close();
    this.#connections.delete(key);
  }

  close(): void {
    for (const connection of [...this.#connections.values(), ...this.#single]) connection.close();
    this.#connections.clear();
    this.#single.clear();
  }

  #singleTo(address: PeerAddress): PeerConnection {
    const connection = this.#open(address);
    this.#single.add(connection);
    return connection;
  }

  #open(address: PeerAddress): PeerConnection {
    return new PeerConnection(address, this.#tls, this.#nowMs, this.#connectWithinMs);
  }

  #to(address: PeerAddress): PeerConnection {
    const key = keyOf(address);
    const connection = this.#connections.get(key) ?? this.#open(address);
    this.#connections.set(key, connection);
    return connection;
  }
}

function keyOf({ host, port }: PeerAddress): string {
  return `${host} ${port}`;
}

/** null: too late. */
function within(reply: Promise<Reply>, deadlineMs: number): Promise<Reply | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), deadlineMs);
    void reply.then((answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}

function silentAnswer({ cause, text }: Silence): PeerAnswer {
  return { kind: "silent", cause, message: text };
}

function noAnswer(message: string): PeerAnswer {
  return { kind: "silent", cause: "notADaemon", message };
}

function readAnswer(text: string): PeerAnswer {
  const value: unknown = JSON.parse(text);
  const answer: unknown = Array.isArray(value) ? value[0] : value;
  if (!isRecord(answer)) return noAnswer("the answer is not JSON-RPC");
  const error = answer["error"];
  if (isRecord(error)) {
    const { code, message } = error;
    // Nothing is converted: an object with a `toString` of its own from JSON would throw.
    if (typeof code !== "number") return noAnswer("its error has no code");
    const reason = typeof message === "string" ? message : "no reason";
    return { kind: "error", code, message: reason.slice(0, REASON_LENGTH_MAX) };
  }
  return { kind: "result", result: answer["result"] };
}
