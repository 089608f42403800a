/**
 * Heart-beats, for either end: what the header means, when a line feed is due, when the other end
 * counts as gone. Time is an argument.
 *
 * "x,y" says: I can send something every x ms, I want something every y ms; 0 is never. What holds
 * in a direction is the larger of the one end's can and the other's want, if neither is 0. We send
 * at three quarters of the agreed interval, so that a busy moment breaks no promise, and wait for twice
 * the interval: clients promise without a margin, and VDSM's server, which allows none either,
 * disconnects healthy ones.
 */

/** Heart-beats are never asked for or promised more often than this; VDSM's minimum. */
const MIN_INTERVAL_MS = 1000;
/** A longer interval is answered with this one, which satisfies it too. */
const MAX_INTERVAL_MS = 3_600_000;

const SEND_AFTER = 0.75;
const GONE_AFTER = 2;

export interface HeartBeat {
  /** How often its sender can send; 0: cannot. */
  readonly canMs: number;
  /** How often its sender wants to hear something; 0: never. */
  readonly wantsMs: number;
}

/** Absent: no heart-beats. undefined: malformed. */
export function parseHeartBeat(header: string | undefined): HeartBeat | undefined {
  if (header === undefined) return { canMs: 0, wantsMs: 0 };
  const [, can, wants] = /^(\d{1,15}),(\d{1,15})$/.exec(header) ?? [];
  if (can === undefined || wants === undefined) return undefined;
  return { canMs: Number(can), wantsMs: Number(wants) };
}

/** What a server that can do anything answers: the client's own wishes, within our bounds. */
export function answerHeartBeat({ canMs, wantsMs }: HeartBeat): HeartBeat {
  return { canMs: bounded(wantsMs), wantsMs: bounded(canMs) };
}

export function formatHeartBeat({ canMs, wantsMs }: HeartBeat): string {
  return `${canMs},${wantsMs}`;
}

function bounded(ms: number): number {
  return ms === 0 ? 0 : Math.min(Math.max(ms, MIN_INTERVAL_MS), MAX_INTERVAL_MS);
}

export class HeartBeats {
  #sendEveryMs = 0;
  #hearEveryMs = 0;
  #sentAtMs: number;
  #heardAtMs: number;

  constructor(nowMs: number) {
    this.#sentAtMs = nowMs;
    this.#heardAtMs = nowMs;
  }

  /** From now on. */
  agree(own: HeartBeat, other: HeartBeat, nowMs: number): void {
    this.#sendEveryMs = agreed(own.canMs, other.wantsMs);
    this.#hearEveryMs = agreed(other.canMs, own.wantsMs);
    this.#sentAtMs = nowMs;
    this.#heardAtMs = nowMs;
  }

  /** Anything was sent: a frame counts as well as a line feed. */
  sent(nowMs: number): void {
    this.#sentAtMs = nowMs;
  }

  /** Anything was received. */
  heard(nowMs: number): void {
    this.#heardAtMs = nowMs;
  }

  isDue(nowMs: number): boolean {
    return this.#sendEveryMs > 0 && nowMs - this.#sentAtMs >= this.#sendEveryMs * SEND_AFTER;
  }

  /** How long the other end has been silent, if that is longer than it may. */
  goneForMs(nowMs: number): number | undefined {
    const silentMs = nowMs - this.#heardAtMs;
    return this.#hearEveryMs > 0 && silentMs > this.#hearEveryMs * GONE_AFTER
      ? silentMs
      : undefined;
  }
}

function agreed(canMs: number, wantsMs: number): number {
  return canMs === 0 || wantsMs === 0 ? 0 : Math.max(canMs, wantsMs);
}
