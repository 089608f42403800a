/**
 * The addresses of a destination's name. A resolver may take longer than a connection may: its answer
 * is not thrown away then, the next try has it. One question at a time for each destination.
 */
import { lookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";

/** A late answer is of use for so long; destinations are tried again well within it. */
const LATE_KEPT_MS = 60_000;

type Found = { readonly error: NodeJS.ErrnoException | null; readonly all: LookupAddress[] };

export class NameLookup {
  readonly #nowMs: () => number;
  #asking: Promise<Found> | null = null;
  #late: { readonly found: Found; readonly atMs: number } | null = null;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** An answer is still awaited. */
  get asking(): boolean {
    return this.#asking !== null;
  }

  /** The connection that asked has given up: what comes is for the next one. */
  keepLate(): void {
    const asking = this.#asking;
    void asking?.then((found) => {
      this.#late = { found, atMs: this.#nowMs() };
    });
  }

  /** For net.connect's `lookup`. */
  readonly forSocket: LookupFunction = (host, options, callback) => {
    void this.#find(host).then(({ error, all }) => {
      const [first] = all;
      if (error !== null || first === undefined) callback(error ?? noAddress(host), "", 0);
      else if (options.all === true) callback(null, all);
      else callback(null, first.address, first.family);
    });
  };

  #find(host: string): Promise<Found> {
    const late = this.#late;
    this.#late = null;
    if (late !== null && this.#nowMs() - late.atMs < LATE_KEPT_MS) {
      return Promise.resolve(late.found);
    }
    this.#asking ??= new Promise<Found>((resolve) => {
      lookup(host, { all: true }, (error, all) => {
        this.#asking = null;
        resolve({ error, all: error === null ? all : [] });
      });
    });
    return this.#asking;
  }
}

function noAddress(host: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${host} has no address`), { code: "ENOTFOUND" });
}
