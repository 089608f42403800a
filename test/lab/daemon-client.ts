/**
 * A client of a whole daemon that keeps every event: calls, and waits for what it is told. It knows only
 * the daemon's wire, and neither how the connection is made nor where the daemon runs.
 */
import type { Line, LineEnd, RpcId, RpcMessage } from "./line.ts";
import { until } from "./until.ts";

const EVENT_DEADLINE_MS = 60_000;

/** One event as received: its name without prefix and VM, and the VM's fields without
 * migrationId and time, which every event of a migration has. */
export interface DaemonEvent {
  readonly name: string;
  readonly vmId: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class RpcError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Waiting {
  readonly deadlineMs?: number;
}

interface Waiter {
  readonly resolve: (message: RpcMessage) => void;
  readonly reject: (error: Error) => void;
}

export abstract class DaemonClient {
  /** Every event since connecting, oldest first. */
  readonly events: DaemonEvent[] = [];
  readonly #answers = new Map<RpcId, Waiter>();
  #line: Line | null = null;

  /** Who it is, and the last that it said: for messages. */
  protected abstract saying(): string;

  protected async connectBy(open: (end: LineEnd) => Promise<Line>): Promise<void> {
    this.#line = await open({
      onMessage: (message) => this.#take(message),
      onClose: (why) => this.#closed(why),
    });
  }

  /** The verb's result; rejects with RpcError, or if the connection closes. */
  async call<T = unknown>(method: string, params: Record<string, unknown> = {}): Promise<T> {
    const line = this.#line;
    if (line === null) throw new Error("not connected");
    const message = await new Promise<RpcMessage>((resolve, reject) => {
      this.#answers.set(line.call(method, params), { resolve, reject });
    });
    const error = message["error"] as { code: number; message: string } | undefined;
    if (error !== undefined) throw new RpcError(error.code, error.message);
    return message["result"] as T;
  }

  /** The first event with this name, past or future, that passes the check. */
  async event(
    name: string,
    vmId: string,
    passes: (fields: DaemonEvent["fields"]) => boolean = () => true,
    { deadlineMs = EVENT_DEADLINE_MS }: Waiting = {},
  ): Promise<DaemonEvent> {
    const find = (): DaemonEvent | undefined =>
      this.events.find(
        (event) => event.name === name && event.vmId === vmId && passes(event.fields),
      );
    return until(find, deadlineMs, () => this.#told(`event ${name} of ${vmId}`));
  }

  /** The fields of the event that ended the migration. */
  async ended(vmId: string, waiting: Waiting = {}): Promise<DaemonEvent["fields"]> {
    return (await this.event("VM_migration_ended", vmId, undefined, waiting)).fields;
  }

  /** This VM's latest migration as Host.getMigrations shows it. */
  async migration(vmId: string): Promise<Readonly<Record<string, unknown>>> {
    const all = await this.call<Record<string, unknown>[]>("Host.getMigrations");
    const found = all.find((each) => each["vmId"] === vmId);
    if (found === undefined) throw new Error(`Host.getMigrations does not know ${vmId}`);
    return found;
  }

  /** Waits until Host.getMigrations shows this. */
  async migrationIs(
    vmId: string,
    passes: (migration: Readonly<Record<string, unknown>>) => boolean,
    { deadlineMs = EVENT_DEADLINE_MS }: Waiting = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    let seen: unknown;
    return until(
      async () => {
        const migration = await this.migration(vmId);
        seen = migration;
        return passes(migration) ? migration : undefined;
      },
      deadlineMs,
      () => this.#told(`migration ${JSON.stringify(seen)}`),
    );
  }

  /** Disconnects; the daemon keeps running. */
  hangUp(): void {
    this.#line?.close();
    this.#line = null;
  }

  #told(what: string): string {
    return `${what}\n${this.saying()}`;
  }

  #closed(why: string): void {
    this.#line = null;
    for (const { reject } of this.#answers.values()) reject(new Error(this.#told(why)));
    this.#answers.clear();
  }

  #take(message: RpcMessage): void {
    const id = message["id"];
    if (typeof id === "number" || typeof id === "string") {
      this.#answers.get(id)?.resolve(message);
      this.#answers.delete(id);
      return;
    }
    const [, , name = "", vmId = ""] = String(message["method"]).split("|");
    const params = message["params"] as Record<string, Record<string, unknown>>;
    const { migrationId: _id, time: _time, ...fields } = params[vmId] ?? {};
    this.events.push({ name, vmId, fields });
  }
}
