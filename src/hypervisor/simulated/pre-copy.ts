/**
 * QEMU's side of a running migration: pass after pass over memory at the rate that the link gives, a
 * look at what the guest has dirtied at the end of each, auto-converge, and the figures that statistics
 * show.
 */
import type { JobStats } from "../../core/job-stats.ts";
import { AutoConverge } from "./auto-converge.ts";
import type { Guest } from "./guest.ts";
import { PAGE_BYTES } from "./guest-memory.ts";
import type { QemuProfile } from "./qemu-profile.ts";
import { RamStream } from "./ram-stream.ts";

/** QEMU works out the dirty rate over at least so long. */
const DIRTY_RATE_OVER_MS = 1000;
/** QEMU measures its rate so often, and then expects a downtime. */
const MEASURED_EVERY_MS = 100;

export interface PreCopyOptions {
  readonly compressed: boolean;
  readonly autoConverge: boolean;
}

export type Figures = Omit<JobStats, "type" | "operation" | "timeElapsedMs">;

export class PreCopy {
  readonly #guest: Guest;
  readonly #profile: QemuProfile;
  readonly #stream: RamStream;
  readonly #converge: AutoConverge | null;
  #bytesPerSecond = 0;
  #atMs: number;
  #lookedAtMs: number;
  #dirtyFromMs: number;
  #dirtyPages = 0;
  #dirtyPagesPerSecond = 0;
  #expectedDowntimeMs: number | undefined;

  constructor(guest: Guest, profile: QemuProfile, options: PreCopyOptions, nowMs: number) {
    guest.catchUp(nowMs);
    this.#guest = guest;
    this.#profile = profile;
    this.#stream = new RamStream(guest.spec.memory, guest.log, {
      compressed: options.compressed,
      zeroPagesPerSecond: profile.zeroPagesPerSecond,
    });
    this.#converge = options.autoConverge ? new AutoConverge(nowMs) : null;
    this.#atMs = nowMs;
    this.#lookedAtMs = nowMs;
    this.#dirtyFromMs = nowMs;
  }

  get pass(): number {
    return this.#stream.pass;
  }

  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  /** Has sent whatever it sent until then. */
  settle(nowMs: number): void {
    const ms = nowMs - this.#atMs;
    this.#atMs = nowMs;
    this.#guest.catchUp(nowMs);
    if (ms > 0) this.#stream.send(ms, this.#bytesPerSecond);
    const { pass, passMs, passPages, measuredBytesPerSecond: measured } = this.#stream;
    if (pass > 1 && passMs >= MEASURED_EVERY_MS && measured > 0) {
      this.#expectedDowntimeMs = Math.floor((passPages * PAGE_BYTES * 1000) / measured);
    }
  }

  /** From now on the link gives so much. */
  rate(nowMs: number, bytesPerSecond: number): void {
    this.settle(nowMs);
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** In ms, until the next look; Infinity: never, at this rate. */
  looksInMs(downtimeMs: number): number {
    const { resync } = this.#profile;
    const passEndsInMs = this.#stream.looksInMs(this.#bytesPerSecond, downtimeMs);
    if (resync === null || this.#bytesPerSecond === 0) return passEndsInMs;
    const applies = resync.always || (this.#converge !== null && this.pass > 1);
    const sinceMs = this.#atMs - this.#lookedAtMs;
    return applies ? Math.min(passEndsInMs, Math.max(0, resync.everyMs - sinceMs)) : passEndsInMs;
  }

  /** In ms, until everything is sent that is dirty now. */
  sentInMs(): number {
    return this.#stream.sentInMs(this.#bytesPerSecond);
  }

  /** A look at what the guest has dirtied, which begins a pass. */
  look(nowMs: number): void {
    this.settle(nowMs);
    this.#lookedAtMs = nowMs;
    const fresh = this.#stream.look();
    this.#dirtyPages += fresh;
    const overMs = nowMs - this.#dirtyFromMs;
    if (overMs > DIRTY_RATE_OVER_MS) {
      this.#dirtyPagesPerSecond = Math.round((this.#dirtyPages * 1000) / overMs);
      this.#dirtyPages = 0;
      this.#dirtyFromMs = nowMs;
    }
    if (this.#converge === null) return;
    const share = this.#converge.look(nowMs, fresh * PAGE_BYTES, this.#stream.sentBytes);
    this.#guest.throttle(nowMs, share);
  }

  /** What is left would go within the downtime. */
  fits(downtimeMs: number): boolean {
    return this.#stream.fits(downtimeMs);
  }

  /** What the guest asks for once it runs over there: what it writes and has not arrived yet. */
  faultedBytesPerSecond(): number {
    const { sets } = this.#guest.log;
    return (
      PAGE_BYTES *
      sets.reduce((sum, { pages, writesPerSecond }, at) => {
        const missing = pages === 0 ? 0 : this.#stream.leftOf(at) / pages;
        return sum + writesPerSecond * missing;
      }, 0)
    );
  }

  /** `maxDowntimeMs`: what QEMU says that it expects until it has measured. */
  figures(maxDowntimeMs: number): Figures {
    const { sent, sentBytes, leftPages, pass } = this.#stream;
    const leftBytes = Math.round(leftPages) * PAGE_BYTES;
    const expected =
      this.#expectedDowntimeMs ??
      (this.#profile.resync?.always === true ? undefined : maxDowntimeMs);
    return {
      dataTotalBytes: this.#guest.spec.memory.pages * PAGE_BYTES,
      dataProcessedBytes: Math.round(sentBytes),
      dataRemainingBytes: leftBytes,
      memoryIteration: pass,
      memoryBytesPerSecond: Math.round(this.#stream.measuredBytesPerSecond),
      dirtyRatePagesPerSecond: this.#dirtyPagesPerSecond,
      pageSizeBytes: PAGE_BYTES,
      memoryRemainingBytes: leftBytes,
      normalPages: Math.round(sent.whole),
      constantPages: Math.round(sent.zero),
      compressedPages: Math.round(sent.delta),
      ...(expected === undefined ? {} : { downtimeMs: expected }),
    };
  }
}

/** Of a migration that has completed. `downtimeMs` null: in post-copy, where nobody measures it. */
export function recordOf(
  stats: JobStats,
  downtimeMs: number | null,
  switchoverMs: number,
): JobStats {
  return {
    ...stats,
    type: "completed",
    dataRemainingBytes: 0,
    memoryRemainingBytes: 0,
    downtimeMs: downtimeMs ?? switchoverMs,
    ...(downtimeMs === null ? {} : { downtimeNetMs: downtimeMs }),
  };
}
