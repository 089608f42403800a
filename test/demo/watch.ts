/**
 * The demo's engine: asks host-a's daemon for its migrations a few times a second, shows them, and
 * prints each stall and end as its event arrives. The story waits here for what should happen next;
 * it reports nothing that the daemon has not reported.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Guest } from "../lab/api.ts";
import type { Daemon, DaemonEvent } from "../lab/daemon.ts";
import { migrationsBlock, readMigration, type MigrationView } from "./migration-view.ts";
import type { Screen } from "./screen.ts";
import { fieldList } from "./text.ts";

const LOOK_EVERY_MS = 200;
const WAIT_DEADLINE_MS = 45_000;
const STALLING = "VM_migration_stalling";
const ENDED = "VM_migration_ended";
const HANGING_INDENT = "     ";

export class Watch {
  readonly #daemon: Daemon;
  readonly #screen: Screen;
  readonly #unicode: boolean;
  readonly #names = new Map<string, string>();
  #views: readonly MigrationView[] = [];
  #eventsPrinted = 0;

  constructor(daemon: Daemon, screen: Screen, unicode: boolean) {
    this.#daemon = daemon;
    this.#screen = screen;
    this.#unicode = unicode;
  }

  /** Shows the migrations until `signal` aborts. Fails when the daemon does. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const all = await this.#daemon.call<Record<string, unknown>[]>("Host.getMigrations");
      // In the order in which they began, whatever the daemon's order is.
      const order = [...this.#names.keys()];
      this.#views = all
        .map(readMigration)
        .sort((one, other) => order.indexOf(one.vmId) - order.indexOf(other.vmId));
      this.#printEvents();
      if (this.#views.length > 0) {
        this.#screen.show(migrationsBlock(this.#views, this.#unicode));
      }
      await delay(LOOK_EVERY_MS);
    }
  }

  /** Calls a verb like an engine, and prints the call. */
  async call(method: string, guest: Guest, params: Record<string, unknown>): Promise<void> {
    this.#names.set(guest.uuid, guest.name);
    const sent = `  -> ${method} ${guest.name} ${fieldList(params)}`;
    this.#screen.print(sent, "call", HANGING_INDENT);
    await this.#daemon.call(method, { vmID: guest.uuid, params });
  }

  /** The guest's migration once the condition holds. Fails if it ends before that. */
  async until(
    guest: Guest,
    what: string,
    passes: (view: MigrationView) => boolean,
  ): Promise<MigrationView> {
    const endMs = performance.now() + WAIT_DEADLINE_MS;
    for (;;) {
      const view = this.#views.find((each) => each.vmId === guest.uuid);
      if (view !== undefined && passes(view)) return view;
      const ended = view !== undefined && view.outcome !== null;
      if (ended || performance.now() >= endMs) {
        const how = ended ? `the migration ended (${view.outcome})` : "it took too long";
        throw new Error(`${guest.name}: waited for ${what}, but ${how}`);
      }
      await delay(LOOK_EVERY_MS / 2);
    }
  }

  /** The guest's first stall event. Fails if its migration ends before that. */
  async stall(guest: Guest): Promise<DaemonEvent["fields"]> {
    const event = await this.#event(guest, [STALLING, ENDED], WAIT_DEADLINE_MS);
    if (event?.name === STALLING) return event.fields;
    const how = event === null ? "it took too long" : ending(event.fields);
    throw new Error(`${guest.name}: waited for a stall event, but ${how}`);
  }

  /** Its VM_migration_ended; null if there is none within `deadlineMs`. Fails unless completed. */
  async arrival(guest: Guest, deadlineMs: number): Promise<DaemonEvent["fields"] | null> {
    const event = await this.#event(guest, [ENDED], deadlineMs);
    if (event !== null && event.fields["outcome"] !== "completed") {
      throw new Error(`${guest.name} did not arrive: ${ending(event.fields)}`);
    }
    return event === null ? null : event.fields;
  }

  /** The guest's first such event among those received so far. */
  async #event(
    guest: Guest,
    names: readonly string[],
    deadlineMs: number,
  ): Promise<DaemonEvent | null> {
    const endMs = performance.now() + deadlineMs;
    for (;;) {
      const told = this.#daemon.events.slice(0, this.#eventsPrinted);
      const event = told.find((each) => each.vmId === guest.uuid && names.includes(each.name));
      if (event !== undefined) return event;
      if (performance.now() >= endMs) return null;
      await delay(LOOK_EVERY_MS / 2);
    }
  }

  #printEvents(): void {
    const news = this.#daemon.events.slice(this.#eventsPrinted);
    this.#eventsPrinted += news.length;
    for (const event of news) {
      const told = this.#told(event);
      if (told !== null) this.#screen.print(`  <- ${told}`, "event", HANGING_INDENT);
    }
  }

  #told({ name, vmId, fields }: DaemonEvent): string | null {
    const vmName = this.#names.get(vmId) ?? vmId;
    if (name === STALLING) {
      const { progressing, count, reason, stalledFor, timeoutIn } = fields;
      const shown =
        progressing === true
          ? { progressing }
          : {
              count,
              reason,
              stalledFor: `${Number(stalledFor)} s`,
              timeoutIn: `${Number(timeoutIn)} s`,
            };
      return `${name} ${vmName} ${fieldList(shown)}`;
    }
    if (name === ENDED) {
      const { outcome, where, confirmed, downtime } = fields;
      const shown = { outcome, where, confirmed, downtime: `${Number(downtime)} ms` };
      return `${name} ${vmName} ${fieldList(shown)}`;
    }
    return null;
  }
}

function ending(fields: DaemonEvent["fields"]): string {
  const { outcome, reason, message } = fields;
  return `its migration ended: ${String(outcome)}, ${String(reason)}, ${String(message)}`;
}
