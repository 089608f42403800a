/**
 * What the binding's tests share: a daemon that takes connections and never says a word (so that a
 * call blocks for ever, on any machine and without root), and child processes whose end is looked
 * at from outside.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const CHECKOUT = path.resolve(import.meta.dirname, "../..");
const CHILD_DEADLINE_MS = 60_000;

export class SilentDaemon {
  readonly uri: string;
  readonly #folder: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(folder: string, socket: string, server: Server) {
    this.#folder = folder;
    this.uri = `qemu+unix:///system?socket=${socket}`;
    this.#server = server;
    server.on("connection", (peer) => {
      this.#sockets.add(peer);
      peer.on("error", () => undefined);
      peer.on("close", () => this.#sockets.delete(peer));
    });
  }

  static async start(): Promise<SilentDaemon> {
    const folder = mkdtempSync(path.join(tmpdir(), "libvirt-silent-"));
    const socket = path.join(folder, "sock");
    const server = createServer();
    const daemon = new SilentDaemon(folder, socket, server);
    server.listen(socket);
    await once(server, "listening");
    return daemon;
  }

  /** Resolves when the next caller has connected; it gets no further. */
  async caller(): Promise<void> {
    await once(this.#server, "connection");
  }

  /** Hangs up on everybody, so that their calls fail. */
  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From the line `ready` on its stdout to its end. */
  readonly endedAfterMs: number;
}

export interface ChildOptions {
  readonly args?: readonly string[];
  readonly nodeArgs?: readonly string[];
  /** Killed after this long. Default 60 s. */
  readonly deadlineMs?: number;
  /** Called when it has printed the line `ready`. */
  readonly onReady?: (pid: number) => void;
}

/** Runs a module in its own node process until it exits. `import "libvirt"` works in it. */
export async function runChild(source: string, options: ChildOptions = {}): Promise<ChildEnd> {
  const args = [...(options.nodeArgs ?? []), "--input-type=module", "--eval", source];
  const child = spawn(process.execPath, [...args, "--", ...(options.args ?? [])], {
    cwd: CHECKOUT,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: options.deadlineMs ?? CHILD_DEADLINE_MS,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  let readyAtMs: number | undefined;
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    if (readyAtMs !== undefined || !/^ready$/m.test(stdout)) return;
    readyAtMs = performance.now();
    if (child.pid !== undefined) options.onReady?.(child.pid);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  let endMs = 0;
  child.once("exit", () => {
    endMs = performance.now();
  });
  await once(child, "close");
  const { exitCode: code, signalCode: signal } = child;
  return { code, signal, stdout, stderr, endedAfterMs: endMs - (readyAtMs ?? Number.NaN) };
}

/** For a child's source (with --expose-gc): its resident memory after garbage collection. */
export const CHILD_RSS = `
const rssMiB = () => { globalThis.gc(); return process.memoryUsage().rss / 1048576; };
`;
