/**
 * One connection to another host's daemon, kept open: STOMP over TLS, as VDSM speaks it, so that a
 * stock VDSM answers as our own daemon does. Questions go out with an id each, answers come back in
 * any order. A connection that breaks fails what is out at once and is made again by the next
 * question, after a pause that grows while the host cannot be reached.
 *
 * It knows frames and ids, not what is asked.
 */
import * as net from "node:net";
import * as tls from "node:tls";
import { randomUUID } from "node:crypto";
import {
  FrameParser,
  requestQueues,
  serializeFrame,
  STOMP_VERSION,
  type Frame,
} from "../stomp/index.ts";
import type { PeerAddress, PeerTls } from "./peer-client.ts";

const FRAME_LIMITS = { lineBytes: 8_192, headerCount: 64, bodyBytes: 4 * 1024 * 1024 };
const RECONNECT_FIRST_MS = 500;
const RECONNECT_MAX_MS = 10_000;
const WATCH_EVERY_MS = 250;
/** How often we want to hear something, answers or not. */
const HEAR_EVERY_MS = 15_000;
/** Twice that and a question unanswered: nobody is at the other end of this connection. */
const SILENT_TOO_LONG_MS = 2 * HEAR_EVERY_MS;

export type Reply =
  | { readonly kind: "body"; readonly body: string }
  | { readonly kind: "broken"; readonly message: string };

type Waiting = (reply: Reply) => void;

export class PeerConnection {
  readonly #address: PeerAddress;
  #tls: PeerTls | null;
  readonly #nowMs: () => number;
  readonly #connectWithinMs: () => number;
  readonly #replyQueue: string = randomUUID();
  readonly #waiting = new Map<string, Waiting>();
  #socket: net.Socket | null = null;
  #heardAtMs = 0;
  #connectedAt: number | null = null;
  #watch: NodeJS.Timeout | null = null;
  #failures = 0;
  #notBeforeMs = 0;
  #lastFailure = "not connected";

  /** `connectWithinMs`: from the first packet to the peer's CONNECTED. */
  constructor(
    address: PeerAddress,
    tlsFiles: PeerTls | null,
    nowMs: () => number,
    connectWithinMs: () => number,
  ) {
    this.#connectWithinMs = connectWithinMs;
    this.#address = address;
    this.#tls = tlsFiles;
    this.#nowMs = nowMs;
  }

  /** For the next connection. */
  useTls(tlsFiles: PeerTls | null): void {
    this.#tls = tlsFiles;
  }

  /** Sends one JSON-RPC request; resolves with its answer or when the connection broke. */
  ask(id: string, body: string): Promise<Reply> {
    const socket = this.#connected();
    if (socket === null) return Promise.resolve({ kind: "broken", message: this.#lastFailure });
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      const headers = [
        ["destination", requestQueues[0]],
        ["content-type", "application/json"],
        ["reply-to", this.#replyQueue],
      ] as const;
      socket.write(serializeFrame({ command: "SEND", headers, body }));
    });
  }

  /** Nobody waits for this answer any more. */
  giveUp(id: string): void {
    this.#waiting.delete(id);
  }

  close(): void {
    this.#break("closed");
  }

  #connected(): net.Socket | null {
    if (this.#socket !== null) return this.#socket;
    if (this.#nowMs() < this.#notBeforeMs) return null;
    let socket: net.Socket;
    try {
      socket = this.#open();
    } catch (error) {
      // A certificate that node refuses: for the peer's answer it is as if nobody were there.
      this.#failed(error instanceof Error ? error.message : String(error));
      return null;
    }
    this.#socket = socket;
    this.#watch = setInterval(() => this.#lookAtSilence(), WATCH_EVERY_MS);
    this.#watch.unref();
    const parser = new FrameParser(FRAME_LIMITS);
    socket.on("data", (chunk) => {
      this.#heardAtMs = this.#nowMs();
      const { frames, malformed } = parser.parse(chunk);
      for (const frame of frames) this.#take(frame);
      if (malformed !== undefined) this.#broke(socket, `what it says is no STOMP: ${malformed}`);
    });
    socket.on("error", (error) => this.#broke(socket, error.message));
    socket.on("close", () => this.#broke(socket, "it closed the connection"));
    this.#heardAtMs = this.#nowMs();
    socket.write(this.#hello());
    return socket;
  }

  #open(): net.Socket {
    const { host, port } = this.#address;
    if (this.#tls === null) return net.connect({ host, port });
    const { verifyName = false, ...files } = this.#tls;
    return tls.connect({
      host,
      port,
      ...files,
      minVersion: "TLSv1.2",
      // Else as VDSM: any host of the CA is a peer; addresses need not stand in certificates.
      ...(!verifyName && { checkServerIdentity: () => undefined }),
    });
  }

  #hello(): Buffer {
    const connect = [
      ["accept-version", STOMP_VERSION],
      // We promise none: VDSM cuts off whoever is a moment late with a promised one.
      ["heart-beat", `0,${HEAR_EVERY_MS}`],
    ] as const;
    const subscribe = [
      ["destination", this.#replyQueue],
      ["ack", "auto"],
      ["id", randomUUID()],
    ] as const;
    return Buffer.concat([
      serializeFrame({ command: "CONNECT", headers: connect }),
      serializeFrame({ command: "SUBSCRIBE", headers: subscribe }),
    ]);
  }

  #take(frame: Frame): void {
    if (frame.command === "CONNECTED") {
      this.#failures = 0;
      this.#connectedAt = this.#nowMs();
      return;
    }
    if (frame.command === "ERROR") {
      this.#break(`it refused: ${frame.headers.get("message") ?? "no reason given"}`);
      return;
    }
    if (frame.command !== "MESSAGE") return;
    const body = Buffer.from(frame.body).toString("utf8");
    const id = idOf(body);
    const waiting = id === null ? undefined : this.#waiting.get(id);
    if (id === null || waiting === undefined) return;
    this.#waiting.delete(id);
    waiting({ kind: "body", body });
  }

  #broke(socket: net.Socket, message: string): void {
    if (this.#socket === socket) this.#break(message);
  }

  #break(message: string): void {
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    this.#connectedAt = null;
    if (this.#watch !== null) clearInterval(this.#watch);
    socket.destroy();
    this.#failed(message);
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const answer of waiting) answer({ kind: "broken", message });
  }

  #failed(message: string): void {
    const pauseMs = Math.min(RECONNECT_FIRST_MS * 2 ** this.#failures, RECONNECT_MAX_MS);
    this.#failures += 1;
    this.#notBeforeMs = this.#nowMs() + pauseMs;
    this.#lastFailure = message;
  }

  /** A host that is switched off says nothing at all: neither that it refuses nor that it closed. */
  #lookAtSilence(): void {
    const silentMs = this.#nowMs() - this.#heardAtMs;
    if (this.#connectedAt === null && silentMs > this.#connectWithinMs()) {
      this.#break(`no connection in ${Math.round(silentMs)} ms`);
    } else if (this.#waiting.size > 0 && silentMs > SILENT_TOO_LONG_MS) {
      this.#break(`silent for ${Math.round(silentMs)} ms`);
    }
  }
}

/** The id of an answer, alone or in an array of one. */
function idOf(body: string): string | null {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return null;
  }
  const answer: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof answer !== "object" || answer === null || !("id" in answer)) return null;
  return typeof answer.id === "string" ? answer.id : null;
}
