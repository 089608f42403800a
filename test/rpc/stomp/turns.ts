/**
 * A reader as vdsm-jsonrpc-java has it: at a turn it reads once from the socket and handles one TLS
 * record, or one frame where there is no TLS; what else has come waits for its next turn. It has a
 * turn when bytes come, while it has something to write, and after `SELECT_MS` in any case.
 */

import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { frameLength } from "./wire.ts";

/** How long it sleeps where nothing comes. */
const SELECT_MS = 1000;
const RECORD_HEAD_BYTES = 5;

export interface TurnReader {
  /** Frames so far, in order; heart-beats are left out. */
  readonly frames: string[];
  /** Turns that only its clock gave it, with something to handle. */
  readonly late: () => number;
  readonly write: (text: string) => void;
  /** Resolves once there are so many frames. */
  readonly frame: (count: number) => Promise<void>;
  readonly close: () => void;
}

export async function openTurnReader(port: number, tls?: ConnectionOptions): Promise<TurnReader> {
  const raw = connect({ host: "127.0.0.1", port }).setNoDelay(true);
  raw.on("error", () => undefined);
  const frames: string[] = [];
  let wake: () => void = () => undefined;
  const take = (frame: string): void => {
    if (frame !== "\n") frames.push(frame);
    wake();
  };
  const turns = tls === undefined ? plainTurns(raw, take) : tlsTurns(raw, tls, take);
  let late = 0;
  let pending: Buffer = Buffer.alloc(0);
  const turn = (): boolean => {
    const rest = turns.handle(pending);
    const handled = rest.length < pending.length;
    pending = rest;
    return handled;
  };
  let clock: NodeJS.Timeout | undefined;
  const sleep = (): void => {
    clearTimeout(clock);
    clock = setTimeout(() => {
      if (turn()) late += 1;
      sleep();
    }, SELECT_MS);
  };
  raw.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    turn();
    // In the handshake it wants to write, so that it never sleeps.
    while (turns.isInHandshake() && turn());
    sleep();
  });
  await turns.ready;
  return {
    frames,
    late: () => late,
    write: (text) => {
      turns.write(text);
      turn();
      sleep();
    },
    frame: async (count) => {
      while (frames.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    close: () => {
      clearTimeout(clock);
      raw.destroy();
    },
  };
}

interface Turns {
  readonly ready: Promise<void>;
  readonly isInHandshake: () => boolean;
  readonly write: (text: string) => void;
  /** Handles one record or frame of what has come and returns the rest. */
  readonly handle: (pending: Buffer) => Buffer;
}

function plainTurns(raw: Socket, take: (frame: string) => void): Turns {
  return {
    ready: new Promise((resolve) => raw.once("connect", () => resolve())),
    isInHandshake: () => false,
    write: (text) => void raw.write(text),
    handle: (pending) => {
      const { frame, rest } = firstFrame(pending);
      if (frame !== undefined) take(frame);
      return rest;
    },
  };
}

function tlsTurns(raw: Socket, options: ConnectionOptions, take: (frame: string) => void): Turns {
  const pipe = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => void raw.write(chunk, done),
  });
  const secured = connectTls({ ...options, socket: pipe });
  secured.on("error", () => undefined);
  let isInHandshake = true;
  let text: Buffer = Buffer.alloc(0);
  secured.on("data", (chunk: Buffer) => {
    text = Buffer.concat([text, chunk]);
    for (;;) {
      const { frame, rest } = firstFrame(text);
      if (frame === undefined) return;
      text = rest;
      take(frame);
    }
  });
  const ready = new Promise<void>((resolve) => {
    secured.once("secureConnect", () => {
      isInHandshake = false;
      resolve();
    });
  });
  return {
    ready,
    isInHandshake: () => isInHandshake,
    write: (frame) => void secured.write(frame),
    handle: (pending) => {
      if (pending.length < RECORD_HEAD_BYTES) return pending;
      const end = RECORD_HEAD_BYTES + pending.readUInt16BE(3);
      if (pending.length < end) return pending;
      pipe.push(pending.subarray(0, end));
      return pending.subarray(end);
    },
  };
}

function firstFrame(pending: Buffer): { readonly frame?: string; readonly rest: Buffer } {
  const length = pending[0] === 0x0a ? 1 : frameLength(pending.toString("latin1"));
  if (length === undefined) return { rest: pending };
  return { frame: pending.subarray(0, length).toString(), rest: pending.subarray(length) };
}
