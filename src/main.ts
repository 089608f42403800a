/**
 * The composition root, where all parts meet. Reads the configuration, locks the journal, opens the
 * listeners, connects to libvirt and starts the monitoring loop; after that it only handles signals.
 *
 *   node dist/main.js --config conf/vdsm.json
 *
 * Options, signals and exit statuses: command-line.ts.
 */
import type { PeerTls } from "./peer/peer-address.ts";
import { fail, logCrashes } from "./process-errors.ts";
import { checkConfigFile, checkOnHost } from "./check-config.ts";
import { bootId, isoTime, systemClock } from "./clock.ts";
import { exitStatus, HELP, parseCommandLine } from "./command-line.ts";
import { ConfigError, loadConfig, type Config } from "./config/config.ts";
import { secondsToMs } from "./core/units.ts";
import { makeFolder } from "./host/folders.ts";
import type { HypervisorEvent } from "./hypervisor/port.ts";
import { type ChosenHypervisor, createHypervisor, thisHostOf } from "./create-hypervisor.ts";
import {
  FolderHeldError,
  FolderLock,
  FolderNotLockableError,
  LOCK_WAIT_MS,
} from "./journal/folder-lock.ts";
import { defaultJournalLimits, Journal } from "./journal/journal.ts";
import { createLog, type RootLog } from "./logger.ts";
import type { Context } from "./monitor/context.ts";
import { Defects } from "./defects.ts";
import { HostView } from "./monitor/host-view.ts";
import type { JournalRecord } from "./journal/segments.ts";
import { MigrationJournal } from "./monitor/recovery/record.ts";
import type { MigrationRun } from "./monitor/migrations/run.ts";
import { MonitorService } from "./monitor/monitor-service.ts";
import { MonitorThread } from "./monitor/monitor-thread.ts";
import { restoreRuns, settleRestored } from "./monitor/recovery/restore.ts";
import { Registry } from "./monitor/migrations/registry.ts";
import { OwnIdentity } from "./monitor/recovery/own-identity.ts";
import { Replayer, type Replay } from "./monitor/recovery/replay.ts";
import { settingsFrom } from "./config/settings.ts";
import { ownAddresses } from "./host/own-addresses.ts";
import type { ThisHost } from "./host/this-host.ts";
import { loadPeerTls } from "./peer/peer-tls.ts";
import { PeerClient } from "./peer/peer-client.ts";
import { Peers } from "./peer/peers.ts";
import { ReloadableConfig } from "./config/reload.ts";
import { Dispatcher } from "./rpc/dispatcher.ts";
import { bindVerbs } from "./rpc/handlers.ts";
import { EventRing } from "./rpc/event-ring.ts";
import { Listener } from "./rpc/listener.ts";
import { listenerOptions } from "./rpc/listener-options.ts";
import { verbTable } from "./wire/verbs.ts";
import { TlsWatch } from "./tls/watch.ts";
import { daemonVersion } from "./version.ts";
import { messageOf } from "./errors.ts";

/** The answer to every verb until each migration in the journal has been located. */
const RESTORING = "the daemon is restoring its migrations, try again in a moment";
/** Deadline for a clean stop; whatever is still open then is closed by the end of the process. */
const STOP_WITHIN_MS = 900;
/** A scan of the host waits for slow VMs for at most this share of a cycle, so that no cycle is late. */
const SCAN_WAIT_SHARE = 0.5;

await obey(process.argv.slice(2));

async function obey(args: readonly string[]): Promise<void> {
  const command = parseCommandLine(args);
  switch (command.kind) {
    case "help":
      process.stdout.write(HELP);
      return;
    case "version":
      process.stdout.write(`vdsm-migrationd ${daemonVersion()}\n`);
      return;
    case "checkConfig":
      sayProblems(command.configPath);
      return;
    case "wrongUsage":
      fail(exitStatus.usage, command.message);
      return;
    case "run":
      await start(command.configPath);
  }
}

async function start(configPath: string): Promise<void> {
  const config = readConfigOrExit(configPath);
  const log = createLog({ level: config.log.level });
  const { pid, version: node } = process;
  const { name: host } = thisHostOf(config);
  const hypervisor = config.hypervisor.kind;
  log.info({ host, hypervisor, version: daemonVersion(), pid, node, configPath }, "starting");
  ownAddresses((err) => log.error({ err }, "cannot read this host's own addresses"));
  try {
    await run(new ReloadableConfig(configPath, config, log), log);
  } catch (error) {
    fail(exitStatus.failed, messageOf(error));
  }
}

interface Daemon {
  readonly live: ReloadableConfig;
  readonly log: RootLog;
  readonly tlsWatch: TlsWatch;
  readonly chosen: ChosenHypervisor;
  readonly peerClient: PeerClient;
  readonly context: Context;
  readonly registry: Registry;
  readonly monitor: MonitorThread;
  readonly service: MonitorService;
  readonly identity: OwnIdentity;
  readonly journal: Journal;
  readonly events: EventRing;
  readonly dispatcher: Dispatcher;
  readonly listener: Listener;
}

async function run(live: ReloadableConfig, rootLog: RootLog): Promise<void> {
  const lock = await lockJournal(live.config);
  const daemon = await assemble(live, lock, rootLog);
  handleSignals(daemon);
  daemon.tlsWatch.start();
  makeHibernationFolder(live.config, rootLog);
  await bringUp(daemon);
  logCrashes(rootLog);
  rootLog.info({ hypervisor: daemon.chosen.name, pid: process.pid }, "ready");
}

/** Every part, constructed and wired up; nothing is started yet. */
async function assemble(live: ReloadableConfig, lock: FolderLock, log: RootLog): Promise<Daemon> {
  const nowMs = (): number => systemClock.monotonicMs();
  const chosen = await createHypervisor(() => live.config, log);
  const { hypervisor } = chosen;
  const thisHost: ThisHost = thisHostOf(live.config);
  const tlsWatch = new TlsWatch(() => live.config, systemClock, log);
  const peerDeadlineMs = (): number => secondsToMs(live.config.vars.peer_timeout);
  const peerTls = (await loadPeerTls(live.config.ssl, log)) ?? noTls(live.config);
  const peerClient = new PeerClient(peerTls, nowMs, peerDeadlineMs);
  const identity = new OwnIdentity(thisHost);
  const journal = journalOf(live.config, identity, lock, log);
  const events = new EventRing();
  const registry = new Registry();
  const context: Context = {
    hypervisor,
    hostView: new HostView(
      hypervisor,
      nowMs,
      () => scanWaitMs(live.config),
      () => registry.vmIds(),
    ),
    peers: new Peers(peerClient, log, { deadlineMs: peerDeadlineMs, nowMs }),
    clock: systemClock,
    log,
    defects: new Defects(log, systemClock),
    settings: () => settingsFrom(live.config),
    events: {
      number: (event) => events.add(event),
      send: (event) => listener.broadcast(event),
    },
    journal: new MigrationJournal(journal, systemClock),
    thisHost,
    version: daemonVersion(),
  };
  const monitor = new MonitorThread(context, registry, () => service.admit());
  const service = new MonitorService(context, registry, monitor);
  const dispatcher = new Dispatcher(log, verbTable, bindVerbs(service, events, daemonVersion()));
  const options = listenerOptions(live.config, () => live.config.access);
  const listener = new Listener(log, dispatcher, options, events);
  return {
    live,
    log,
    tlsWatch,
    chosen,
    peerClient,
    context,
    registry,
    monitor,
    service,
    identity,
    journal,
    events,
    dispatcher,
    listener,
  };
}

/**
 * Listeners first, so that a second daemon fails here and clients are told that this one is restoring.
 * Then libvirt: if it cannot be reached the daemon exits and the journal stays as it was. Then the
 * journal. Verbs are answered once each of its migrations has been located.
 */
async function bringUp(daemon: Daemon): Promise<void> {
  daemon.dispatcher.close(RESTORING);
  await daemon.listener.start();
  try {
    await serve(daemon);
  } catch (error) {
    // A daemon that never serves leaves no socket behind.
    await daemon.listener.close();
    throw error;
  }
}

async function serve(daemon: Daemon): Promise<void> {
  const { context, registry, service, dispatcher } = daemon;
  let recorded = false;
  await connect(daemon.chosen, (event) => {
    // Ignored until there is a journal; the first scan shows whatever was missed.
    if (!recorded) return;
    service.onHypervisorEvent(event);
    daemon.monitor.onHypervisorEvent(event);
  });
  await daemon.identity.complete(daemon.chosen.hypervisor, daemon.log);
  const known = await replayed(daemon.journal);
  await restore(daemon, known);
  recorded = true;
  await settleRestored(known, registry, context, service.hooks);
  dispatcher.open();
  daemon.monitor.start();
  service.admit();
}

/** **Fails**: Error that names the configuration key. */
async function connect(
  { hypervisor, name }: ChosenHypervisor,
  onEvent: (event: HypervisorEvent) => void,
): Promise<void> {
  try {
    await hypervisor.start(onEvent);
  } catch (cause) {
    const why = messageOf(cause);
    throw new Error(`${name} cannot be reached: ${why}`, { cause });
  }
}

/** One segment at a time, yielding to the event loop in between: together they are about 64 MiB. */
async function replayed(journal: Journal): Promise<Replay> {
  const replayer = new Replayer(bootId());
  await journal.readEach((segment) => replayer.add(segment));
  return replayer.result(systemClock.monotonicMs());
}

/** Restores what the journal holds, and continues the journal from there. */
async function restore(daemon: Daemon, known: Replay): Promise<void> {
  const { context, registry, service, journal, events } = daemon;
  const recordOf = (run: MigrationRun): JournalRecord | readonly never[] =>
    context.defects.contained("journal", run.vmId, () => run.journalRecord()) ?? [];
  events.restore(known);
  restoreRuns(known, registry, context, service.hooks);
  service.restoreIncoming(known);
  await journal.begin({
    epoch: events.epoch,
    nextSeq: () => events.next,
    carried: (afterFailure) => [
      ...(afterFailure ? registry.ended(context.clock.monotonicMs()) : []).flatMap(recordOf),
      ...registry.live().flatMap(recordOf),
      context.journal.slotsRecord(),
    ],
  });
}

function handleSignals(daemon: Daemon): void {
  const { live, log, listener, peerClient, registry } = daemon;
  process.on("SIGHUP", () => {
    live.reload();
    if (daemon.tlsWatch.mayReload()) {
      void listener.reloadTls();
      void loadPeerTls(live.config.ssl, log).then((tls) => {
        if (tls === undefined) return;
        peerClient.useTls(tls);
        if (tls !== null) log.info({}, "reloaded the certificate for calls to other hosts");
      });
    }
    // Not while migrations are being restored: the queue has not been checked yet.
    if (daemon.monitor.running) daemon.service.admit();
  });
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    log.info({ signal, live: registry.live().length }, "stopping; migrations continue in libvirt");
    setTimeout(() => process.exit(0), STOP_WITHIN_MS);
    Promise.all([listener.close(), daemon.monitor.stop(), daemon.chosen.hypervisor.stop()])
      .then(() => daemon.journal.close())
      .catch((err: unknown) => log.error({ err }, "stop failed"))
      .finally(() => process.exit(0));
    daemon.context.peers.close();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

/**
 * Runs before anything else is touched, so that a second daemon on the same journal exits here.
 * **Fails**: FolderHeldError. A folder that cannot be locked for any other reason cannot be written
 * either; that stops no migration: the journal reports it and takes the lock once that is possible.
 */
async function lockJournal({ addresses, journal }: Config): Promise<FolderLock> {
  const { management_ip: ip, management_port: port } = addresses;
  const tcp = ip === "" ? [] : [`${ip} port ${port}`];
  const sockets = [addresses.unix_socket, addresses.unix_socket_ro].filter((path) => path !== "");
  const lock = new FolderLock(journal.dir, {
    pid: process.pid,
    startedAt: isoTime(systemClock.wallMs()),
    listeners: [...sockets, ...tcp],
  });
  try {
    await lock.takeWithin(LOCK_WAIT_MS);
  } catch (error) {
    const unsafe = error instanceof FolderHeldError || error instanceof FolderNotLockableError;
    if (unsafe) throw new Error(`journal.dir: ${error.message}`, { cause: error });
    // It cannot be created or opened: the journal reports it, and there is nothing to restore.
  }
  return lock;
}

function journalOf(
  { journal }: Config,
  identity: OwnIdentity,
  lock: FolderLock,
  rootLog: RootLog,
): Journal {
  return new Journal(
    {
      folder: journal.dir,
      host: () => identity.current,
      bootId: bootId(),
      limits: defaultJournalLimits,
      nowMs: () => systemClock.monotonicMs(),
      wallMs: () => systemClock.wallMs(),
    },
    lock,
    rootLog,
  );
}

/** Without readable files peers are still called over TLS; they will refuse. */
function noTls({ ssl }: Config): PeerTls | null {
  return ssl.enabled ? {} : null;
}

/** Shorter than the deadline of libvirt's calls, or one hanging VM would cost the whole scan. */
function scanWaitMs({ vars, libvirt }: Config): number {
  const intervalMs = secondsToMs(vars.migration_monitor_interval);
  return SCAN_WAIT_SHARE * Math.min(intervalMs, secondsToMs(libvirt.call_timeout));
}

function makeHibernationFolder({ vars }: Config, rootLog: RootLog): void {
  try {
    makeFolder(vars.hibernation_dir, 0o700);
  } catch (err) {
    rootLog.warn(
      { err, folder: vars.hibernation_dir },
      "cannot create the folder for hibernation images",
    );
  }
}

function readConfigOrExit(path: string): Config {
  try {
    const read = loadConfig(path);
    const { problems } = checkOnHost(read);
    if (problems.length > 0) throw new ConfigError(problems);
    return read;
  } catch (error) {
    if (error instanceof ConfigError) return fail(exitStatus.configuration, error.message);
    throw error;
  }
}

function sayProblems(configPath: string): void {
  const { problems, warnings } = checkConfigFile(configPath);
  if (problems.length === 0) process.stdout.write(`${configPath}: no mistakes\n`);
  else process.exitCode = exitStatus.configuration;
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
}
