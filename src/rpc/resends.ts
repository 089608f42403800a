/**
 * Requests that arrive twice: run once, answered twice.
 *
 * Both stock clients send a request again with the same id: vdsm-client if CONNECTED came late,
 * vdsm-jsonrpc-java if a reply did. Without this a VM would be migrated twice. The opposite mistake is
 * to answer a new request from memory, so a request counts as the same only if all of this holds: its
 * client is one that resends (STOMP; an HTTP client counts its ids from 1 in every process and is
 * never remembered), recognised by its certificate or by the connection; its id is a UUID, as both
 * stock clients generate them; method and params are identical once parsed; and the first one came
 * within `rememberMs`. While the first is still running, the second waits for the same reply. Memory is
 * bounded for each client, so that no client can displace another's requests.
 */

import { createHash } from "node:crypto";
import type { Clock } from "../clock.ts";
import { uuidPattern } from "../core/uuid.ts";
import type { ResendLimits } from "./limits.ts";

interface Remembered {
  /** Of method and params. */
  readonly digest: string;
  readonly reply: Promise<string | undefined>;
  /** undefined while it runs: it is not forgotten then; requests in flight have their own bound. */
  bytes: number | undefined;
  readonly atMs: number;
}

interface Memory {
  readonly byId: Map<string, Remembered>;
  bytes: number;
}

export interface Resendable {
  readonly id: unknown;
  readonly method: string;
  readonly params: unknown;
}

export class Resends {
  readonly #limits: ResendLimits;
  readonly #clock: Clock;
  /** In the order of last use. */
  readonly #clients = new Map<string, Memory>();

  constructor(limits: ResendLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /**
   * The remembered reply of the same request, or the reply of `run`. **Fails**: as `run` does; nothing
   * is remembered then.
   */
  async once(
    client: string | undefined,
    request: Resendable,
    run: () => Promise<string | undefined>,
    onResend: () => void,
  ): Promise<string | undefined> {
    const { id } = request;
    if (client === undefined || typeof id !== "string" || !uuidPattern.test(id)) return await run();
    const digest = digestOf(request);
    if (digest === undefined) return await run();
    const memory = this.#memoryOf(client);
    const known = memory.byId.get(id);
    if (known !== undefined && known.digest === digest) {
      onResend();
      return await known.reply;
    }
    forget(memory, id);
    const reply = run();
    const entry: Remembered = { digest, reply, bytes: undefined, atMs: this.#clock.monotonicMs() };
    memory.byId.set(id, entry);
    this.#trim(memory);
    try {
      this.#keep(memory, id, entry, await reply);
    } catch {
      if (memory.byId.get(id) === entry) forget(memory, id);
    }
    return await reply;
  }

  #keep(memory: Memory, id: string, entry: Remembered, reply: string | undefined): void {
    if (memory.byId.get(id) !== entry) return;
    const bytes = Buffer.byteLength(reply ?? "");
    if (bytes > this.#limits.replyBytes) {
      forget(memory, id);
      return;
    }
    entry.bytes = bytes;
    memory.bytes += bytes;
    this.#trim(memory);
  }

  #memoryOf(client: string): Memory {
    const memory = this.#clients.get(client) ?? { byId: new Map(), bytes: 0 };
    this.#clients.delete(client);
    this.#clients.set(client, memory);
    for (const oldest of this.#clients.keys()) {
      if (this.#clients.size <= this.#limits.clients) break;
      this.#clients.delete(oldest);
    }
    this.#trim(memory);
    return memory;
  }

  #trim(memory: Memory): void {
    const { rememberMs, requestsPerClient, bytesPerClient } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    for (const [id, { atMs, bytes }] of memory.byId) {
      if (bytes === undefined) continue;
      const isTooMuch = memory.byId.size > requestsPerClient || memory.bytes > bytesPerClient;
      if (!isTooMuch && nowMs - atMs <= rememberMs) break;
      forget(memory, id);
    }
  }
}

function forget(memory: Memory, id: string): void {
  memory.bytes -= memory.byId.get(id)?.bytes ?? 0;
  memory.byId.delete(id);
}

/** undefined: nested deeper than JSON.stringify supports (JSON.parse supports more); not remembered. */
function digestOf({ method, params }: Resendable): string | undefined {
  let text: string;
  try {
    text = JSON.stringify([method, params ?? null]);
  } catch {
    return undefined;
  }
  return createHash("sha256").update(text).digest("base64");
}
