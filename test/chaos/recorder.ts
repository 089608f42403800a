/**
 * Every event of one host, over all lives of its daemon, as Host.getEvents numbers them: asked for
 * again and again from where the last answer ended. (epoch, seq) names an event; the same name with
 * other words is a defect.
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

  /** Asks once; false if there was no answer. */
  async poll(): Promise<boolean> {
    const from = this.#from;
    const asked = from === null ? {} : { since: from.next, epoch: from.epoch };
    const answer = await this.#site.call("Host.getEvents", asked);
    if (answer.kind !== "result") return false;
    const read = readEvents(answer.value);
    if (read === null) {
      this.#told.violation(`${this.#site.name}: Host.getEvents answers no object`);
      return false;
    }
    if (read.gone && from?.epoch === read.epoch) {
      this.#told.violation(`${this.#site.name}: events are gone within an epoch`);
    }
    for (const event of read.events) this.#take(event);
    this.#from = read;
    return true;
  }

  /** The ends of this VM's migrations that this host told of, oldest first. */
  endings(vmId: string): readonly SeenEvent[] {
    return [...this.#seen.values()]
      .filter((event) => event.vmId === vmId && event.name === "VM_migration_ended")
      .sort((one, other) => one.notifyTimeMs - other.notifyTimeMs);
  }

  /** How often this VM went to post-copy from here. */
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
      this.#told.violation(`${this.#site.name}: event ${event.seq} has two contents: ${both}`);
    }
    this.#seen.set(key, event);
    if (known === undefined && event.name === "VM_migration_ended") {
      this.#told.note(`${this.#site.name} tells: ${event.vmId} ${JSON.stringify(event.fields)}`);
    }
  }
}
