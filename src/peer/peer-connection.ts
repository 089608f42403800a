/**
 * One persistent connection to another host's daemon: STOMP over TLS, as in VDSM, so that a stock VDSM
 * answers as our own daemon does. Each request has an id, answers arrive in any order. When the
 * connection breaks, all pending requests fail at once; the next request reconnects, after a delay that
 * grows while the host is unreachable. A peer that sends ERROR has refused something but is there:
 * pending requests fail with its reason, and the next one reconnects without a delay.
 *
 * Knows frames and ids, not the requests' meaning.
 */
import * as net from "node:net";
import * as tls from "node:tls";
import { randomUUID } from "node:crypto";
import { certificateHost, formatHost } from "../core/address.ts";
import { definitionMessageBytes } from "../core/definition-size.ts";
import type { Silence } from "../core/destination.ts";
import {
  FrameParser,
  requestQueues,
  serializeFrame,
  STOMP_VERSION,
  type Frame,
} from "../stomp/index.ts";
import { factsOfDer, firstFacts } from "../tls/facts.ts";
import type { CertificateFacts } from "../tls/judge.ts";
import { certificateText } from "../tls/refusal.ts";
import { resolver } from "../host/resolver.ts";
import type { PeerAddress, PeerTls } from "./peer-address.ts";
import {
  closeHint,
  FIRST_BYTES_MAX,
  silence,
  silenceOf,
  strangerIn,
  wordsOf,
  type Stage,
} from "./silence.ts";
import { messageOf } from "../errors.ts";

/** A stock VDSM's answer to VM.migrationCreate contains the definition. */
const FRAME_LIMITS = { lineBytes: 8_192, headerCount: 64, bodyBytes: definitionMessageBytes(1) };
const RECONNECT_FIRST_MS = 500;
/** Shorter than the time between two tries of a migration, so that each of them reconnects. */
const RECONNECT_MAX_MS = 2_500;
const WATCH_EVERY_MS = 250;
/** The heart-beat that we ask for. */
const HEAR_EVERY_MS = 15_000;
/** Without a byte for this long and with a request pending, the connection is dead. */
const SILENT_TOO_LONG_MS = 2 * HEAR_EVERY_MS;

export type Reply =
  | { readonly kind: "body"; readonly body: string }
  /** It sent ERROR, which ends the connection. `alone`: no other request was pending. */
  | { readonly kind: "rejected"; readonly message: string; readonly alone: boolean }
  | { readonly kind: "broken"; readonly silence: Silence };

type Waiting = (reply: Reply) => void;

export class PeerConnection {
  readonly #address: PeerAddress;
  #tls: PeerTls | null;
  readonly #nowMs: () => number;
  readonly #connectWithinMs: () => number;
  /** Aborted when the connection is given up: ends the name lookup too. */
  #givenUp = new AbortController();
  /** Host and port, for people. */
  readonly #at: string;
  readonly #replyQueue: string = randomUUID();
  readonly #waiting = new Map<string, Waiting>();
  #socket: net.Socket | null = null;
  #heardAtMs = 0;
  #stage: Stage = "connect";
  #first = Buffer.alloc(0);
  /** The peer's certificate in the handshake. */
  #shown: CertificateFacts | undefined;
  #watch: NodeJS.Timeout | null = null;
  #failures = 0;
  #notBeforeMs = 0;
  #lastFailure: Silence = { cause: "broken", text: "not connected" };

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
    this.#at = `${formatHost(address.host)}:${address.port}`;
  }

  /** For the next connection, without a delay: earlier failures say nothing about these files. */
  useTls(tlsFiles: PeerTls | null): void {
    this.#tls = tlsFiles;
    this.#failures = 0;
    this.#notBeforeMs = 0;
  }

  /** Sends one JSON-RPC request; resolves with its answer, or when the connection breaks. */
  ask(id: string, body: string): Promise<Reply> {
    const socket = this.#connected();
    if (socket === null) return Promise.resolve({ kind: "broken", silence: this.#lastFailure });
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

  /** Its answer is no longer waited for. */
  giveUp(id: string): void {
    this.#waiting.delete(id);
  }

  close(): void {
    this.#break(silence("broken", "closed"));
  }

  /** The peer's certificate at the last connection; undefined: none yet, or no TLS. */
  get certificate(): CertificateFacts | undefined {
    return this.#shown;
  }

  /** No answer in time, and how far the connection had got. */
  late(waitedMs: number): Silence {
    const cause = this.#stage === "lookup" ? "resolverSilent" : "timeout";
    return this.#silence(cause, `${WAITED_FOR[this.#stage]} within ${Math.round(waitedMs)} ms`);
  }

  #silence(cause: Silence["cause"], said: string): Silence {
    return silence(cause, wordsOf(cause, this.#at, this.#address.host, said));
  }

  #connected(): net.Socket | null {
    if (this.#socket !== null) return this.#socket;
    if (this.#nowMs() < this.#notBeforeMs) return null;
    let socket: net.Socket;
    this.#shown = undefined;
    try {
      socket = this.#open();
    } catch (error) {
      // Node refuses this host's certificate: no connection is possible.
      const why = messageOf(error);
      this.#failed(
        this.#silence("noCertificate", `this host's certificate cannot be used: ${why}`),
      );
      return null;
    }
    this.#socket = socket;
    this.#stage = net.isIP(this.#address.host) === 0 ? "lookup" : "connect";
    this.#first = Buffer.alloc(0);
    this.#watch = setInterval(() => this.#lookAtSilence(), WATCH_EVERY_MS);
    this.#watch.unref();
    const parser = new FrameParser(FRAME_LIMITS);
    socket.on("data", (chunk) => {
      this.#heardAtMs = this.#nowMs();
      const stranger = this.#strangerIn(chunk);
      if (stranger !== undefined) this.#broke(socket, this.#silence("notADaemon", stranger));
      const { frames, malformed } = parser.parse(chunk);
      for (const frame of frames) this.#take(frame);
      if (malformed !== undefined && this.#socket === socket) this.#malformed(malformed);
    });
    this.#watchStages(socket);
    socket.on("error", (error) => this.#broke(socket, this.#silenceOf(error)));
    socket.on("close", () => this.#broke(socket, this.#ended("it closed the connection")));
    this.#heardAtMs = this.#nowMs();
    socket.write(this.#hello());
    return socket;
  }

  #watchStages(socket: net.Socket): void {
    const reached = (stage: Stage): void => {
      if (this.#socket === socket) this.#stage = stage;
    };
    socket.once("lookup", () => reached("connect"));
    socket.once("connect", () => {
      reached(this.#tls === null ? "hello" : "handshake");
      if (this.#tls?.ca !== undefined || this.#tls === null) return;
      const why = "this host has no usable client certificate (ssl.ca, ssl.cert, ssl.key)";
      this.#broke(socket, this.#silence("noCertificate", why));
    });
    socket.once("secureConnect", () => reached("hello"));
  }

  #strangerIn(chunk: Buffer): string | undefined {
    if (this.#stage === "open" || this.#stage === "answered") return undefined;
    if (this.#first.length >= FIRST_BYTES_MAX) return undefined;
    this.#first = Buffer.concat([this.#first, chunk.subarray(0, FIRST_BYTES_MAX)]);
    return strangerIn(this.#first);
  }

  #silenceOf(error: unknown): Silence {
    const hint = closeHint(this.#stage, this.#tls !== null);
    const found = silenceOf(error, this.#at, this.#address.host, this.#stage, hint);
    const certificate = this.#refused(found.cause);
    return certificate === undefined
      ? found
      : silence(found.cause, `${found.text} (${certificateText(certificate)})`);
  }

  /** The certificate that was not accepted; undefined: it was not about one. */
  #refused(cause: Silence["cause"]): CertificateFacts | undefined {
    if (cause === "certificateThere") return this.#shown;
    const own = this.#tls?.cert;
    return cause === "certificateHere" && own !== undefined ? firstFacts(own) : undefined;
  }

  /** Before the first answer it may be something that never will answer. */
  #ended(why: string): Silence {
    if (this.#stage === "answered") return this.#silence("broken", why);
    return this.#silence("closed", `${why}${closeHint(this.#stage, this.#tls !== null)}`);
  }

  #open(): net.Socket {
    const { host, port } = this.#address;
    this.#givenUp = new AbortController();
    const lookup = resolver.forSocket(this.#givenUp.signal);
    if (this.#tls === null) return net.connect({ host, port, lookup });
    const { verifyName = false, ...files } = this.#tls;
    const socket = tls.connect({
      host,
      port,
      lookup,
      ...files,
      minVersion: "TLSv1.2",
      // Otherwise as in VDSM: any certificate of the CA is accepted, whatever host it names.
      checkServerIdentity: (_name, certificate) =>
        verifyName ? tls.checkServerIdentity(certificateHost(host), certificate) : undefined,
    });
    // Before Node verifies it: a socket destroyed over it no longer has it. Not with
    // getPeerX509Certificate, after which Node 20 verifies an empty certificate.
    socket.prependOnceListener("secure", () => {
      this.#shown = factsOfDer(socket.getPeerCertificate().raw);
    });
    return socket;
  }

  #hello(): Buffer {
    const connect = [
      ["accept-version", STOMP_VERSION],
      // We promise none: VDSM disconnects a client that is slightly late with a promised one.
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
      if (this.#stage !== "answered") this.#stage = "open";
      return;
    }
    if (frame.command === "ERROR") {
      const message = `it sent ERROR: ${reasonIn(frame)}`;
      if (this.#isOpen) this.#reject(message);
      else this.#break(this.#ended(message));
      return;
    }
    if (frame.command !== "MESSAGE") return;
    const body = Buffer.from(frame.body).toString("utf8");
    const id = idOf(body);
    const waiting = id === null ? undefined : this.#waiting.get(id);
    if (id === null || waiting === undefined) return;
    this.#stage = "answered";
    this.#waiting.delete(id);
    waiting({ kind: "body", body });
  }

  /** It has sent CONNECTED. */
  get #isOpen(): boolean {
    return this.#stage === "open" || this.#stage === "answered";
  }

  #malformed(why: string): void {
    if (this.#isOpen) this.#reject(`its answer cannot be parsed: ${why}`);
    else this.#break(this.#silence("notADaemon", `it does not speak STOMP: ${why}`));
  }

  #reject(message: string): void {
    const alone = this.#waiting.size === 1;
    this.#hangUp({ kind: "rejected", message, alone });
  }

  #broke(socket: net.Socket, why: Silence): void {
    if (this.#socket === socket) this.#break(why);
  }

  #break(why: Silence): void {
    if (this.#socket === null) return;
    this.#failed(why);
    this.#hangUp({ kind: "broken", silence: why });
  }

  /** Fails all pending requests. */
  #hangUp(reply: Reply): void {
    this.#givenUp.abort();
    this.#socket?.destroy();
    this.#socket = null;
    if (this.#watch !== null) clearInterval(this.#watch);
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const answer of waiting) answer(reply);
  }

  #failed(why: Silence): void {
    const pauseMs = Math.min(RECONNECT_FIRST_MS * 2 ** this.#failures, RECONNECT_MAX_MS);
    this.#failures += 1;
    this.#notBeforeMs = this.#nowMs() + pauseMs;
    this.#lastFailure = why;
  }

  /** A host that has lost power neither refuses nor closes. */
  #lookAtSilence(): void {
    const silentMs = this.#nowMs() - this.#heardAtMs;
    const connected = this.#isOpen;
    const withinMs = connected ? SILENT_TOO_LONG_MS : this.#connectWithinMs();
    if (silentMs <= withinMs || (connected && this.#waiting.size === 0)) return;
    this.#break(this.late(withinMs));
  }
}

/** What was missing, by how far the connection had got. */
const WAITED_FOR: Readonly<Record<Stage, string>> = {
  lookup: "no address for the name",
  connect: "no connection",
  handshake: "no TLS handshake",
  hello: "connected, but no STOMP answer",
  open: "no answer",
  answered: "no answer",
};

const REASON_LENGTH_MAX = 300;

/** The body says more than the header, if it is plain text. */
function reasonIn({ headers, body }: Frame): string {
  const text = Buffer.from(body).toString("utf8").trim();
  const isPlain = text !== "" && text.length <= REASON_LENGTH_MAX && !/\p{Cc}/u.test(text);
  return isPlain ? text : (headers.get("message") ?? "no reason given");
}

/** The id of an answer: a single one, or in an array of one. */
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
