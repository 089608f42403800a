/**
 * One host of a simulated world that another process owns. A lost connection is told as libvirt's would
 * be, and made again.
 */
import { createConnection, type Socket } from "node:net";
import type { HypervisorEvent } from "../port.ts";
import type { Mishap } from "./mishaps.ts";
import type { Outcome } from "./surroundings.ts";
import { LineReader, type WorldLine } from "./world-lines.ts";
import type { CallArgs, CallName, CallValue, WorldLink } from "./world-link.ts";

const RECONNECT_MS = 500;
const LOST = "the simulated world cannot be reached";

type Settle = (line: Extract<WorldLine, { id: number | null }>) => void;

export class WorldClient implements WorldLink {
  readonly #path: string;
  readonly #host: string;
  readonly #waiting = new Map<number, Settle>();
  #socket: Socket | null = null;
  #id = 0;
  #onEvent: (event: HypervisorEvent) => void = () => {};
  #closed = false;
  #again: NodeJS.Timeout | null = null;

  constructor(path: string, host: string) {
    this.#path = path;
    this.#host = host;
  }

  async connect(onEvent: (event: HypervisorEvent) => void): Promise<void> {
    this.#onEvent = onEvent;
    await this.#connect();
  }

  async call<Name extends CallName>(
    name: Name,
    ...args: CallArgs<Name>
  ): Promise<Outcome<CallValue<Name>>> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the world answers the call that was made.
    return (await this.#request({ call: name, args })) as Outcome<CallValue<Name>>;
  }

  /** Rejects if it cannot befall. */
  async befall(mishap: Mishap): Promise<void> {
    const outcome = await this.#request({ befall: mishap });
    if (outcome.kind === "disconnected") throw new Error(outcome.message);
  }

  close(): void {
    this.#closed = true;
    if (this.#again !== null) clearTimeout(this.#again);
    this.#socket?.destroy();
  }

  #request(
    body: { call: CallName; args: readonly unknown[] } | { befall: Mishap },
  ): Promise<Outcome<unknown>> {
    const socket = this.#socket;
    if (socket === null) return Promise.resolve({ kind: "disconnected", message: LOST });
    const id = this.#id++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (line) => {
        if ("error" in line) reject(new Error(`simulated world: ${line.error}`));
        else resolve(line.outcome);
      });
      socket.write(`${JSON.stringify({ id, ...body })}\n`);
    });
  }

  #connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(this.#path);
      const reader = new LineReader();
      socket.setEncoding("utf8");
      socket.on("connect", () => socket.write(`${JSON.stringify({ host: this.#host })}\n`));
      socket.on("data", (chunk: string) => {
        for (const text of reader.read(chunk)) {
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the world's own lines.
          const line = JSON.parse(text) as WorldLine;
          if ("host" in line) {
            this.#socket = socket;
            this.#onEvent({ kind: "connected" });
            resolve();
          } else if ("error" in line && line.id === null) socket.destroy(new Error(line.error));
          else this.#take(line);
        }
      });
      socket.on("error", reject);
      socket.on("close", () => {
        reject(new Error(LOST));
        this.#lost(socket);
      });
    });
  }

  #take(line: Exclude<WorldLine, { host: string }>): void {
    if ("event" in line) {
      this.#onEvent(line.event);
      return;
    }
    const { id } = line;
    if (id === null) return;
    const settle = this.#waiting.get(id);
    this.#waiting.delete(id);
    settle?.(line);
  }

  #lost(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    const waiting = [...this.#waiting.entries()];
    this.#waiting.clear();
    for (const [id, settle] of waiting) {
      settle({ id, outcome: { kind: "disconnected", message: LOST } });
    }
    if (this.#closed) return;
    this.#onEvent({ kind: "disconnected", message: LOST });
    this.#reconnect();
  }

  #reconnect(): void {
    this.#again = setTimeout(() => {
      this.#connect().catch(() => {
        if (!this.#closed) this.#reconnect();
      });
    }, RECONNECT_MS);
  }
}
