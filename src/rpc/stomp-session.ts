/**
 * The server's side of one STOMP connection, without the connection: bytes, replies, events and
 * ticks in, actions out, in order. It knows neither sockets nor clocks nor what a message says.
 *
 * It does what stock clients rely on (src/docs/stomp.md) and not what VDSM's server gets wrong:
 * a reply goes to one subscription of the connection that asked and to nobody else; nothing that a
 * client SENDs is handed to another client; and only the daemon emits events.
 *
 * ERROR ends the connection, as STOMP wants, and kills a call of vdsm-client without a word. So it
 * answers only what no stock client sends: what cannot be parsed, another version, a frame that lacks
 * what it needs, an unknown command, and a refused frame whose sender asked for a receipt. Any other
 * refusal is a line in the log: unknown ids in UNSUBSCRIBE (vdsm-jsonrpc-java sends them after a
 * reconnect) and a SEND to where nothing may be sent.
 */

import {
  type AskLarge,
  EVENT_QUEUE,
  type Frame,
  FrameParser,
  type Parsed,
  answerHeartBeat,
  HeartBeats,
  hears,
  parseHeartBeat,
  requestQueues,
  RESPONSE_QUEUE,
  STOMP_VERSION,
} from "../stomp/index.ts";
import { clip } from "../wire/invalid-params.ts";
import type { RpcLimits } from "./limits.ts";
import {
  connectedFrame,
  errorFrame,
  isOutgoing,
  log,
  messageFrame,
  receiptFrame,
  type SessionAction,
  type StompRequest,
  send,
} from "./stomp-actions.ts";

type Limits = Pick<RpcLimits, "messageBytes" | "stomp">;

/** A header that a frame must have, within its bound. */
type Required = { readonly value: string } | { readonly refusal: readonly SessionAction[] };

export class StompSession {
  readonly #limits: Limits;
  readonly #parser: FrameParser;
  readonly #heartBeats: HeartBeats;
  /** A `host` in CONNECT, which VDSM's other stock client does not send. */
  #namesHost = false;
  /** It has subscribed to what vdsm-jsonrpc-java subscribes to. */
  #hearsAsJava = false;
  /** Destination by subscription id. */
  readonly #subscriptions = new Map<string, string>();
  readonly #startedAtMs: number;
  #isConnected = false;
  #isEnded = false;
  #frameSinceMs: number | undefined;
  #heardAtMs: number;
  #lastMessage = 0;

  /** `askLarge`: of a body beyond `messageBytes`; asked once of each. Absent: refused. */
  constructor(limits: Limits, nowMs: number, askLarge?: AskLarge) {
    this.#limits = limits;
    const { lineBytes, headerCount } = limits.stomp;
    const frames = { lineBytes, headerCount, bodyBytes: limits.messageBytes };
    this.#parser = new FrameParser(frames, askLarge);
    this.#heartBeats = new HeartBeats(nowMs);
    this.#startedAtMs = nowMs;
    this.#heardAtMs = nowMs;
  }

  /** Nothing is to be read of it until there is room for a large body: then `goOn`. */
  get isWaiting(): boolean {
    return !this.#isEnded && this.#parser.isWaiting;
  }

  /** Of the large body that is coming. */
  get comingBytes(): number {
    return this.#isEnded ? 0 : (this.#parser.coming?.bytes ?? 0);
  }

  receive(bytes: Uint8Array, nowMs: number): readonly SessionAction[] {
    if (this.#isEnded) return [];
    this.#heard(nowMs);
    return this.#read(this.#parser.parse(bytes), nowMs);
  }

  /** There is room for the body that it waits for. From now on it has a frame's time. */
  goOn(nowMs: number): readonly SessionAction[] {
    if (!this.isWaiting) return [];
    this.#heard(nowMs);
    this.#frameSinceMs = nowMs;
    return this.#read(this.#parser.goOn(), nowMs);
  }

  #heard(nowMs: number): void {
    this.#heardAtMs = nowMs;
    this.#heartBeats.heard(nowMs);
  }

  #read({ frames, malformed }: Parsed, nowMs: number): readonly SessionAction[] {
    const isSameFrame = this.#frameSinceMs !== undefined && frames.length === 0;
    if (!this.#parser.isInFrame) this.#frameSinceMs = undefined;
    else if (!isSameFrame) this.#frameSinceMs = nowMs;
    const actions: SessionAction[] = [];
    for (const frame of frames) {
      // What follows a DISCONNECT or an ERROR is not read.
      if (!this.#isEnded) actions.push(...this.#frame(frame, nowMs));
    }
    if (malformed !== undefined && !this.#isEnded) {
      actions.push(...this.#error("malformed frame", malformed));
    }
    return this.#sending(actions, nowMs);
  }

  /** The reply to a request of this session. */
  reply(request: StompRequest, body: string, nowMs: number): readonly SessionAction[] {
    if (this.#isEnded) return [];
    const { replyTo } = request;
    const id = this.#subscriptionFor(replyTo);
    if (id === undefined) {
      return [log("reply dropped, no subscription for it", { replyTo: clip(replyTo) })];
    }
    this.#lastMessage += 1;
    const frame = messageFrame(id, replyTo, `reply-${this.#lastMessage}`, body);
    return this.#sending([send(frame)], nowMs);
  }

  /** One message for each subscription that hears events. */
  event(body: string, messageId: string, nowMs: number): readonly SessionAction[] {
    if (this.#isEnded) return [];
    const actions = [...this.#subscriptions].flatMap(([id, destination]) =>
      hears(destination, EVENT_QUEUE) ? [send(messageFrame(id, EVENT_QUEUE, messageId, body))] : [],
    );
    return this.#sending(actions, nowMs);
  }

  /** To be called every `tickMs`; `roomIsWanted`: others wait for room for a large body. */
  tick(nowMs: number, roomIsWanted = false): readonly SessionAction[] {
    if (this.#isEnded) return [];
    const { connectMs, frameMs } = this.#limits.stomp;
    // It may have sent what we do not read.
    if (this.#parser.isWaiting) this.#heard(nowMs);
    if (roomIsWanted && this.#isTooSlow(nowMs)) {
      return this.#error("a large body came too slowly", "others wait for its room");
    }
    const silentMs = this.#heartBeats.goneForMs(nowMs);
    if (silentMs !== undefined) return this.#end(`no heart-beat for ${Math.round(silentMs)} ms`);
    if (!this.#isConnected && nowMs - this.#startedAtMs > connectMs) {
      return this.#end(`no CONNECT within ${connectMs} ms`);
    }
    if (this.#frameSinceMs !== undefined && nowMs - this.#frameSinceMs > frameMs) {
      if (this.#parser.isWaiting) {
        return this.#error("no room for a large body", `within ${frameMs} ms, too many at a time`);
      }
      return this.#end(`a frame took more than ${frameMs} ms`);
    }
    return this.#heartBeats.isDue(nowMs)
      ? this.#sending([{ kind: "heartBeat", apart: false }], nowMs)
      : [];
  }

  /** It has stopped to send its large body, or at this pace it would not be done in a frame's time. */
  #isTooSlow(nowMs: number): boolean {
    const { frameMs, largeGraceMs } = this.#limits.stomp;
    const { coming } = this.#parser;
    if (coming === undefined || this.#frameSinceMs === undefined) return false;
    if (nowMs - this.#heardAtMs > largeGraceMs) return true;
    const elapsedMs = nowMs - this.#frameSinceMs;
    const isBehind = coming.receivedBytes * frameMs < coming.bytes * elapsedMs;
    return elapsedMs > largeGraceMs && isBehind;
  }

  /** What goes out counts as a heart-beat, and keeps apart where the client needs it. */
  #sending(actions: readonly SessionAction[], nowMs: number): readonly SessionAction[] {
    if (actions.some(isOutgoing)) this.#heartBeats.sent(nowMs);
    const isPaced = this.#namesHost && this.#hearsAsJava;
    return isPaced
      ? actions.map((action) => (isOutgoing(action) ? { ...action, apart: true } : action))
      : actions;
  }

  #frame(frame: Frame, nowMs: number): readonly SessionAction[] {
    switch (frame.command) {
      case "CONNECT":
      case "STOMP":
        return this.#connect(frame, nowMs);
      case "SEND":
        return this.#send(frame);
      case "SUBSCRIBE":
        return this.#subscribe(frame);
      case "UNSUBSCRIBE":
        return this.#unsubscribe(frame);
      case "DISCONNECT":
        return [...this.#receipt(frame), ...this.#end("the client has disconnected")];
      // Messages need none here, whatever a subscription's `ack` says.
      case "ACK":
      case "NACK":
        return this.#receipt(frame);
      case "BEGIN":
      case "COMMIT":
      case "ABORT":
        return this.#error("transactions are not supported", "", frame);
      default:
        return this.#error("unknown command", clip(frame.command), frame);
    }
  }

  #connect(frame: Frame, nowMs: number): readonly SessionAction[] {
    const versions = (frame.headers.get("accept-version") ?? "1.0").split(",");
    if (!versions.some((version) => version.trim() === STOMP_VERSION)) {
      return this.#error("Version unsupported", `only ${STOMP_VERSION} is spoken`, frame);
    }
    const theirs = parseHeartBeat(frame.headers.get("heart-beat"));
    if (theirs === undefined) return this.#error("malformed heart-beat", "", frame);
    const ours = answerHeartBeat(theirs);
    this.#heartBeats.agree(ours, theirs, nowMs);
    this.#isConnected = true;
    this.#namesHost = frame.headers.has("host");
    // What it subscribes to may not be known yet.
    return [{ ...send(connectedFrame(ours)), apart: this.#namesHost }];
  }

  #send(frame: Frame): readonly SessionAction[] {
    const to = this.#required(frame, "destination", this.#limits.stomp.destinationBytes);
    if ("refusal" in to) return to.refusal;
    if (frame.headers.has("transaction")) {
      return this.#error("transactions are not supported", "", frame);
    }
    const destination = to.value;
    if (!requestQueues.some((queue) => hears(queue, destination))) {
      const isEvent = hears(EVENT_QUEUE, destination) || hears(destination, EVENT_QUEUE);
      const why = isEvent ? "forged event refused" : "SEND to an unknown destination refused";
      const refused = log(why, { destination: clip(destination), bytes: frame.body.length });
      if (!frame.headers.has("receipt")) return [refused];
      return [refused, ...this.#error("SEND refused", "", frame)];
    }
    const request = {
      body: frame.body,
      flowId: frame.headers.get("ovirtCorrelationId"),
      replyTo: frame.headers.get("reply-to") ?? RESPONSE_QUEUE,
    };
    return [{ kind: "request", request }, ...this.#receipt(frame)];
  }

  #subscribe(frame: Frame): readonly SessionAction[] {
    const { idBytes, destinationBytes, subscriptions } = this.#limits.stomp;
    const id = this.#required(frame, "id", idBytes);
    if ("refusal" in id) return id.refusal;
    const to = this.#required(frame, "destination", destinationBytes);
    if ("refusal" in to) return to.refusal;
    const known = this.#subscriptions.get(id.value);
    if (known !== undefined && known !== to.value) {
      return this.#error("Subscription id already exists", "", frame);
    }
    if (known === undefined && this.#subscriptions.size >= subscriptions) {
      return this.#error("too many subscriptions", `at most ${subscriptions}`, frame);
    }
    this.#subscriptions.set(id.value, to.value);
    this.#hearsAsJava ||= to.value === RESPONSE_QUEUE || to.value === EVENT_QUEUE;
    return this.#receipt(frame);
  }

  #unsubscribe(frame: Frame): readonly SessionAction[] {
    const id = this.#required(frame, "id", this.#limits.stomp.idBytes);
    if ("refusal" in id) return id.refusal;
    this.#subscriptions.delete(id.value);
    return this.#receipt(frame);
  }

  /** The exact destination's before the nearest one above it; never two, since vdsm-client breaks on
   * the second. */
  #subscriptionFor(destination: string): string | undefined {
    if (Buffer.byteLength(destination) > this.#limits.stomp.destinationBytes) return undefined;
    const matching = [...this.#subscriptions].filter(([, each]) => hears(each, destination));
    return matching.toSorted(([, one], [, other]) => other.length - one.length)[0]?.[0];
  }

  #required(frame: Frame, name: string, maxBytes: number): Required {
    const value = frame.headers.get(name);
    if (value === undefined || value === "") {
      return { refusal: this.#error(`Missing ${name} header`, frame.command, frame) };
    }
    if (Buffer.byteLength(value) > maxBytes) {
      return { refusal: this.#error(`${name} is too long`, `at most ${maxBytes} bytes`, frame) };
    }
    return { value };
  }

  #receipt(frame: Frame): readonly SessionAction[] {
    const receipt = frame.headers.get("receipt");
    if (receipt === undefined) return [];
    if (Buffer.byteLength(receipt) > this.#limits.stomp.idBytes) {
      return this.#error("receipt is too long", "");
    }
    return [send(receiptFrame(receipt))];
  }

  /** `what` is a constant phrase: it goes into a header, where vdsm-jsonrpc-java undoes no escapes. */
  #error(what: string, detail: string, frame?: Frame): readonly SessionAction[] {
    const receipt = frame?.headers.get("receipt") ?? "";
    const isShort = receipt !== "" && Buffer.byteLength(receipt) <= this.#limits.stomp.idBytes;
    const text = detail === "" ? what : `${what}, ${detail}`;
    return [send(errorFrame(what, text, isShort ? receipt : undefined)), ...this.#end(text)];
  }

  #end(why: string): readonly SessionAction[] {
    if (this.#isEnded) return [];
    this.#isEnded = true;
    this.#subscriptions.clear();
    return [{ kind: "end", why }];
  }
}
