/**
 * Bytes in, frames out: an incremental parser of STOMP 1.2 that knows no socket.
 *
 * However the bytes are split, the same frames come out. Everything is bounded: the length of a line,
 * the number of headers, the body. A body may be longer only if it is announced and the reader allows
 * it, at once or later; until then nothing is read. An error is a value, and final: nothing after it is
 * read, since nobody can tell where the next frame begins. Lines may end in LF or CRLF; a body ends where
 * content-length says, and then a NUL must follow, or else at the first NUL; line ends between
 * frames are heart-beats. Each byte is looked at once, and copied at most twice.
 */

import { unescapeHeader } from "./escape.ts";
import { type Frame, isUnescaped } from "./frame.ts";
import { GrowingBuffer } from "./growing-buffer.ts";

export interface FrameLimits {
  /** Bytes of one line: the command or a header. */
  readonly lineBytes: number;
  readonly headerCount: number;
  readonly bodyBytes: number;
}

export interface Parsed {
  readonly frames: readonly Frame[];
  /** Why nothing can be read any more, in words without colon. */
  readonly malformed?: string;
}

type Place =
  | { readonly kind: "between" }
  | { readonly kind: "command" }
  | { readonly kind: "headers"; readonly command: string; readonly headers: Map<string, string> }
  | {
      readonly kind: "body";
      readonly command: string;
      readonly headers: Map<string, string>;
      /** undefined: up to the first NUL. */
      readonly bytes: number | undefined;
    }
  | {
      /** For room. `rest`: what has come and is not read yet. */
      readonly kind: "waiting";
      readonly command: string;
      readonly headers: Map<string, string>;
      readonly bytes: number;
      readonly rest: Uint8Array;
    }
  | { readonly kind: "malformed"; readonly why: string };

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;

const between: Place = { kind: "between" };
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What its reader says to a body longer than `bodyBytes`, which is announced. */
export type LargeAnswer =
  | { readonly kind: "take" }
  /** Until `goOn`. */
  | { readonly kind: "wait" }
  /** Why, without colon. */
  | { readonly kind: "refuse"; readonly why: string };

export type AskLarge = (bytes: number) => LargeAnswer;

/** A body that is coming, and how much of it is there. */
export interface Coming {
  readonly bytes: number;
  readonly receivedBytes: number;
}

export class FrameParser {
  readonly #limits: FrameLimits;
  readonly #askLarge: AskLarge;
  #place: Place = between;
  #pending = new GrowingBuffer();
  /** Headers of the frame so far, repeated ones too. */
  #headerCount = 0;

  constructor(
    limits: FrameLimits,
    askLarge: AskLarge = () => ({ kind: "refuse", why: tooLong(limits.bodyBytes) }),
  ) {
    this.#limits = limits;
    this.#askLarge = askLarge;
  }

  /** A frame has begun and not ended. */
  get isInFrame(): boolean {
    return this.#place.kind !== "between" && this.#place.kind !== "malformed";
  }

  /** A body is about to come that the reader has no room for yet. */
  get isWaiting(): boolean {
    return this.#place.kind === "waiting";
  }

  /** The body beyond `bodyBytes` that is coming, if there is one; it does not wait. */
  get coming(): Coming | undefined {
    if (this.#place.kind !== "body" || this.#place.bytes === undefined) return undefined;
    const { bytes } = this.#place;
    return bytes > this.#limits.bodyBytes
      ? { bytes, receivedBytes: this.#pending.length }
      : undefined;
  }

  /** There is room for the body that waits: what has arrived in the meantime is read. */
  goOn(): Parsed {
    if (this.#place.kind !== "waiting") return { frames: [] };
    const { command, headers, bytes, rest } = this.#place;
    this.#place = { kind: "body", command, headers, bytes };
    return this.parse(rest);
  }

  /** **Fails**: never. */
  parse(chunk: Uint8Array): Parsed {
    const frames: Frame[] = [];
    let rest = chunk;
    while (rest.length > 0 && this.#place.kind !== "malformed" && this.#place.kind !== "waiting") {
      rest = this.#step(this.#place, rest, frames);
    }
    if (this.#place.kind === "waiting" && rest.length > 0) {
      this.#place = { ...this.#place, rest: Buffer.concat([this.#place.rest, rest]) };
    }
    return this.#place.kind === "malformed" ? { frames, malformed: this.#place.why } : { frames };
  }

  /** Takes what it can use from the front and returns the rest. */
  #step(
    place: Exclude<Place, { kind: "malformed" | "waiting" }>,
    bytes: Uint8Array,
    frames: Frame[],
  ) {
    switch (place.kind) {
      case "between": {
        const start = bytes.findIndex((byte) => byte !== LF && byte !== CR);
        if (start < 0) return bytes.subarray(bytes.length);
        this.#place = { kind: "command" };
        return bytes.subarray(start);
      }
      case "command":
      case "headers":
        return this.#line(place, bytes);
      case "body":
        return this.#body(place, bytes, frames);
    }
  }

  #line(place: Extract<Place, { kind: "command" | "headers" }>, bytes: Uint8Array): Uint8Array {
    const end = bytes.indexOf(LF);
    const piece = end < 0 ? bytes : bytes.subarray(0, end);
    const { lineBytes } = this.#limits;
    // One more than allowed: the CR of a CRLF is not part of the line.
    if (this.#pending.length + piece.length > lineBytes + 1) {
      return this.#fail(`a line of more than ${lineBytes} bytes`);
    }
    this.#pending.append(piece);
    if (end < 0) return bytes.subarray(bytes.length);
    const bytesOfLine = withoutCr(this.#pending.take());
    if (bytesOfLine.length > lineBytes) return this.#fail(`a line of more than ${lineBytes} bytes`);
    const line = decode(bytesOfLine);
    if (line === undefined) return this.#fail("a header that is no UTF-8");
    if (place.kind === "command") {
      this.#headerCount = 0;
      this.#place = { kind: "headers", command: line, headers: new Map() };
    } else if (line === "") {
      this.#beginBody(place.command, place.headers);
    } else {
      this.#header(place.command, place.headers, line);
    }
    return bytes.subarray(end + 1);
  }

  #header(command: string, headers: Map<string, string>, line: string): void {
    const { headerCount } = this.#limits;
    this.#headerCount += 1;
    if (this.#headerCount > headerCount) {
      this.#fail(`more than ${headerCount} headers`);
      return;
    }
    const colon = line.indexOf(":");
    if (colon <= 0) {
      this.#fail("a header without name or colon");
      return;
    }
    const read = isUnescaped(command) ? (text: string) => text : unescapeHeader;
    const name = read(line.slice(0, colon));
    if (!headers.has(name)) headers.set(name, read(line.slice(colon + 1)));
  }

  #beginBody(command: string, headers: Map<string, string>): void {
    const length = headers.get("content-length");
    const { bodyBytes } = this.#limits;
    if (length !== undefined && !/^\d{1,15}$/.test(length)) {
      this.#fail("content-length is no number");
      return;
    }
    const bytes = length === undefined ? undefined : Number(length);
    if (bytes === undefined || bytes <= bodyBytes) {
      this.#place = { kind: "body", command, headers, bytes };
      return;
    }
    const answer = this.#askLarge(bytes);
    switch (answer.kind) {
      case "take":
        this.#place = { kind: "body", command, headers, bytes };
        break;
      case "wait":
        this.#place = { kind: "waiting", command, headers, bytes, rest: new Uint8Array(0) };
        break;
      case "refuse":
        this.#fail(answer.why);
    }
  }

  #body(place: Extract<Place, { kind: "body" }>, bytes: Uint8Array, frames: Frame[]): Uint8Array {
    const bodyBytes = place.bytes ?? this.#limits.bodyBytes;
    const end = place.bytes === undefined ? bytes.indexOf(NUL) : place.bytes - this.#pending.length;
    const isWhole = end >= 0 && end < bytes.length;
    const piece = isWhole ? bytes.subarray(0, end) : bytes;
    if (this.#pending.length + piece.length > bodyBytes) return this.#fail(tooLong(bodyBytes));
    this.#pending.append(piece);
    if (!isWhole) return bytes.subarray(bytes.length);
    if (bytes[end] !== NUL) return this.#fail("no NUL at the end of the body");
    frames.push({
      command: place.command,
      headers: place.headers,
      body: this.#pending.take(),
    });
    this.#place = between;
    return bytes.subarray(end + 1);
  }

  #fail(why: string): Uint8Array {
    this.#place = { kind: "malformed", why };
    this.#pending = new GrowingBuffer();
    return new Uint8Array(0);
  }
}

export function tooLong(bodyBytes: number): string {
  return `a body of more than ${bodyBytes} bytes`;
}

function withoutCr(line: Uint8Array): Uint8Array {
  return line.at(-1) === CR ? line.subarray(0, -1) : line;
}

function decode(line: Uint8Array): string | undefined {
  try {
    return utf8.decode(line);
  } catch {
    return undefined;
  }
}
