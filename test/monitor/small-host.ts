/**
 * A host without libvirt behind the hypervisor's port: VMs that stand where a test puts them, calls
 * that end when it says so, and faults that it plants (a call that throws). Above the port everything
 * is the daemon's own: loop, registry, service, journal in a folder; the clock is one that steps.
 */
import { onTestFinished } from "vitest";
import type { Clock } from "../../src/clock.ts";
import { parseConfig } from "../../src/config.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import { isOff } from "../../src/core/run-state.ts";
import type {
  CallResult,
  Hypervisor,
  HypervisorEvent,
  JobView,
  ScanOptions,
  VmDetails,
  VmJobView,
} from "../../src/hypervisor/hypervisor.ts";
import { defaultJournalLimits, Journal } from "../../src/journal/journal.ts";
import { FolderLock } from "../../src/journal/folder-lock.ts";
import { createLog } from "../../src/logger.ts";
import type { Context } from "../../src/monitor/context.ts";
import { HostView } from "../../src/monitor/host-view.ts";
import { MigrationJournal } from "../../src/monitor/migration-journal.ts";
import { MonitorService } from "../../src/monitor/monitor-service.ts";
import { MonitorThread } from "../../src/monitor/monitor-thread.ts";
import { restoreRuns, settleRestored } from "../../src/monitor/recovery.ts";
import { Registry } from "../../src/monitor/registry.ts";
import { replay } from "../../src/monitor/replay.ts";
import type { MigrateRequest, NumberedEvent, WireObject } from "../../src/monitor/service.ts";
import { settingsFrom } from "../../src/monitor/settings.ts";
import { PeerClient } from "../../src/peer/peer-client.ts";
import { Peers } from "../../src/peer/peer.ts";
import { EventRing } from "../../src/rpc/event-ring.ts";
import { NOT_BEGUN } from "../core/fixtures.ts";
import { temporaryFolder } from "../journal/fixtures.ts";

export const NO_JOB: JobStats = { ...NOT_BEGUN, type: "none", timeElapsedMs: 0 };

const NO_DOMAIN = { kind: "refused", refusal: { code: 42, message: "Domain not found" } } as const;
const DONE = { kind: "ok", value: null } as const;
const INTERVAL_SECONDS = 0.1;
const DEADLINE_MS = 10_000;
const LOOK_AGAIN_MS = 5;

/** Real time goes on; a test may step either clock by hand. */
export class SteppingClock implements Clock {
  wallStepMs = 0;
  monotonicStepMs = 0;

  monotonicMs(): number {
    return performance.now() + this.monotonicStepMs;
  }

  wallMs(): number {
    return Date.now() + this.wallStepMs;
  }
}

export interface SmallVm {
  details: VmDetails;
  job: JobStats | "incoming";
}

type Faulty = keyof Hypervisor;

export class SmallHypervisor implements Hypervisor {
  readonly vms = new Map<string, SmallVm>();
  /** Migrate calls and saves that are out, by VM. */
  readonly out = new Map<string, (result: CallResult<null>) => void>();
  /** What was called, as "method vmId". */
  readonly called: string[] = [];
  /** Throws there, of this VM or of any ("*"): a defect that nobody foresaw. */
  readonly faults = new Set<`${Faulty} ${string}`>();
  readonly #clock: Clock;
  #tell: (event: HypervisorEvent) => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  put(vmId: string, fields: Partial<VmDetails> = {}): void {
    this.vms.set(vmId, {
      details: {
        vmId,
        name: `vm-${vmId.slice(0, 4)}`,
        runState: "running",
        persistent: false,
        memoryBytes: 2 ** 30,
        graphics: [],
        ...fields,
      },
      job: NO_JOB,
    });
  }

  tell(event: HypervisorEvent): void {
    this.#tell(event);
  }

  /** libvirt's call for this VM ends. */
  end(vmId: string, result: CallResult<null>): void {
    const vm = this.vms.get(vmId);
    if (vm !== undefined) vm.job = NO_JOB;
    this.out.get(vmId)?.(result);
    this.out.delete(vmId);
  }

  /** It has gone over to the other host. */
  leave(vmId: string): void {
    this.vms.delete(vmId);
    this.tell({ kind: "lifecycle", vmId, event: 5, detail: 3 });
    this.end(vmId, DONE);
  }

  #at(method: Faulty, vmId: string): SmallVm | undefined {
    this.called.push(`${method} ${vmId}`);
    if (this.faults.has(`${method} ${vmId}`) || this.faults.has(`${method} *`)) {
      throw new Error(`a defect in ${method}`);
    }
    return this.vms.get(vmId);
  }

  #simple(method: Faulty, vmId: string): Promise<CallResult<null>> {
    return Promise.resolve(this.#at(method, vmId) === undefined ? NO_DOMAIN : DONE);
  }

  #number(method: Faulty, vmId: string, value: number): Promise<CallResult<number>> {
    const vm = this.#at(method, vmId);
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value });
  }

  #view(vm: SmallVm): JobView {
    if (vm.job === "incoming") return { kind: "incoming" };
    return { kind: "stats", stats: vm.job, atMs: this.#clock.monotonicMs(), tookMs: 0 };
  }

  start(onEvent: (event: HypervisorEvent) => void): Promise<void> {
    this.#tell = onEvent;
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  scan({ only }: ScanOptions): Promise<CallResult<readonly VmJobView[]>> {
    this.#at("scan", "*");
    const value = [...this.vms.values()]
      .filter(({ details }) => !isOff(details.runState))
      .filter(({ details }) => only === undefined || only.has(details.vmId))
      .map((vm) => ({ vm: vm.details, job: this.#view(vm) }));
    return Promise.resolve({ kind: "ok", value });
  }

  jobView(vmId: string): Promise<CallResult<JobView>> {
    const vm = this.#at("jobView", vmId);
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value: this.#view(vm) });
  }

  vmDetails(vmId: string): Promise<CallResult<VmDetails>> {
    const vm = this.#at("vmDetails", vmId);
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value: vm.details });
  }

  domainXml(vmId: string): Promise<CallResult<string>> {
    const vm = this.#at("domainXml", vmId);
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value: "<domain/>" });
  }

  migrate(vmId: string): Promise<CallResult<null>> {
    const vm = this.#at("migrate", vmId);
    if (vm === undefined) return Promise.resolve(NO_DOMAIN);
    vm.job = { ...NO_JOB, type: "unbounded", operation: "migrationOut" };
    return new Promise((resolve) => this.out.set(vmId, resolve));
  }

  save(vmId: string): Promise<CallResult<null>> {
    const vm = this.#at("save", vmId);
    if (vm === undefined) return Promise.resolve(NO_DOMAIN);
    vm.job = { ...NO_JOB, type: "unbounded", operation: "save" };
    return new Promise((resolve) => this.out.set(vmId, resolve));
  }

  abortJob(vmId: string): Promise<CallResult<null>> {
    const answer = this.#simple("abortJob", vmId);
    this.end(vmId, { kind: "refused", refusal: { code: 78, message: "canceled by client" } });
    return answer;
  }

  setMaxBandwidth(vmId: string): Promise<CallResult<null>> {
    return this.#simple("setMaxBandwidth", vmId);
  }

  maxBandwidthMiBps(vmId: string): Promise<CallResult<number>> {
    return this.#number("maxBandwidthMiBps", vmId, 52);
  }

  setMaxDowntime(vmId: string): Promise<CallResult<null>> {
    return this.#simple("setMaxDowntime", vmId);
  }

  maxDowntimeMs(vmId: string): Promise<CallResult<number>> {
    return this.#number("maxDowntimeMs", vmId, 300);
  }

  startPostCopy(vmId: string): Promise<CallResult<null>> {
    return this.#simple("startPostCopy", vmId);
  }

  pausePostCopy(vmId: string): Promise<CallResult<null>> {
    return this.#simple("pausePostCopy", vmId);
  }

  destroyShell(vmId: string): Promise<CallResult<null>> {
    return this.#simple("destroyShell", vmId);
  }

  undefineMigrated(vmId: string): Promise<CallResult<boolean>> {
    const vm = this.#at("undefineMigrated", vmId);
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value: false });
  }

  completedJob(vmId: string): Promise<CallResult<JobStats>> {
    const vm = this.#at("completedJob", vmId);
    return Promise.resolve(vm === undefined ? NO_DOMAIN : { kind: "ok", value: NO_JOB });
  }
}

export interface SmallHostOptions {
  readonly folder?: string;
  readonly bootId?: string;
  readonly clock?: SteppingClock;
  readonly vars?: Readonly<Record<string, number | string | boolean>>;
  readonly peerMode?: "daemon" | "none";
  readonly vms?: ReadonlyMap<string, SmallVm>;
}

/** A daemon, up and running but for its listeners. */
export class SmallHost {
  readonly clock: SteppingClock;
  readonly folder: string;
  readonly bootId: string;
  readonly hypervisor: SmallHypervisor;
  readonly service: MonitorService;
  readonly monitor: MonitorThread;
  readonly registry = new Registry();
  readonly events: NumberedEvent[] = [];
  /** The log's lines. */
  readonly lines: string[] = [];
  readonly #lock: FolderLock;
  readonly #journal: Journal;
  readonly #context: Context;
  readonly #ring = new EventRing();

  private constructor(options: SmallHostOptions) {
    this.clock = options.clock ?? new SteppingClock();
    this.folder = options.folder ?? temporaryFolder();
    this.bootId = options.bootId ?? "boot-1";
    this.hypervisor = new SmallHypervisor(this.clock);
    for (const [vmId, vm] of options.vms ?? []) this.hypervisor.vms.set(vmId, vm);
    const nowMs = (): number => this.clock.monotonicMs();
    const log = createLog({
      level: "info",
      stream: { write: (line) => void this.lines.push(line) },
    });
    const config = parseConfig({
      vars: { migration_monitor_interval: INTERVAL_SECONDS, ...options.vars },
      peer: { mode: options.peerMode ?? "none" },
    });
    this.#lock = new FolderLock(this.folder, { pid: process.pid, startedAt: "", doors: [] });
    this.#journal = new Journal(
      {
        folder: this.folder,
        host: "host1",
        bootId: this.bootId,
        limits: defaultJournalLimits,
        nowMs,
        wallMs: () => this.clock.wallMs(),
      },
      this.#lock,
      log,
    );
    const peerClient = new PeerClient(null, nowMs, () => 1_000);
    this.#context = {
      hypervisor: this.hypervisor,
      hostView: new HostView(
        this.hypervisor,
        nowMs,
        () => 1_000,
        () => this.registry.vmIds(),
      ),
      peers: new Peers(peerClient, log, { deadlineMs: () => 1_000, nowMs }),
      clock: this.clock,
      log,
      settings: () => settingsFrom(config),
      events: {
        number: (event) => this.#ring.add(event),
        send: (event) => void this.events.push(event),
      },
      journal: new MigrationJournal(this.#journal, this.clock),
      hostName: "host1",
    };
    this.monitor = new MonitorThread(this.#context, this.registry, () => this.service.admit());
    this.service = new MonitorService(this.#context, this.registry, this.monitor);
    onTestFinished(() => this.stop());
  }

  static async up(options: SmallHostOptions = {}): Promise<SmallHost> {
    const host = new SmallHost(options);
    await host.#begin();
    return host;
  }

  /** The next daemon on the same folder and the same VMs. */
  async restarted(options: Partial<SmallHostOptions> = {}): Promise<SmallHost> {
    await this.stop();
    const { folder, bootId, clock } = this;
    return SmallHost.up({ folder, bootId, clock, vms: this.hypervisor.vms, ...options });
  }

  async stop(): Promise<void> {
    await this.monitor.stop();
    await this.#journal.close();
    this.#lock.release();
    this.#context.peers.close();
  }

  async #begin(): Promise<void> {
    const { service, registry } = this;
    await this.hypervisor.start((event) => {
      service.onHypervisorEvent(event);
      this.monitor.onHypervisorEvent(event);
    });
    const known = replay(await this.#journal.read(), this.bootId);
    this.#ring.restore(known);
    restoreRuns(known, registry, this.#context, service.hooks);
    service.restoreReservations(known.reservations);
    await this.#journal.begin({
      epoch: this.#ring.epoch,
      nextSeq: () => this.#ring.next,
      carried: () => registry.live().map((run) => run.journalRecord()),
    });
    await settleRestored(registry, this.#context);
    this.monitor.start();
    service.admit();
  }

  migrate(vmId: string, fields: Partial<MigrateRequest> = {}): Promise<true> {
    return this.service.migrate({
      vmId,
      mode: "remote",
      dst: "host2",
      compressed: false,
      autoConverge: false,
      abortOnError: false,
      encrypted: false,
      tunneled: false,
      unknownKeys: [],
      ...fields,
    });
  }

  /** Migrated away: its call is out and comes back, with the guest gone. */
  async depart(vmId: string): Promise<void> {
    await this.migrate(vmId);
    await this.until(() => this.hypervisor.out.has(vmId) || undefined, `the call of ${vmId}`);
    this.hypervisor.leave(vmId);
    await this.event("VM_migration_ended", vmId);
  }

  /** The fields of the first such event, also of the past. */
  event(name: string, vmId: string): Promise<Readonly<Record<string, unknown>>> {
    const method = `|virt|${name}|${vmId}`;
    return this.until(() => {
      const params: unknown = this.events.find((event) => event.method === method)?.params[vmId];
      return params as Record<string, unknown> | undefined;
    }, method);
  }

  async until<T>(look: () => T | undefined | Promise<T | undefined>, what: string): Promise<T> {
    const deadlineAtMs = performance.now() + DEADLINE_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (performance.now() > deadlineAtMs) {
        throw new Error(`not in time: ${what}\n${this.lines.slice(-20).join("")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  /** What VM.getStats says. */
  stats(vmId: string): Promise<WireObject> {
    return this.service.vmStats(vmId);
  }
}
