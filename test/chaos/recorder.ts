/**
 * Every event of one host through all daemon restarts, as numbered by Host.getEvents, polled from
 * where the last answer ended. (epoch, seq) identifies an event; two events with the same identity
 * and different contents are a defect.
 */
import type { Site, Told } from "./site.ts";
import { readEvents, type SeenEvent } from "./wire.ts";

export class Recorder {
  readonly #site: Site;
  readonly #seen = new Map<string, SeenEvent>();
  #from: { readonly epoch: string; readonly next: number } | null = null;
  #told: Told;

  constructor(site: Site, told: Told) {
    this.#site = site;
    this.#told = told;
  }

  tellTo(told: Told): void {
    this.#told = told;
  }

  /** Polls once; false if there was no answer. */
  async poll(): Promise<boolean> {
    const from = this.#from;
    const asked = from === null ? {} : { since: from.next, epoch: from.epoch };
    const answer = await this.#site.call("Host.getEvents", asked);
    if (answer.kind !== "result") return false;
    const read = readEvents(answer.value);
    if (read === null) {
      this.#told.violation(`${this.#site.name}: Host.getEvents did not answer with an object`);
      return false;
    }
    if (read.gone && from?.epoch === read.epoch) {
      this.#told.violation(`${this.#site.name}: events were lost within an epoch`);
    }
    for (const event of read.events) this.#take(event);
    this.#from = read;
    return true;
  }

  /** The ends of this VM's migrations that this host reported, oldest first. */
  endings(vmId: string): readonly SeenEvent[] {
    return [...this.#seen.values()]
      .filter((event) => event.vmId === vmId && event.name === "VM_migration_ended")
      .sort((one, other) => one.notifyTimeMs - other.notifyTimeMs);
  }

  /** How often this VM switched to post-copy with this host as source. */
  postCopies(vmId: string): number {
    return [...this.#seen.values()].filter(
      (event) => event.vmId === vmId && event.fields["pauseCode"] === "POSTCOPY",
    ).length;
  }

  #take(event: SeenEvent): void {
    const key = `${event.epoch} ${event.seq}`;
    const known = this.#seen.get(key);
    if (known !== undefined && known.text !== event.text) {
      const both = `${known.text} and ${event.text}`;
      this.#told.violation(
        `${this.#site.name}: event ${event.seq} has two different contents: ${both}`,
      );
    }
    this.#seen.set(key, event);
    if (known === undefined && event.name === "VM_migration_ended") {
      this.#told.note(`${this.#site.name} tells: ${event.vmId} ${JSON.stringify(event.fields)}`);
    }
  }
}
