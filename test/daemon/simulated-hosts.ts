/**
 * Whole daemons on hosts of a simulated world, each a process as on a real host, and the world another
 * one, so that daemons can be killed and what migrates goes on. Needs neither root nor libvirt. Addresses
 * are the machine's own loopback ones, different for each pair.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import type { Mishap } from "../../src/hypervisor/simulated/mishaps.ts";
import type { RunState } from "../../src/core/run-state.ts";
import { WorldClient } from "../../src/hypervisor/simulated/world-client.ts";
import type { LabProcess } from "../lab/api.ts";
import { checkoutFolder } from "../lab/checkout.ts";
import { type DaemonVars, lastLines } from "../lab/daemon.ts";
import { DaemonClient } from "../lab/daemon-client.ts";
import { spawnHere } from "../lab/inside.ts";
import { openWebSocket } from "../lab/line.ts";

const READY_DEADLINE_MS = 20_000;

export type HostName = "host-a" | "host-b";

export interface SimulatedOptions {
  readonly vars?: DaemonVars;
  readonly peerMode?: "daemon" | "none";
  readonly access?: Readonly<Record<string, string | readonly string[]>>;
  /** Of the links, each way. */
  readonly linkMiBps?: number;
  /** A `crash-point.mjs` can end the daemons at a chosen journal write. */
  readonly crashes?: true;
}

/** As a scenario file has it, but for vmId, name and host, which are given. */
export type GuestShape = Readonly<Record<string, unknown>>;

let pairs = 0;

/** Loopback addresses that no other pair of this or another test process uses. */
function addressesOfPair(): Readonly<Record<HostName, string>> {
  pairs += 1;
  const base = `127.${64 + ((process.pid >> 8) & 127)}.${process.pid & 255}`;
  return { "host-a": `${base}.${pairs * 2}`, "host-b": `${base}.${pairs * 2 + 1}` };
}

export function vmId(n: number): string {
  return `22222222-0000-4000-8000-${String(n).padStart(12, "0")}`;
}

export class SimulatedDaemon extends DaemonClient {
  readonly name: HostName;
  readonly address: string;
  readonly #folder: string;
  readonly #options: SimulatedOptions;
  #process: LabProcess | null = null;

  constructor(name: HostName, address: string, folder: string, options: SimulatedOptions) {
    super();
    this.name = name;
    this.address = address;
    this.#folder = folder;
    this.#options = options;
    mkdirSync(folder, { recursive: true });
  }

  get process(): LabProcess {
    if (this.#process === null) throw new Error(`the daemon of ${this.name} is not started`);
    return this.#process;
  }

  get crashPointFile(): string {
    return path.join(this.#folder, "crash-point.json");
  }

  /** Starts it, with the journal that is there, and connects. */
  async start(worldSocket: string): Promise<void> {
    await this.launch(worldSocket);
    await this.process.waitForLog(/"msg":"ready"/, { deadlineMs: READY_DEADLINE_MS });
    await this.connectBy((end) => openWebSocket(path.join(this.#folder, "rpc.sock"), end));
  }

  /** Only the process; it may end before it is ready. */
  async launch(worldSocket: string): Promise<void> {
    const config = path.join(this.#folder, "vdsm.json");
    writeFileSync(config, JSON.stringify(this.#config(worldSocket)));
    const crashPoint = path.join(checkoutFolder(), "test/lab/crash-point.mjs");
    const preload = this.#options.crashes === true ? ["--import", crashPoint] : [];
    const main = path.join(checkoutFolder(), "dist/main.js");
    const log = path.join(this.#folder, "daemon.log");
    rmSync(log, { force: true });
    this.#process = await spawnHere(process.execPath, [...preload, main, "--config", config], log, {
      env: { CRASH_POINT: this.crashPointFile },
    });
  }

  async kill(): Promise<void> {
    this.hangUp();
    await this.process.kill();
  }

  async stop(): Promise<void> {
    this.hangUp();
    await this.#process?.stop();
  }

  protected saying(): string {
    return `${this.name} says:\n${lastLines(this.process)}`;
  }

  #config(worldSocket: string): unknown {
    const { vars, access, peerMode } = this.#options;
    return {
      vars: {
        migration_monitor_interval: 0.2,
        peer_timeout: 1,
        max_incoming_migrations: 10,
        migration_retry_timeout: 1,
        hibernation_dir: path.join(this.#folder, "images"),
        ...vars,
      },
      hypervisor: { kind: "simulated", host: this.name, world_socket: worldSocket },
      addresses: {
        management_ip: this.address,
        unix_socket: path.join(this.#folder, "rpc.sock"),
        unix_socket_ro: "",
      },
      ssl: { enabled: false, allow_plaintext: true },
      journal: { dir: path.join(this.#folder, "journal") },
      ...(access !== undefined && { access }),
      peer: { mode: peerMode ?? "daemon" },
    };
  }
}

/** Two hosts of one world, with a daemon each. */
export class SimulatedHosts {
  readonly a: SimulatedDaemon;
  readonly b: SimulatedDaemon;
  readonly #folder: string;
  readonly #options: SimulatedOptions;
  #world: LabProcess | null = null;
  #god: WorldClient | null = null;

  constructor(options: SimulatedOptions = {}) {
    this.#folder = mkdtempSync(path.join(tmpdir(), "simulated-"));
    this.#options = options;
    const at = addressesOfPair();
    const daemon = (name: HostName): SimulatedDaemon =>
      new SimulatedDaemon(name, at[name], path.join(this.#folder, name), options);
    this.a = daemon("host-a");
    this.b = daemon("host-b");
  }

  get worldSocket(): string {
    return path.join(this.#folder, "world.sock");
  }

  /** The guests begin on host-a, by number from 1. */
  async up(guests: readonly GuestShape[]): Promise<void> {
    const scenario = path.join(this.#folder, "scenario.json");
    writeFileSync(scenario, JSON.stringify(this.#scenario(guests)));
    const simulate = path.join(checkoutFolder(), "dist/simulate.js");
    this.#world = await spawnHere(
      process.execPath,
      [simulate, "--scenario", scenario, "--socket", this.worldSocket],
      path.join(this.#folder, "world.log"),
    );
    await this.#world.waitForLog(/ready/, { deadlineMs: READY_DEADLINE_MS });
    this.#god = new WorldClient(this.worldSocket, "host-a");
    await this.#god.connect(() => undefined);
    await Promise.all([this.a.start(this.worldSocket), this.b.start(this.worldSocket)]);
  }

  async down(): Promise<void> {
    this.#god?.close();
    await Promise.all([this.a.stop(), this.b.stop()]);
    await this.#world?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  befall(mishap: Mishap): Promise<void> {
    if (this.#god === null) throw new Error("the world is not up");
    return this.#god.befall(mishap);
  }

  /** Of a VM on a host, as the world has it; undefined: nothing is there. */
  async runState(host: HostName, vm: number): Promise<RunState | undefined> {
    const client = new WorldClient(this.worldSocket, host);
    try {
      await client.connect(() => undefined);
      const outcome = await client.call("runState", vmId(vm));
      return outcome.kind === "ok" ? outcome.value : undefined;
    } finally {
      client.close();
    }
  }

  /** It runs on this host and is nowhere else. */
  async expectRunsOn(host: HostName, vm: number): Promise<void> {
    const elsewhere = host === "host-a" ? "host-b" : "host-a";
    expect(await this.runState(host, vm)).toBe("running");
    expect(await this.runState(elsewhere, vm)).toBeUndefined();
  }

  #scenario(guests: readonly GuestShape[]): unknown {
    const { linkMiBps } = this.#options;
    const host = (daemon: SimulatedDaemon, n: number): unknown => ({
      name: daemon.name,
      uuid: `11111111-0000-4000-8000-00000000000${n}`,
      addresses: [daemon.address],
      ...(linkMiBps !== undefined && { linkMiBps }),
    });
    return {
      hosts: [host(this.a, 1), host(this.b, 2)],
      guests: guests.map((guest, at) => ({
        memoryMiB: 64,
        ...guest,
        vmId: vmId(at + 1),
        name: `vm${at + 1}`,
        host: "host-a",
      })),
    };
  }
}

/** For all tests of the file. */
export function useSimulatedHosts(
  guests: readonly GuestShape[],
  options: SimulatedOptions = {},
): SimulatedHosts {
  const hosts = new SimulatedHosts(options);
  beforeAll(() => hosts.up(guests));
  afterAll(() => hosts.down());
  return hosts;
}
