/**
 * The product inside a lab host: a whole daemon, started as its unit would start it, and a client
 * that keeps every event. The client uses the WebSocket on the Unix socket, or STOMP like one of
 * the stock clients. Tests and the demo share this file. It knows only the daemon's wire.
 */
import { copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Host, LabProcess } from "./api.ts";
import { checkoutFolder } from "./checkout.ts";
import { DaemonClient } from "./daemon-client.ts";
import { openWebSocket, SOCKET_PATH } from "./line.ts";
import { openStomp, type StockName } from "./stomp-line.ts";

export { type DaemonEvent, RpcError, type Waiting } from "./daemon-client.ts";

/** The default from the configuration. */
export const JOURNAL_FOLDER = "/var/lib/vdsm-migrationd/journal";
const CONFIG_PATH = "/run/vdsm-migrationd/vdsm.json";
const CRASH_POINT_PATH = "/run/vdsm-migrationd/crash-point.json";
const READY_DEADLINE_MS = 20_000;

export type DaemonVars = Readonly<Record<string, number | string | boolean>>;

export interface DaemonOptions {
  readonly vars?: DaemonVars;
  /** Use the shipped configuration; of these options only the journal's apply. */
  readonly shipped?: true;
  readonly peerMode?: "daemon" | "none";
  /** Who may do what; default: every certificate of the lab has control. */
  readonly access?: Readonly<Record<string, string | readonly string[]>>;
  readonly logLevel?: "debug" | "info";
  /** Keep the journal of the previous daemon on this host; default: none, as on a new host. */
  readonly keepJournal?: true;
  /** `crashAt` can end the process at a chosen journal write (crash-point.mjs). */
  readonly crashes?: true;
  /** Each SIGUSR2 moves its wall clock forward by two hours (wall-step.mjs). */
  readonly wallSteps?: true;
  /** Default: "WebSocket". */
  readonly client?: ClientName;
}

/** Before or after writing the first record that the pattern matches, the daemon dies. */
export interface CrashPoint {
  readonly record: string;
  readonly when: "before" | "after";
}

/** How a client connects: as a tool on the daemon's host, or like a stock client over TCP. */
export type ClientName = "WebSocket" | StockName;

let started = 0;

/** Starts a daemon and connects to it; if either fails, no process is left running. */
export async function startDaemon(host: Host, options: DaemonOptions = {}): Promise<Daemon> {
  writeConfig(host, options);
  if (options.keepJournal !== true) {
    rmSync(host.outsidePath(JOURNAL_FOLDER), { recursive: true, force: true });
  }
  const daemonProcess = await launchDaemon(host, options);
  try {
    await daemonProcess.waitForLog(/"msg":"ready"/, { deadlineMs: READY_DEADLINE_MS });
    const daemon = new Daemon(host, daemonProcess, options.client);
    await daemon.connect();
    return daemon;
  } catch (error) {
    await daemonProcess.kill();
    throw error;
  }
}

/** Starts only the process, with the existing configuration; it may end without becoming ready. */
export function launchDaemon(
  host: Host,
  { crashes, wallSteps }: Pick<DaemonOptions, "crashes" | "wallSteps"> = {},
): Promise<LabProcess> {
  started += 1;
  const main = path.join(checkoutFolder(), "dist/main.js");
  const preloads = [
    ...(crashes === undefined ? [] : ["crash-point.mjs"]),
    ...(wallSteps === undefined ? [] : ["wall-step.mjs"]),
  ];
  const nodeArgs = preloads.flatMap((name) => [
    "--import",
    path.join(checkoutFolder(), "test/lab", name),
  ]);
  // With only the socket families that its unit allows.
  const sandbox = path.join(checkoutFolder(), "test/lab/unit-sandbox.py");
  const unit = path.join(checkoutFolder(), "systemd/vdsm-migrationd.service");
  const daemon = [host.nodePath, ...nodeArgs, main, "--config", CONFIG_PATH];
  return host.spawn("python3", [sandbox, unit, ...daemon], {
    logName: `daemon-${process.pid}-${started}`,
    env: { CRASH_POINT: CRASH_POINT_PATH },
  });
}

/** A daemon started there with `crashes` dies at the next such record. */
export function crashAt(host: Host, point: CrashPoint): void {
  // Renamed into place, because the daemon may read it at any moment.
  const file = host.outsidePath(CRASH_POINT_PATH);
  writeFileSync(`${file}.new`, JSON.stringify(point));
  renameSync(`${file}.new`, file);
}

/** The lab's settings: cycles of 0.2 s, limits of a few seconds; TLS if the lab has it. */
export function writeConfig(host: Host, options: DaemonOptions = {}): void {
  const file = host.outsidePath(CONFIG_PATH);
  mkdirSync(path.dirname(file), { recursive: true });
  if (options.shipped === true) {
    copyFileSync(path.join(checkoutFolder(), "conf/vdsm.json"), file);
    return;
  }
  const config = {
    vars: {
      migration_monitor_interval: 0.2,
      peer_timeout: 1,
      max_incoming_migrations: 10,
      migration_retry_timeout: 1,
      ...options.vars,
    },
    addresses: { management_ip: host.controlAddress, unix_socket: SOCKET_PATH },
    ssl: host.tls ? { enabled: true } : { enabled: false, allow_plaintext: true },
    libvirt: { destination_uri: `qemu+${host.tls ? "tls" : "tcp"}://{host}/system` },
    ...(options.access !== undefined && { access: options.access }),
    peer: { mode: options.peerMode ?? "daemon" },
    log: { level: options.logLevel ?? "info" },
  };
  writeFileSync(file, JSON.stringify(config, null, 2));
}

export class Daemon extends DaemonClient {
  readonly host: Host;
  readonly process: LabProcess;
  readonly #client: ClientName;

  constructor(host: Host, daemonProcess: LabProcess, client: ClientName = "WebSocket") {
    super();
    this.host = host;
    this.process = daemonProcess;
    this.#client = client;
  }

  async connect(): Promise<void> {
    const client = this.#client;
    await this.connectBy((end) =>
      client === "WebSocket"
        ? openWebSocket(this.host.outsidePath(SOCKET_PATH), end)
        : openStomp(this.host, client, end),
    );
  }

  /** Connects another client to the same daemon. */
  async alsoAs(client: ClientName): Promise<Daemon> {
    const other = new Daemon(this.host, this.process, client);
    await other.connect();
    return other;
  }

  async stop(): Promise<void> {
    this.hangUp();
    await this.process.stop();
  }

  protected saying(): string {
    return `${this.host.name} says:\n${lastLines(this.process)}`;
  }
}

/** The end of its log. */
export function lastLines(daemonProcess: LabProcess): string {
  return daemonProcess.log().split("\n").slice(-40).join("\n");
}
