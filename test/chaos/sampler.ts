/**
 * Watches during a round: reads both daemons' migrations and events every 0.2 s and checks the
 * rules that hold at every moment (watch-rules.ts). Also waits for all migrations to end.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Recorder } from "./recorder.ts";
import type { Site } from "./site.ts";
import type { Stage } from "./stage.ts";
import { type Look, WatchRules } from "./watch-rules.ts";
import { isWire, type MigrationEntry, numberIn, readMigrations } from "./wire.ts";

const EVERY_MS = 200;
const COUNTS = ["incomingVmMigrations", "outgoingVmMigrations", "queuedVmMigrations"] as const;

export class Sampler {
  readonly #stage: Stage;
  readonly #recorders: readonly Recorder[];
  readonly #rules = new WatchRules();
  readonly #stopped = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(stage: Stage, recorders: readonly Recorder[]) {
    this.#stage = stage;
    this.#recorders = recorders;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      await this.#look();
      await delay(EVERY_MS, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const { sites, timeline } = this.#stage;
    const looks: Promise<Look>[] = sites.map(async (site) => ({
      siteName: site.name,
      entries: (await migrationsOf(site)) ?? [],
    }));
    const [seen] = await Promise.all([
      Promise.all(looks),
      ...this.#recorders.map((recorder) => recorder.poll()),
    ]);
    const faults = this.#rules.faults(seen, performance.now(), this.#stage.calmSinceMs);
    for (const fault of faults) timeline.violation(fault);
  }
}

/** The answer of Host.getMigrations; undefined if there is none. */
export async function migrationsOf(site: Site): Promise<readonly MigrationEntry[] | undefined> {
  const answer = await site.call("Host.getMigrations");
  return answer.kind === "result" ? readMigrations(answer.value) : undefined;
}

/** What is still going on at the host, in words; "" if nothing is. */
export async function busyWith(site: Site): Promise<string> {
  const entries = await migrationsOf(site);
  if (entries === undefined) return `${site.name} does not answer`;
  const live = entries.filter((entry) => entry.phase !== "ended");
  if (live.length > 0) {
    const words = live.map(({ vmId, phase, stallReason }) => `${vmId} ${phase} ${stallReason}`);
    return `${site.name}: ${words.join(", ").trimEnd()}`;
  }
  const stats = await site.call("Host.getStats");
  if (stats.kind !== "result" || !isWire(stats.value)) return `${site.name} returns no statistics`;
  const { value } = stats;
  const counts = COUNTS.filter((key) => numberIn(value, key) > 0);
  return counts.map((key) => `${site.name}: ${key} ${numberIn(value, key)}`).join(", ");
}
