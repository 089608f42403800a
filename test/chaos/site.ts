/**
 * One host of a chaos run, with its daemon through all restarts. Only this file kills and starts
 * the daemon, so that a daemon that exits by itself can be told from one that was ended. It starts
 * the daemon as the unit does: if it exits with 1 because libvirt is unreachable, it is started
 * again.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Host, LabProcess } from "../lab/api.ts";
import {
  Daemon,
  type DaemonEvent,
  type DaemonOptions,
  launchDaemon,
  type RpcError,
  writeConfig,
} from "../lab/daemon.ts";
import type { Exclusive } from "./exclusive.ts";

const START_DEADLINE_MS = 40_000;
const READY_DEADLINE_MS = 20_000;
const RESTART_AFTER_MS = 500;
const ANSWER_DEADLINE_MS = 25_000;

export type Answer =
  | { readonly kind: "result"; readonly value: unknown }
  | { readonly kind: "refused"; readonly code: number; readonly message: string }
  /** Sent, but nobody knows whether it was carried out. */
  | { readonly kind: "lost"; readonly why: string }
  | { readonly kind: "down" };

/** Where a site reports events and violations. */
export interface Told {
  note(text: string): void;
  violation(text: string): void;
}

interface Life {
  readonly process: LabProcess;
  /** Whether we ended it. */
  ended: boolean;
}

export class Site {
  readonly host: Host;
  readonly #options: DaemonOptions;
  readonly #exclusive: Exclusive;
  readonly #lives: Life[] = [];
  readonly #daemons: Daemon[] = [];
  #daemon: Daemon | null = null;
  #told: Told;

  constructor(host: Host, options: DaemonOptions, exclusive: Exclusive, told: Told) {
    this.host = host;
    this.#options = options;
    this.#exclusive = exclusive;
    this.#told = told;
  }

  get name(): string {
    return this.host.name;
  }

  /** The running daemon. */
  get daemon(): Daemon | null {
    return this.#daemon;
  }

  /** All processes so far, oldest first, including those that never became ready. */
  get processes(): readonly LabProcess[] {
    return this.#lives.map((life) => life.process);
  }

  /** The events with this name and VM that were pushed to us by any of the processes. */
  pushed(name: string, vmId: string): readonly DaemonEvent[] {
    return this.#daemons
      .flatMap(({ events }) => events)
      .filter((event) => event.name === name && event.vmId === vmId);
  }

  tellTo(told: Told): void {
    this.#told = told;
  }

  async call(method: string, params: Record<string, unknown> = {}): Promise<Answer> {
    const daemon = this.#daemon;
    if (daemon === null) return { kind: "down" };
    const late = new AbortController();
    const deadline = delay(ANSWER_DEADLINE_MS, undefined, { signal: late.signal, ref: false });
    try {
      const call = daemon
        .call(method, params)
        .then((value) => ({ kind: "result" as const, value }));
      const lost = deadline.then(() => ({ kind: "lost" as const, why: "no answer" }));
      const answer = await Promise.race([call, lost]);
      if (answer.kind === "lost" && daemon === this.#daemon) {
        this.#told.violation(`${this.name}: ${method} was not answered`);
      }
      return answer;
    } catch (error) {
      if (isRefusal(error)) return { kind: "refused", code: error.code, message: error.message };
      const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
      return { kind: "lost", why };
    } finally {
      late.abort();
      deadline.catch(() => undefined);
    }
  }

  /** Starts the daemon unless it is running. */
  ensureDaemon(): Promise<void> {
    return this.#own(async () => {
      if (this.#daemon === null) await this.#launch();
    });
  }

  /** SIGKILL; starts it again after `downMs`. */
  killDaemon(downMs: number): Promise<void> {
    return this.#endAndStart("SIGKILL", downMs);
  }

  terminateDaemon(downMs: number): Promise<void> {
    return this.#endAndStart("SIGTERM", downMs);
  }

  /** SIGHUP, with the given configuration or a broken one. */
  reloadDaemon(vars: DaemonOptions["vars"]): Promise<void> {
    return this.#own(async () => {
      writeConfig(this.host, { ...this.#options, vars: { ...this.#options.vars, ...vars } });
      this.#daemon?.process.signal("SIGHUP");
    });
  }

  async stop(): Promise<void> {
    const life = this.#lives.at(-1);
    const daemon = this.#daemon;
    this.#daemon = null;
    if (life === undefined || daemon === null) return;
    life.ended = true;
    await daemon.stop();
  }

  #own(work: () => Promise<void>): Promise<void> {
    return this.#exclusive.run(`daemon of ${this.name}`, work);
  }

  #endAndStart(signal: "SIGKILL" | "SIGTERM", downMs: number): Promise<void> {
    return this.#own(async () => {
      const life = this.#lives.at(-1);
      if (life !== undefined && this.#daemon !== null) {
        this.#daemon = null;
        life.ended = true;
        await (signal === "SIGKILL" ? life.process.kill() : life.process.stop());
      }
      await delay(downMs);
      await this.#launch();
    });
  }

  async #launch(): Promise<void> {
    writeConfig(this.host, this.#options);
    const endMs = performance.now() + START_DEADLINE_MS;
    for (;;) {
      try {
        await this.#launchOnce();
        return;
      } catch (error) {
        if (performance.now() >= endMs) throw error;
        const why = error instanceof Error ? error.message.slice(0, 2000) : String(error);
        this.#told.note(`${this.name}: the daemon did not start: ${why}`);
        await delay(RESTART_AFTER_MS);
      }
    }
  }

  async #launchOnce(): Promise<void> {
    const process = await launchDaemon(this.host);
    const life: Life = { process, ended: true };
    this.#lives.push(life);
    try {
      await process.waitForLog(/"msg":"ready"/, { deadlineMs: READY_DEADLINE_MS });
      const daemon = new Daemon(this.host, process);
      await daemon.connect();
      this.#daemon = daemon;
      this.#daemons.push(daemon);
    } catch (error) {
      await process.kill();
      throw error;
    }
    life.ended = false;
    void process.exited.then(({ code, signal }) => this.#onExit(life, signal ?? `status ${code}`));
  }

  #onExit(life: Life, how: string): void {
    if (life.ended) return;
    life.ended = true;
    if (this.#daemon?.process === life.process) this.#daemon = null;
    this.#told.violation(`${this.name}: the daemon exited by itself with ${how}`);
  }
}

function isRefusal(error: unknown): error is RpcError {
  return error instanceof Error && "code" in error && typeof error.code === "number";
}
