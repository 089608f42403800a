/**
 * A whole monitor on a host without libvirt: loop, registry, service and a journal in a folder are the
 * daemon's own; below them stand small-hypervisor.ts and a clock that steps, and where a test gives
 * one, the destination's daemon as a function.
 */
import { realHost } from "../../src/host/this-host.ts";
import { onTestFinished } from "vitest";
import type { Clock } from "../../src/clock.ts";
import { parseConfig } from "../../src/config/config.ts";
import { defaultJournalLimits, Journal } from "../../src/journal/journal.ts";
import { FolderLock } from "../../src/journal/folder-lock.ts";
import type { HostIdentity } from "../../src/journal/host-identity.ts";
import { createLog } from "../../src/logger.ts";
import type { Context } from "../../src/monitor/context.ts";
import { Defects } from "../../src/defects.ts";
import { HostView } from "../../src/monitor/host-view.ts";
import { MigrationJournal } from "../../src/monitor/recovery/record.ts";
import { MonitorService } from "../../src/monitor/monitor-service.ts";
import { MonitorThread } from "../../src/monitor/monitor-thread.ts";
import { restoreRuns, settleRestored } from "../../src/monitor/recovery/restore.ts";
import { Registry } from "../../src/monitor/migrations/registry.ts";
import { replay } from "../../src/monitor/recovery/replay.ts";
import type { MigrateRequest, NumberedEvent } from "../../src/monitor/service.ts";
import type { VmStats } from "../../src/wire/vm-answer.ts";
import { settingsFrom } from "../../src/config/settings.ts";
import type { PeerAddress } from "../../src/peer/peer-address.ts";
import { type PeerAnswer, PeerClient } from "../../src/peer/peer-client.ts";
import { Peers } from "../../src/peer/peers.ts";
import { EventRing } from "../../src/rpc/event-ring.ts";
import { HOST, requestOf, temporaryFolder } from "../journal/fixtures.ts";
import { expectEventAsDeclared } from "../wire/samples.ts";
import { SmallHypervisor, type SmallVm } from "./small-hypervisor.ts";

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

/** What the destination's daemon answers; it may throw, which no daemon can make a peer client do. */
export type Destination = (method: string) => PeerAnswer;

class SmallPeerClient extends PeerClient {
  readonly #destination: Destination;

  constructor(destination: Destination, nowMs: () => number) {
    super(null, nowMs, () => DEADLINE_MS);
    this.#destination = destination;
  }

  override ask(_address: PeerAddress, method: string): Promise<PeerAnswer> {
    return Promise.resolve(this.#destination(method));
  }
}

/** It has a slot, and then the guest. */
export const WELCOMING: Destination = (method) => {
  const counts = { incomingVmMigrations: 0, outgoingVmMigrations: 0 };
  const result = method === "VM.getStats" ? [{ status: "Up" }] : counts;
  return { kind: "result", result };
};

export interface SmallHostOptions {
  readonly folder?: string;
  readonly bootId?: string;
  readonly host?: HostIdentity;
  readonly clock?: SteppingClock;
  readonly vars?: Readonly<Record<string, number | string | boolean>>;
  /** Absent: destinations have no daemon (peer.mode none). */
  readonly destination?: Destination;
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
  /** Whoever events are sent to. */
  onEvent: (event: NumberedEvent) => void = () => undefined;
  /** The log's lines. */
  readonly lines: string[] = [];
  readonly #options: SmallHostOptions;
  readonly #lock: FolderLock;
  readonly #journal: Journal;
  readonly #context: Context;
  readonly #ring = new EventRing();

  private constructor(options: SmallHostOptions) {
    this.#options = options;
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
      peer: { mode: options.destination === undefined ? "none" : "daemon" },
    });
    this.#lock = new FolderLock(this.folder, { pid: process.pid, startedAt: "", listeners: [] });
    this.#journal = new Journal(
      {
        folder: this.folder,
        host: () => options.host ?? HOST,
        bootId: this.bootId,
        limits: defaultJournalLimits,
        nowMs,
        wallMs: () => this.clock.wallMs(),
      },
      this.#lock,
      log,
    );
    const silent: Destination = () => ({
      kind: "silent",
      cause: "unreachable",
      message: "there is none",
    });
    const peerClient = new SmallPeerClient(options.destination ?? silent, nowMs);
    this.#context = {
      hypervisor: this.hypervisor,
      hostView: new HostView(
        this.hypervisor,
        nowMs,
        () => DEADLINE_MS,
        () => this.registry.vmIds(),
      ),
      peers: new Peers(peerClient, log, { deadlineMs: () => DEADLINE_MS, nowMs }),
      clock: this.clock,
      log,
      defects: new Defects(log, this.clock),
      settings: () => settingsFrom(config),
      events: {
        number: (event) => this.#ring.add(event),
        send: (event) => {
          expectEventAsDeclared(event);
          this.events.push(event);
          this.onEvent(event);
        },
      },
      journal: new MigrationJournal(this.#journal, this.clock),
      thisHost: { ...realHost(), name: "host1" },
      version: "1.2.3",
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
    const { vms } = this.hypervisor;
    return SmallHost.up({ ...this.#options, folder, bootId, clock, vms, ...options });
  }

  /** As when it is killed: what it held on to is free. */
  async stop(): Promise<void> {
    await this.monitor.stop();
    for (const { target } of this.registry.live()) {
      if (target.mode === "file") await target.files.release();
    }
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
    const known = replay(await this.#journal.read(), this.bootId, this.clock.monotonicMs());
    this.#ring.restore(known);
    restoreRuns(known, registry, this.#context, service.hooks);
    service.restoreIncoming(known);
    await this.#journal.begin({
      epoch: this.#ring.epoch,
      nextSeq: () => this.#ring.next,
      carried: () => [
        ...registry.live().map((run) => run.journalRecord()),
        this.#context.journal.slotsRecord(),
      ],
    });
    await settleRestored(known, registry, this.#context, service.hooks);
    this.monitor.start();
    service.admit();
  }

  migrate(vmId: string, fields: Partial<MigrateRequest> = {}): Promise<true> {
    return this.service.migrate({ ...requestOf(vmId), ...fields }, "uid 0");
  }

  /** Migrated away, for which time: its call is out and comes back, with the guest gone. */
  async depart(vmId: string, times = 1): Promise<void> {
    await this.migrate(vmId);
    await this.until(() => this.hypervisor.out.has(vmId) || undefined, `the call of ${vmId}`);
    this.hypervisor.leave(vmId);
    const method = `|virt|VM_migration_ended|${vmId}`;
    const ended = (): boolean =>
      this.events.filter((event) => event.method === method).length === times;
    await this.until(() => ended() || undefined, method);
  }

  /** The fields of the first such event, also of the past. */
  event(name: string, vmId: string): Promise<Readonly<Record<string, unknown>>> {
    const method = `|virt|${name}|${vmId}`;
    return this.until(() => {
      const [first] = this.told(name, vmId);
      return first;
    }, method);
  }

  /** The fields of every such event, without those that every event of a migration has. */
  told(name: string, vmId: string): readonly Readonly<Record<string, unknown>>[] {
    return this.events
      .filter(({ method }) => method === `|virt|${name}|${vmId}`)
      .map(({ params }) => {
        const { migrationId: _id, time: _time, ...fields } = Object(params[vmId]);
        return fields;
      });
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
  stats(vmId: string): Promise<VmStats> {
    return this.service.vmStats(vmId);
  }
}
