/**
 * Job stats of many domains with a bounded number of calls at a time. A call can block for ever (a
 * stopped QEMU), so each of `threads` lanes takes the next domain only when its last call is back:
 * a blocked domain keeps its own lane and delays none of the others. Only when every lane is held
 * by a blocked domain does the rest wait, until the deadline gives them up unasked. So `threads`
 * should exceed the number of domains that may block at once. Each call in flight has a connection
 * of its own (connection-pool.ts says why), so a blocked one holds nothing else.
 */
import { checkFunction, checkInt32 } from "./arguments.ts";
import type { ConnectionPool } from "./connection-pool.ts";
import type { Domain } from "./domain.ts";
import { LibvirtError } from "./errors.ts";
import { deliver } from "./events.ts";
import type { JobStats } from "./job-stats.ts";

export type JobStatsResult =
  /** `late`: the answer came after the deadline, when the promise had been resolved. */
  | {
      readonly kind: "stats";
      readonly domain: Domain;
      readonly stats: JobStats;
      readonly late: boolean;
    }
  | {
      readonly kind: "error";
      readonly domain: Domain;
      readonly error: LibvirtError;
      readonly late: boolean;
    }
  /** Its turn had not come when the deadline passed; no call was made. */
  | { readonly kind: "notAsked"; readonly domain: Domain };

export interface BulkJobStatsOptions {
  /** See JobStatsFlag. Default 0. */
  readonly flags?: number | undefined;
  /** Calls at a time, 1 or more. */
  readonly threads: number;
  /** After this long the promise resolves whatever is still out. Default: wait for every answer. */
  readonly deadlineMs?: number | undefined;
  /** Called as each call begins: the place to read a clock. */
  readonly onBegin?: ((domain: Domain) => void) | undefined;
  /** Called once for each domain, late answers included. What it throws is an uncaught exception. */
  readonly onResult: (result: JobStatsResult) => void;
}

export interface BulkJobStatsSummary {
  /** Stats or an error came in time. */
  readonly answered: number;
  /** Asked, no answer yet: onResult follows, with `late: true`, if libvirt ever lets go. */
  readonly outstanding: readonly Domain[];
  readonly notAsked: readonly Domain[];
}

class BulkRun {
  readonly #domains: readonly Domain[];
  readonly #pool: ConnectionPool | undefined;
  readonly #flags: number;
  readonly #options: BulkJobStatsOptions;
  readonly #outstanding = new Set<Domain>();
  readonly #done: (summary: BulkJobStatsSummary) => void;
  #next = 0;
  #answered = 0;
  #over = false;

  constructor(
    pool: ConnectionPool | undefined,
    domains: readonly Domain[],
    flags: number,
    options: BulkJobStatsOptions,
    done: (summary: BulkJobStatsSummary) => void,
  ) {
    this.#pool = pool;
    this.#domains = domains;
    this.#flags = flags;
    this.#options = options;
    this.#done = done;
  }

  /** One lane: domain after domain, until none is left or the deadline has passed. */
  async lane(): Promise<void> {
    for (let domain = this.#take(); domain !== undefined; domain = this.#take()) {
      const result = await this.#ask(domain);
      this.#outstanding.delete(domain);
      if (!this.#over) this.#answered += 1;
      deliver(this.#options.onResult, result);
    }
    if (this.#outstanding.size === 0) this.finish();
  }

  finish(): void {
    if (this.#over) return;
    this.#over = true;
    const notAsked = this.#domains.slice(this.#next);
    this.#next = this.#domains.length;
    for (const domain of notAsked) deliver(this.#options.onResult, { kind: "notAsked", domain });
    this.#done({ answered: this.#answered, outstanding: [...this.#outstanding], notAsked });
  }

  #take(): Domain | undefined {
    const domain = this.#domains[this.#next];
    if (domain === undefined) return undefined;
    this.#next += 1;
    this.#outstanding.add(domain);
    if (this.#options.onBegin !== undefined) deliver(this.#options.onBegin, domain);
    return domain;
  }

  async #statsOf(domain: Domain): Promise<JobStats> {
    // Of a closed connection the domain itself says so, with libvirt's code and without a call.
    if (this.#pool === undefined) return domain.getJobStats(this.#flags);
    return this.#pool.use(async (connection) => {
      const own = await connection.lookupByUuid(domain.uuid);
      return own.getJobStats(this.#flags);
    });
  }

  async #ask(domain: Domain): Promise<JobStatsResult> {
    try {
      const stats = await this.#statsOf(domain);
      return { kind: "stats", domain, stats, late: this.#over };
    } catch (error) {
      if (!(error instanceof LibvirtError)) throw error;
      return { kind: "error", domain, error, late: this.#over };
    }
  }
}

/** See Connection.getJobStatsOf. `pool` undefined: the connection is closed. */
export async function bulkJobStats(
  pool: ConnectionPool | undefined,
  domains: readonly Domain[],
  options: BulkJobStatsOptions,
): Promise<BulkJobStatsSummary> {
  const flags = checkInt32("flags", options.flags ?? 0, "uint");
  const threads = checkInt32("threads", options.threads, "uint");
  if (threads === 0) throw new RangeError("threads must be 1 or more, not 0");
  const deadlineMs = options.deadlineMs;
  if (deadlineMs !== undefined && !(deadlineMs >= 0 && deadlineMs < 2 ** 31)) {
    throw new RangeError(`deadlineMs must be 0 to 2147483647, not ${deadlineMs}`);
  }
  checkFunction("onResult", options.onResult);
  const unique = [...new Set(domains)];
  const { promise, resolve, reject } = withResolvers<BulkJobStatsSummary>();
  const run = new BulkRun(pool, unique, flags, options, resolve);
  const timer = deadlineMs === undefined ? undefined : setTimeout(() => run.finish(), deadlineMs);
  const lanes = Array.from({ length: Math.min(threads, unique.length) }, () => run.lane());
  for (const lane of lanes) lane.catch(reject);
  if (unique.length === 0) run.finish();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

interface Resolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** Promise.withResolvers, which Node 20 has not. */
function withResolvers<T>(): Resolvers<T> {
  let resolvers: Omit<Resolvers<T>, "promise"> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    resolvers = { resolve, reject };
  });
  if (resolvers === undefined) throw new Error("unreachable: a promise's executor runs at once");
  return { promise, ...resolvers };
}
