/**
 * The composition root: the one place where the parts meet. Reads the configuration, connects to
 * libvirt, starts the loop, opens the doors; from then on only signals reach it.
 *
 *   node dist/main.js --config conf/vdsm.json
 *
 * SIGHUP reads the configuration again; SIGTERM and SIGINT stop within a second, and migrations go
 * on in libvirt. Exit status: 0 stopped, 1 could not start, 2 wrong usage, 78 wrong configuration
 * (sysexits.h EX_CONFIG: the unit does not start it again).
 */
import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { systemClock } from "./clock.ts";
import { ConfigError, loadConfig, type Config } from "./config.ts";
import { secondsToMs } from "./core/units.ts";
import { LibvirtHypervisor } from "./hypervisor/libvirt-hypervisor.ts";
import { createLog, type RootLog } from "./logger.ts";
import type { Context } from "./monitor/context.ts";
import { HostView } from "./monitor/host-view.ts";
import { MonitorService } from "./monitor/monitor-service.ts";
import { MonitorThread } from "./monitor/monitor-thread.ts";
import { Registry } from "./monitor/registry.ts";
import { settingsFrom } from "./monitor/settings.ts";
import { loadPeerTls } from "./peer/peer-tls.ts";
import { PeerClient, type PeerTls } from "./peer/peer-client.ts";
import { Peers } from "./peer/peer.ts";
import { ReloadableConfig } from "./reload.ts";
import { Dispatcher } from "./rpc/dispatcher.ts";
import { bindVerbs } from "./rpc/handlers.ts";
import { EventRing } from "./rpc/event-ring.ts";
import { Listener, listenerOptions } from "./rpc/listener.ts";
import { verbRows } from "./rpc/verb-table.ts";

const EXIT_CONFIGURATION = 78;
/** The clean stop must be through by then; what is still open is left to the process's end. */
const STOP_WITHIN_MS = 900;
/** A look at the host waits for slow VMs this share of a cycle, so that no cycle is late. */
const SCAN_WAIT_SHARE = 0.5;

const configPath = configPathFrom(process.argv.slice(2));
const config = readConfigOrExit(configPath);
const log = createLog({ level: config.log.level });
try {
  await run(new ReloadableConfig(configPath, config, log), log);
} catch (error) {
  fail(1, error instanceof Error ? error.message : String(error));
}

async function run(live: ReloadableConfig, rootLog: RootLog): Promise<void> {
  const settings = () => settingsFrom(live.config);
  const hypervisor = new LibvirtHypervisor(
    {
      uri: live.config.libvirt.uri,
      callTimeoutMs: () => secondsToMs(live.config.libvirt.call_timeout),
    },
    systemClock,
    rootLog,
  );
  const nowMs = (): number => systemClock.monotonicMs();
  const peerDeadlineMs = (): number => secondsToMs(live.config.vars.peer_timeout);
  const peerTls = (await loadPeerTls(live.config.ssl, rootLog)) ?? noTls(live.config);
  const peerClient = new PeerClient(peerTls, nowMs, peerDeadlineMs);
  const peers = new Peers(peerClient, rootLog, { deadlineMs: peerDeadlineMs, nowMs });
  const registry = new Registry();
  const hostView = new HostView(
    hypervisor,
    nowMs,
    () => scanWaitMs(live.config),
    () => registry.vmIds(),
  );
  const context: Context = {
    hypervisor,
    hostView,
    peers,
    clock: systemClock,
    log: rootLog,
    settings,
    emit: (event) => listener.broadcast(event),
    hostName: hostname(),
  };
  const monitor = new MonitorThread(context, registry, () => service.admit());
  const service = new MonitorService(context, registry, monitor);
  const events = new EventRing();
  const dispatcher = new Dispatcher(rootLog, verbRows(), bindVerbs(service, events));
  const listener = new Listener(rootLog, dispatcher, listenerOptions(live.config), events);

  await makeHibernationFolder(live.config, rootLog);
  await hypervisor.start((event) => {
    service.onHypervisorEvent(event);
    monitor.onHypervisorEvent(event);
  });
  monitor.start();
  await listener.start();
  rootLog.info({ uri: live.config.libvirt.uri, pid: process.pid }, "ready");

  process.on("SIGHUP", () => {
    live.reload();
    void listener.reloadTls();
    void loadPeerTls(live.config.ssl, rootLog).then((tls) => {
      if (tls !== undefined) peerClient.useTls(tls);
    });
    service.admit();
  });
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    rootLog.info({ signal, live: registry.live().length }, "stopping, migrations go on");
    setTimeout(() => process.exit(0), STOP_WITHIN_MS);
    Promise.all([listener.close(), monitor.stop(), hypervisor.stop()])
      .catch((err: unknown) => rootLog.error({ err }, "stop failed"))
      .finally(() => process.exit(0));
    peers.close();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

/** Without readable files peers are asked over TLS all the same; they will refuse. */
function noTls({ ssl }: Config): PeerTls | null {
  return ssl.enabled ? {} : null;
}

/** Within the deadline of libvirt's calls, else one VM that hangs would cost the whole look. */
function scanWaitMs({ vars, libvirt }: Config): number {
  const intervalMs = secondsToMs(vars.migration_monitor_interval);
  return SCAN_WAIT_SHARE * Math.min(intervalMs, secondsToMs(libvirt.call_timeout));
}

async function makeHibernationFolder({ vars }: Config, rootLog: RootLog): Promise<void> {
  try {
    await mkdir(vars.hibernation_dir, { recursive: true, mode: 0o700 });
  } catch (err) {
    rootLog.warn({ err, folder: vars.hibernation_dir }, "no folder for hibernation images");
  }
}

function configPathFrom(args: readonly string[]): string {
  try {
    const { values } = parseArgs({ args: [...args], options: { config: { type: "string" } } });
    if (values.config !== undefined) return values.config;
  } catch (error) {
    fail(2, error instanceof Error ? error.message : String(error));
  }
  return fail(2, "usage: node dist/main.js --config <file>");
}

function readConfigOrExit(path: string): Config {
  try {
    return loadConfig(path);
  } catch (error) {
    if (error instanceof ConfigError) return fail(EXIT_CONFIGURATION, error.message);
    throw error;
  }
}

function fail(status: number, message: string): never {
  process.stderr.write(`vdsm-migrationd: ${message}\n`);
  process.exit(status);
}
