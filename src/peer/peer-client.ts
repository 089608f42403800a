/**
 * One question to another host's daemon: JSON-RPC over HTTP(S), with a deadline, and never more than
 * MAX_ANSWER_BYTES of an answer. It knows nothing of what the answer means; peer.ts does.
 */
import * as http from "node:http";
import * as https from "node:https";

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Empty where the files could not be read: peers will refuse the handshake. */
export interface PeerTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

export type PeerAnswer =
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "error"; readonly code: number; readonly message: string }
  /** No connection, no answer in time, or nothing that is JSON-RPC. */
  | { readonly kind: "silent"; readonly message: string };

export class PeerClient {
  readonly #tls: PeerTls | null;
  readonly #agent: http.Agent;
  #lastId = 0;

  /** `tls` null: plain HTTP, for peers on a trusted or test network. */
  constructor(tls: PeerTls | null) {
    this.#tls = tls;
    this.#agent =
      tls === null
        ? new http.Agent({ keepAlive: true })
        : new https.Agent({
            keepAlive: true,
            ...tls,
            minVersion: "TLSv1.2",
            // As VDSM: any host of the CA is a peer; addresses need not stand in certificates.
            checkServerIdentity: () => undefined,
          });
  }

  /** Never rejects. Settles within `deadlineMs`. */
  ask(
    address: PeerAddress,
    method: string,
    params: Readonly<Record<string, unknown>>,
    deadlineMs: number,
  ): Promise<PeerAnswer> {
    this.#lastId += 1;
    const id = this.#lastId;
    const body = JSON.stringify({ jsonrpc: "2.0", method, params, id });
    return new Promise((resolve) => {
      const silent = (message: string): void => resolve({ kind: "silent", message });
      const signal = AbortSignal.timeout(deadlineMs);
      const request = this.#request(address, body, signal, (response) => {
        collect(response)
          .then((text) => resolve(readAnswer(text, id)))
          .catch((error: unknown) => silent(messageOf(error)));
      });
      request.on("error", (error) =>
        silent(signal.aborted ? `no answer in ${deadlineMs} ms` : error.message),
      );
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #request(
    address: PeerAddress,
    body: string,
    signal: AbortSignal,
    onResponse: (response: http.IncomingMessage) => void,
  ): http.ClientRequest {
    const options = {
      host: address.host,
      port: address.port,
      path: "/jsonrpc",
      method: "POST",
      agent: this.#agent,
      signal,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      },
    };
    return this.#tls === null
      ? http.request(options, onResponse)
      : https.request(options, onResponse);
  }
}

async function collect(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    bytes += buffer.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`answer above ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function readAnswer(text: string, id: number): PeerAnswer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "silent", message: "the answer is not JSON" };
  }
  if (!isObject(value) || value["id"] !== id) {
    return { kind: "silent", message: "the answer is not to the question" };
  }
  const error = value["error"];
  if (isObject(error)) {
    return { kind: "error", code: Number(error["code"]), message: String(error["message"]) };
  }
  return { kind: "result", result: value["result"] };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
