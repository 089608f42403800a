/**
 * A host with a journal in a folder of its own: real files, a clock that only the test moves, and
 * migrations whose every step is written down as the daemon does it. `restarted` is the next daemon
 * on the same folder.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import type { Clock } from "../../src/clock.ts";
import type { Effect } from "../../src/core/effect.ts";
import type { NewMigration } from "../../src/core/new-migration.ts";
import { FolderLock } from "../../src/journal/folder-lock.ts";
import { defaultJournalLimits, Journal, type JournalLimits } from "../../src/journal/journal.ts";
import type { HostIdentity } from "../../src/journal/host-identity.ts";
import {
  segmentPath,
  type JournalOwner,
  type JournalRecord,
  type Segment,
} from "../../src/journal/segments.ts";
import { createLog, type Log } from "../../src/logger.ts";
import type { JournaledTarget } from "../../src/monitor/recovery/schema.ts";
import { MigrationJournal, type MigrationEntry } from "../../src/monitor/recovery/record.ts";
import { replay, type Replay } from "../../src/monitor/recovery/replay.ts";
import {
  type MigrateRequest,
  type NumberedEvent,
  PLAIN_OPTIONS,
} from "../../src/monitor/service.ts";
import { Run } from "../core/fixtures.ts";

export const BOOT = "boot-1";
export const HOST: HostIdentity = {
  name: "host1",
  machineId: "1".repeat(32),
  hostUuid: "00000000-0000-4000-8000-000000000001",
};
export const OTHER_HOST: HostIdentity = {
  name: "host9",
  machineId: "9".repeat(32),
  hostUuid: "00000000-0000-4000-8000-000000000009",
};
export const OWNER: JournalOwner = { host: HOST, bootId: BOOT };
export const VM = "11111111-1111-4111-8111-111111111111";
export const OTHER_VM = "22222222-2222-4222-8222-222222222222";
/** Wall time at the clock's 0. */
export const WALL_MS = 1_700_000_000_000;
export const HOLDER = {
  pid: 4242,
  startedAt: "2023-11-14T22:13:20.000Z",
  listeners: ["/run/x/rpc.sock"],
};

export const TARGET: JournaledTarget = {
  mode: "remote",
  host: "host2",
  port: 54_321,
  call: {
    destinationUri: "qemu+tls://host2/system",
    postcopyBandwidthMiBps: 0,
    compressed: false,
    autoConverge: false,
    abortOnError: false,
    encrypted: false,
    tunneled: false,
    persistent: false,
    destinationHosts: ["host2"],
  },
};

/** Gone when the test has ended. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "journal-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function requestOf(vmId: string): MigrateRequest {
  return {
    vmId,
    mode: "remote",
    dst: "host2",
    ...PLAIN_OPTIONS,
  };
}

/** One migration that is written down. */
export class Written {
  readonly id: string;
  readonly run: Run;
  readonly entry: MigrationEntry;

  constructor(desk: Desk, id: string, fields: Partial<NewMigration>) {
    this.id = id;
    this.run = new Run({ vmId: VM, ...fields }, desk.nowMs);
    const { migration } = this.run;
    const request = requestOf(migration.facts.vmId);
    const facts = { id, acceptedAtWallMs: desk.clock.wallMs(), request, target: TARGET };
    this.entry = desk.migrations.entry(facts, migration);
    this.run.onStep = ({ migration: after, effects, decisions }) => {
      desk.nowMs = Math.max(desk.nowMs, this.run.nowMs);
      const events = effects.flatMap((effect) => desk.numbered(effect));
      this.entry.decided(after, decisions, events);
    };
  }

  record(): JournalRecord {
    return this.entry.record(this.run.migration);
  }
}

export interface DeskOptions {
  readonly folder: string;
  readonly bootId?: string;
  readonly limits?: Partial<JournalLimits>;
  readonly epoch?: string;
  readonly nextSeq?: number;
  readonly nowMs?: number;
  readonly host?: HostIdentity;
  /** Wall time at the clock's 0. */
  readonly wallAtZeroMs?: number;
}

export class Desk {
  nowMs: number;
  nextSeq: number;
  readonly folder: string;
  readonly bootId: string;
  readonly epoch: string;
  readonly lock: FolderLock;
  readonly journal: Journal;
  readonly migrations: MigrationJournal;
  readonly log: Log;
  /** What the log says. */
  readonly lines: string[] = [];
  /** Carried into each new segment. */
  readonly live: Written[] = [];
  readonly clock: Clock;

  constructor(options: DeskOptions) {
    this.folder = options.folder;
    this.bootId = options.bootId ?? BOOT;
    this.epoch = options.epoch ?? "epoch-1";
    this.nextSeq = options.nextSeq ?? 1;
    this.nowMs = options.nowMs ?? 0;
    const wallAtZeroMs = options.wallAtZeroMs ?? WALL_MS;
    this.clock = {
      monotonicMs: () => this.nowMs,
      wallMs: () => wallAtZeroMs + this.nowMs,
    };
    this.log = createLog({
      level: "debug",
      stream: { write: (line) => void this.lines.push(line) },
    });
    this.lock = new FolderLock(this.folder, HOLDER);
    this.journal = new Journal(
      {
        folder: this.folder,
        host: () => options.host ?? HOST,
        bootId: this.bootId,
        limits: { ...defaultJournalLimits, ...options.limits },
        nowMs: () => this.clock.monotonicMs(),
        wallMs: () => this.clock.wallMs(),
      },
      this.lock,
      this.log,
    );
    this.migrations = new MigrationJournal(this.journal, this.clock);
    onTestFinished(async () => {
      await this.journal.close();
      this.lock.release();
    });
  }

  /** Writes from now on. */
  async begin(): Promise<this> {
    await this.journal.begin({
      epoch: this.epoch,
      nextSeq: () => this.nextSeq,
      carried: () => this.live.map((each) => each.record()),
    });
    return this;
  }

  accept(id: string, fields: Partial<NewMigration> = {}): Written {
    const written = new Written(this, id, fields);
    this.live.push(written);
    written.entry.accepted(written.run.migration, "uid 0");
    return written;
  }

  numbered(effect: Effect): readonly NumberedEvent[] {
    if (effect.kind !== "event") return [];
    const seq = this.nextSeq;
    this.nextSeq += 1;
    const params = { [VM]: { kind: effect.event.kind }, notify_time: this.nowMs };
    return [{ seq, method: `|virt|${effect.event.kind}|${VM}`, params }];
  }

  segments(): Promise<readonly Segment[]> {
    return this.journal.read();
  }

  async replayed(bootId = this.bootId): Promise<Replay> {
    return replay(await this.segments(), bootId);
  }

  /** The next daemon on the same folder, not writing yet; this one's process is gone. */
  restarted(options: Partial<DeskOptions> = {}): Desk {
    this.lock.release();
    const { folder, bootId, epoch, nextSeq, nowMs } = this;
    return new Desk({ folder, bootId, epoch, nextSeq, nowMs, ...options });
  }

  text(number: number): string {
    return readFileSync(segmentPath(this.folder, number), "utf8");
  }
}

/** A running daemon's journal in a folder of its own. */
export function desk(options: Partial<DeskOptions> = {}): Promise<Desk> {
  return new Desk({ folder: path.join(temporaryFolder(), "journal"), ...options }).begin();
}
