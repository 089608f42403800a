/** Lets other processes into a simulated world, over a Unix socket that only its owner can use. */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import * as v from "valibot";
import { messageOf } from "../../errors.ts";
import type { LiveWorld } from "./live-world.ts";
import { LineReader, requestSchema, type WorldLine, type WorldRequest } from "./world-lines.ts";

export class WorldServer {
  readonly #world: LiveWorld;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  constructor(world: LiveWorld) {
    this.#world = world;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Takes the place of a socket that nobody serves any more. Rejects if the path cannot be used. */
  async listen(path: string): Promise<void> {
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(path, resolve);
    });
    chmodSync(path, 0o600);
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    this.#open.add(socket);
    const client = new Client(this.#world, (line) => {
      if (socket.writable) socket.write(`${JSON.stringify(line)}\n`);
    });
    const reader = new LineReader();
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      try {
        for (const line of reader.read(chunk)) client.take(line);
      } catch {
        socket.destroy();
      }
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#open.delete(socket);
      client.leave();
    });
  }
}

class Client {
  readonly #world: LiveWorld;
  readonly #say: (line: WorldLine) => void;
  #host: string | null = null;
  #stop: () => void = () => {};

  constructor(world: LiveWorld, say: (line: WorldLine) => void) {
    this.#world = world;
    this.#say = say;
  }

  leave(): void {
    this.#stop();
  }

  take(line: string): void {
    const parsed = v.safeParse(requestSchema, jsonOf(line));
    if (!parsed.success) {
      this.#say({ id: null, error: `not a request: ${parsed.issues[0].message}` });
      return;
    }
    const request = parsed.output;
    try {
      this.#obey(request);
    } catch (error) {
      this.#say({ id: "id" in request ? request.id : null, error: messageOf(error) });
    }
  }

  #obey(request: WorldRequest): void {
    if ("host" in request) {
      this.#stop();
      this.#stop = this.#world.listen(request.host, (event) => this.#say({ event }));
      this.#host = request.host;
      this.#say({ host: request.host });
      return;
    }
    const { id } = request;
    if ("befall" in request) {
      this.#world.befall(request.befall);
      this.#say({ id, outcome: { kind: "ok", value: null } });
      return;
    }
    if (this.#host === null) throw new Error("the first line names the host");
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own adapter's; what throws is told.
    const args = request.args as never;
    this.#world.call(this.#host, request.call, args, (outcome) => this.#say({ id, outcome }));
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
