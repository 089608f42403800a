/**
 * JSON-RPC as HTTP POST /jsonrpc: what a request must look like before its body is read.
 *
 * Origin is checked first (origin.ts): one that is not the daemon's own gets 403 before anything is
 * parsed. Programs send none and may call the host by any name. Nothing here knows JSON-RPC; the
 * dispatcher gets bytes.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Client } from "./client.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { RpcLimits } from "./limits.ts";
import { isOwnOrigin, reachedBy } from "./origin.ts";
import type { ListenerKind } from "./roles.ts";

/** The listener that a connection came through. */
export interface ListenerFacts {
  readonly kind: ListenerKind;
  /** Origins besides the listener's own address, e.g. `https://host.example:54321`. */
  readonly ownOrigins: readonly string[];
}

export interface Refused {
  readonly status: number;
  readonly reason: string;
}

const PATH = "/jsonrpc";

/** application/json, and what JSON-RPC over HTTP has called it. No page may send any unasked. */
const JSON_TYPES: ReadonlySet<string> = new Set([
  "application/json",
  "application/json-rpc",
  "application/jsonrequest",
]);

/** Shared by POST and WebSocket: the origin, before anything else. */
export function checkOrigin(
  request: IncomingMessage,
  listener: ListenerFacts,
): Refused | undefined {
  const origins = request.headersDistinct["origin"] ?? [];
  if (origins.length === 0) return undefined;
  const reached = reachedBy(request, listener.kind, listener.ownOrigins);
  if (origins.every((origin) => isOwnOrigin(origin, reached))) return undefined;
  return { status: 403, reason: "requests from web pages are refused" };
}

export function checkPath(request: IncomingMessage): Refused | undefined {
  const path = request.url?.split("?", 1)[0];
  return path === PATH ? undefined : { status: 404, reason: `there is only ${PATH}` };
}

function checkPost(request: IncomingMessage, limits: RpcLimits): Refused | undefined {
  const wrongPath = checkPath(request);
  if (wrongPath !== undefined) return wrongPath;
  if (request.method !== "POST") return { status: 405, reason: "only POST" };
  if (!isJson(request.headers["content-type"])) {
    return { status: 415, reason: "content-type must be application/json in UTF-8" };
  }
  if ((request.headers["content-encoding"] ?? "identity") !== "identity") {
    return { status: 415, reason: "no content-encoding" };
  }
  const length = Number(request.headers["content-length"] ?? 0);
  return length > limits.messageBytes ? tooLarge(limits) : undefined;
}

function tooLarge({ messageBytes }: RpcLimits): Refused {
  return { status: 413, reason: `a message has at most ${messageBytes} bytes` };
}

function isJson(contentType: string | undefined): boolean {
  const [type, ...parameters] = (contentType ?? "").toLowerCase().split(";");
  const charset = parameters.map((each) => each.trim()).find((each) => each.startsWith("charset="));
  return (
    JSON_TYPES.has(type?.trim() ?? "") &&
    (charset === undefined || /^charset="?utf-8"?$/.test(charset))
  );
}

/** Answers one request. **Fails**: never; a client that went away is not an error. */
export async function answerPost(
  dispatcher: Dispatcher,
  limits: RpcLimits,
  listener: ListenerFacts,
  client: Client,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refused = checkOrigin(request, listener) ?? checkPost(request, limits);
  if (refused !== undefined) {
    refuse(request, response, refused);
    return;
  }
  if (request.headers.expect !== undefined) sayContinue(response);
  const body = await readBody(request, limits);
  if (!Buffer.isBuffer(body)) {
    if (body !== "gone") refuse(request, response, body);
    return;
  }
  const reply = await dispatcher.receive(body, client);
  if (reply === undefined) {
    response.writeHead(204).end();
    return;
  }
  const content = Buffer.from(reply);
  response
    .writeHead(200, {
      "content-type": "application/json",
      "content-length": content.length,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    })
    .end(content);
}

/**
 * Once the replies before it are out: in one that waits for them, Node would put the 100 behind its
 * head, where the client takes it for the body.
 */
function sayContinue(response: ServerResponse): void {
  if (response.socket !== null) response.writeContinue();
  else {
    response.once("socket", () => {
      if (!response.headersSent) response.writeContinue();
    });
  }
}

/** How long data that a refused client still sends is read and dropped. */
const LINGER_MS = 1000;

/**
 * The connection ends with the reply. A body on its way is read and dropped for a moment: closing
 * with unread bytes makes the kernel send a reset, which would overtake the reply.
 */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { status, reason }: Refused,
): void {
  const content = `${reason}\n`;
  response
    .writeHead(status, {
      "content-type": "text/plain; charset=utf-8",
      "content-length": Buffer.byteLength(content),
      connection: "close",
      ...(status === 405 && { allow: "POST" }),
    })
    .write(content);
  if (request.complete || request.headers.expect !== undefined) {
    response.end();
    return;
  }
  const end = (): void => {
    clearTimeout(deadline);
    response.end();
  };
  const deadline = setTimeout(end, LINGER_MS);
  request.once("end", end).once("close", end).resume();
}

/** The whole body, or why not. One deadline for all of it, so that dripping does not help. */
async function readBody(
  request: IncomingMessage,
  limits: RpcLimits,
): Promise<Buffer | Refused | "gone"> {
  return await new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (outcome: Buffer | Refused | "gone"): void => {
      clearTimeout(deadline);
      request.off("data", onData);
      request.pause();
      resolve(outcome);
    };
    const deadline = setTimeout(() => {
      finish({ status: 408, reason: `the body took more than ${limits.bodyMs} ms` });
    }, limits.bodyMs);
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > limits.messageBytes) finish(tooLarge(limits));
    };
    request.on("data", onData);
    request.once("end", () => finish(Buffer.concat(chunks)));
    request.once("error", () => finish("gone"));
    request.once("close", () => finish("gone"));
  });
}
