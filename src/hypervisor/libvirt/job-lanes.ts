/**
 * Job stats of many VMs within a time (lanes.ts), as the port's views. A VM whose call has not come back
 * is not asked again until it has, and what it answers then is kept for the next time.
 */
import type { JobSample } from "libvirt";
import type { Clock } from "../../clock.ts";
import type { Defects } from "../../defects.ts";
import type { JobView } from "../port.ts";
import type { Connections } from "./connections.ts";
import { Lanes } from "./lanes.ts";
import { jobStatsFromLibvirt } from "./translate/job-stats.ts";
import { isIncoming, refusalFrom } from "./translate/refusal.ts";

export class JobLanes {
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #defects: Defects;
  /** Lists with a call that has not come back. */
  readonly #open = new Set<Lanes>();
  /** What came after its time. */
  readonly #late = new Map<string, JobView>();

  constructor(connections: Connections, clock: Clock, defects: Defects) {
    this.#connections = connections;
    this.#clock = clock;
    this.#defects = defects;
  }

  /**
   * What these VMs answer within `waitMs`, asked in this order, or else have answered late. Whoever has
   * said nothing is left out. Never rejects.
   */
  async ask(vmIds: readonly string[], waitMs: number): Promise<ReadonlyMap<string, JobView>> {
    const views = new Map<string, JobView>();
    for (const vmId of vmIds) this.#takeLate(vmId, views);
    const out = new Set([...this.#open].flatMap(({ samples }) => samples.inFlight()));
    const asked = vmIds.filter((vmId) => !out.has(vmId));
    if (asked.length === 0) return views;
    const lanes = new Lanes(asked, this.#connections, () => this.#onLate(lanes));
    this.#open.add(lanes);
    await lanes.run(waitMs);
    this.#keep(lanes, views);
    this.#drop(lanes);
    if (lanes.unreachable !== null) addUnreachable(asked, lanes, lanes.unreachable, views);
    return views;
  }

  /** These are all VMs that there are: late answers of others are of no use. */
  forgetOthers(vmIds: readonly string[]): void {
    const known = new Set(vmIds);
    for (const vmId of this.#late.keys()) if (!known.has(vmId)) this.#late.delete(vmId);
  }

  #takeLate(vmId: string, views: Map<string, JobView>): void {
    const view = this.#late.get(vmId);
    if (view === undefined) return;
    this.#late.delete(vmId);
    views.set(vmId, view);
  }

  #onLate(lanes: Lanes): void {
    this.#keep(lanes, this.#late);
    this.#drop(lanes);
  }

  #drop(lanes: Lanes): void {
    if (lanes.running === 0) this.#open.delete(lanes);
  }

  #keep({ samples }: Lanes, views: Map<string, JobView>): void {
    const nowMs = this.#clock.monotonicMs();
    for (const sample of samples.take()) {
      const view = this.#defects.contained("jobStats", sample.uuid, () => viewOf(sample, nowMs));
      if (view !== null) views.set(sample.uuid, view);
    }
  }
}

function viewOf(sample: JobSample, nowMs: number): JobView {
  switch (sample.kind) {
    case "stats":
      return {
        kind: "stats",
        stats: jobStatsFromLibvirt(sample.stats),
        atMs: nowMs - sample.ageMs,
      };
    case "refused":
      return isIncoming(sample.error)
        ? { kind: "incoming" }
        : { kind: "refused", refusal: refusalFrom(sample.error) };
    case "lost":
      return unreachable(sample.error.libvirtMessage);
  }
}

function unreachable(message: string): JobView {
  return { kind: "refused", refusal: { kind: "other", code: null, message } };
}

/** Whoever could not be asked, because there was no connection. */
function addUnreachable(
  asked: readonly string[],
  { samples }: Lanes,
  message: string,
  views: Map<string, JobView>,
): void {
  const out = new Set(samples.inFlight());
  for (const vmId of asked) {
    if (!views.has(vmId) && !out.has(vmId)) views.set(vmId, unreachable(message));
  }
}
