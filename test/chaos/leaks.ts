/**
 * Checks the footprints of successive rounds: nothing may exceed what an idle daemon ever needs,
 * nothing may remain that the first round did not leave too, and nothing may keep growing.
 */
import type { HostFootprint, ProcessFootprint } from "./footprint.ts";

/**
 * When idle: 24 for Node, the binding and the listeners, 3 idle connections of 2 descriptors for
 * each of the daemon's lanes to libvirt, and clients and peers.
 */
const DESCRIPTORS_MAX = 64;
const THREADS_MAX = 32;
const LIBVIRT_CLIENTS_MAX = 24;
const JOURNAL_FILES_MAX = 256;
const JOURNAL_MIB_MAX = 68;
/** Fewer rounds of one process show no trend, because connections are kept once opened. */
const TREND_ROUNDS = 12;
const TREND_DESCRIPTORS = 4;

export class Leaks {
  #mounts: number | null = null;
  #life = 0;
  readonly #descriptors: number[] = [];

  /** What a footprint has too much of. */
  faults(
    { descriptors, threads }: ProcessFootprint,
    host: HostFootprint,
    guests: number,
  ): readonly string[] {
    this.#mounts ??= host.mounts;
    return [
      above("file descriptors", descriptors, DESCRIPTORS_MAX),
      above("threads", threads, THREADS_MAX),
      above("connections to libvirtd", host.libvirtClients, LIBVIRT_CLIENTS_MAX),
      above("mounts", host.mounts, this.#mounts),
      above("QEMU processes", host.qemus, guests),
      above("network namespaces", host.networks, 1),
      above("images", host.images.length, 0),
      above("files of the journal", host.journalFiles, JOURNAL_FILES_MAX),
      above("MiB of journal", host.journalMiB, JOURNAL_MIB_MAX),
    ].filter((fault) => fault !== undefined);
  }

  /** Descriptors over the rounds of one daemon process; `life` identifies it. */
  trendFault(life: number, descriptors: number): string | undefined {
    if (life !== this.#life) this.#descriptors.length = 0;
    this.#life = life;
    this.#descriptors.push(descriptors);
    const count = this.#descriptors.length;
    if (count < TREND_ROUNDS) return undefined;
    const early = Math.max(...this.#descriptors.slice(0, count / 2));
    const late = median(this.#descriptors.slice((3 * count) / 4));
    if (late - early <= TREND_DESCRIPTORS) return undefined;
    return `file descriptors grew from ${early} to ${late} within ${count} rounds`;
  }
}

/** The lower of the two middle values for an even count; 0 for an empty list. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

function above(what: string, value: number, most: number): string | undefined {
  return value > most ? `${value} ${what}, at most ${most} expected` : undefined;
}
