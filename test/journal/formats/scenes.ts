/**
 * The journals that stand in this folder, as a daemon wrote them: each scene drives a whole monitor on
 * small-host.ts, and its folder is copied while the daemon runs, as a kill leaves it. The clock is moved
 * by hand; what is random (ids, the epoch, the folder's path) is renamed afterwards.
 *
 * It is run once for each format, by the code that writes it: REWRITE_FORMATS=1 (see formats.test.ts).
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { PeerAnswer } from "../../../src/peer/peer-client.ts";
import {
  SmallHost,
  SteppingClock,
  WELCOMING,
  type SmallHostOptions,
} from "../../monitor/small-host.ts";
import { NO_JOB, SmallHypervisor } from "../../monitor/small-hypervisor.ts";
import { temporaryFolder, WALL_MS } from "../fixtures.ts";

const BEGINS_AT_MS = 100_000;
const CYCLE_MS = 1_000;
const MIB = 1_048_576;
const ENDS_WITHIN_SECONDS = 120;

/** VM `n` of a scene. */
export const vm = (n: number): string => `${String(n).repeat(8)}-0000-4000-8000-000000000000`;

/** Stands still unless a scene moves it. */
class HandClock extends SteppingClock {
  override monotonicMs(): number {
    return this.monotonicStepMs;
  }

  override wallMs(): number {
    return WALL_MS + this.monotonicStepMs;
  }
}

export function handClock(ms: number): HandClock {
  const clock = new HandClock();
  clock.monotonicStepMs = ms;
  return clock;
}

/** Lets time go by, with a cycle in each second of it. */
export async function pass(host: SmallHost, seconds: number): Promise<void> {
  const looks = (): number => host.hypervisor.called.filter((call) => call === "scan *").length;
  for (let passed = 0; passed < seconds; passed += 1) {
    const before = looks();
    host.clock.monotonicStepMs += CYCLE_MS;
    host.monitor.wake();
    await host.until(() => looks() > before || rests(host) || undefined, "a cycle");
  }
}

/** With nothing to look after there are no cycles. */
function rests({ registry, monitor }: SmallHost): boolean {
  return registry.live().length === 0 && monitor.arrivals.vmIds.size === 0;
}

/** Data of VM `n`'s job move, so far. */
export function move(host: SmallHost, n: number, processedMiB: number, memoryIteration = 1): void {
  const found = host.hypervisor.vms.get(vm(n));
  if (found === undefined || typeof found.job === "string") throw new Error("it has no job");
  found.job = {
    ...found.job,
    timeElapsedMs: 1_000,
    dataTotalBytes: 1024 * MIB,
    dataProcessedBytes: processedMiB * MIB,
    dataRemainingBytes: (1024 - processedMiB) * MIB,
    memoryIteration,
    memoryBytesPerSecond: 32 * MIB,
    dirtyRatePagesPerSecond: 500,
    pageSizeBytes: 4096,
    memoryRemainingBytes: (1024 - processedMiB) * MIB,
    normalPages: processedMiB * 256,
    constantPages: 10,
    compressedPages: 0,
    downtimeMs: 300,
  };
}

export async function called(host: SmallHost, n: number): Promise<void> {
  await host.until(() => host.hypervisor.out.has(vm(n)) || undefined, `the call of VM ${n}`);
}

/** Where it is takes some looks, and time between them. */
export async function ended(host: SmallHost, n: number): Promise<void> {
  const method = `|virt|VM_migration_ended|${vm(n)}`;
  for (let seconds = 0; seconds < ENDS_WITHIN_SECONDS; seconds += 1) {
    if (host.events.some((event) => event.method === method)) return;
    await pass(host, 1);
  }
  throw new Error(`VM ${n} has not ended`);
}

const NOT_THERE: PeerAnswer = { kind: "error", code: 1, message: "Virtual machine does not exist" };
/** It has a slot, and has never seen the guest. */
const EMPTY = (method: string): PeerAnswer =>
  method === "VM.getStats" ? NOT_THERE : WELCOMING(method);
/** The guests are still arriving there. */
export const ARRIVING = (method: string): PeerAnswer =>
  method === "VM.getStats"
    ? { kind: "result", result: [{ status: "Migration Destination" }] }
    : WELCOMING(method);
const SILENT: PeerAnswer = { kind: "silent", cause: "unreachable", message: "connection refused" };
const FULL: PeerAnswer = {
  kind: "error",
  code: 82,
  message: "Incoming migration limit exceeded (2 of 2 in use)",
};

/** What a scene may use: the destination's answer, and a folder for images. */
interface Stage {
  readonly options: SmallHostOptions;
  readonly images: string;
  answer: (method: string) => PeerAnswer;
}

function stage(vars: SmallHostOptions["vars"] = {}): Stage {
  const images = temporaryFolder();
  const made: Stage = {
    images,
    answer: EMPTY,
    options: {
      clock: handClock(BEGINS_AT_MS),
      folder: path.join(temporaryFolder(), "journal"),
      destination: (method) => made.answer(method),
      vars: { migration_monitor_interval: CYCLE_MS / 1_000, hibernation_dir: images, ...vars },
    },
  };
  return made;
}

/** What one daemon after the other left; the last one is still running. */
type Scene = () => Promise<Played>;

interface Played extends Pick<Stage, "images"> {
  readonly host: SmallHost;
}

/**
 * Running and stalled (1), in post-copy (2), deferred (3), preparing (4), queued with a schedule (5), a
 * save (6), and a migration that somebody else began and the engine has taken over (7).
 */
async function live(): Promise<Played & { readonly on: Stage }> {
  const on = stage({ max_outgoing_migrations: 4, min_migration_bandwidth: 2 });
  const host = await SmallHost.up(on.options);
  await begun(host, on);
  await waiting(host, on);
  return { host, images: on.images, on };
}

/** Those that libvirt has begun. */
async function begun(host: SmallHost, on: Stage): Promise<void> {
  for (const n of [1, 2, 3, 4, 5, 6]) host.hypervisor.put(vm(n), { persistent: n % 2 === 0 });
  host.hypervisor.put(
    vm(7),
    {},
    { ...NO_JOB, type: "unbounded", operation: "migrationOut", timeElapsedMs: 5_000 },
  );

  await host.migrate(vm(1), {
    downtimeMs: 250,
    stallingLimitMs: 2_000,
    progressTimeoutMs: 60_000,
    maxBandwidthMiBps: 40,
  });
  await called(host, 1);
  move(host, 1, 10);
  await pass(host, 1);
  move(host, 1, 30);
  await pass(host, 4);
  await host.event("VM_migration_stalling", vm(1));

  await host.migrate(vm(2), { autoConverge: true });
  await called(host, 2);
  move(host, 2, 10);
  await pass(host, 1);
  await host.service.changeParams(vm(2), { migrationTechnique: "post-copy" }, "uid 107");
  await pass(host, 1);
  host.hypervisor.put(
    vm(2),
    { runState: "postCopy", persistent: true },
    host.hypervisor.vms.get(vm(2))?.job,
  );
  move(host, 2, 20, 2);
  await pass(host, 1);

  move(host, 7, 100, 3);
  await host.service.changeParams(vm(7), { maxBandwidthMiBps: 20 }, "uid 107");
  await pass(host, 1);

  await host.migrate(vm(6), {
    mode: "file",
    dst: path.join(on.images, "vm6.image"),
    dstparams: path.join(on.images, "vm6.json"),
  });
  await called(host, 6);
  await pass(host, 1);
}

/** Those that it has not. */
async function waiting(host: SmallHost, on: Stage): Promise<void> {
  on.answer = (method) => (method === "VM.migrationCreate" ? FULL : EMPTY(method));
  await host.migrate(vm(3), { dst: "host3", dstqemu: "192.0.2.3", cpusets: ["0-3"] });
  await host.event("VM_migration_deferred", vm(3));
  on.answer = EMPTY;

  host.hypervisor.maxDowntimeMs = () => new Promise(() => undefined);
  await host.migrate(vm(4), { dst: "host4:54322" });
  const asks = (method: string): true | undefined =>
    host.hypervisor.called.includes(method) || undefined;
  await host.until(() => asks(`jobView ${vm(4)}`), "the preparation");

  await host.migrate(vm(5), {
    outgoingLimit: 1,
    parallel: 2,
    autoConverge: true,
    incomingLimit: 3,
    convergenceSchedule: {
      init: [{ kind: "setDowntime", downtimeMs: 150 }],
      stalling: [
        { limitPasses: 2, action: { kind: "setDowntime", downtimeMs: 400 } },
        { limitPasses: 4, action: { kind: "postcopy" } },
      ],
    },
  });
  await pass(host, 1);
}

/** The same, and the daemon after that one, a second later. */
const source: Scene = async () => {
  const { host, images, on } = await live();
  on.answer = ARRIVING;
  host.clock.monotonicStepMs += 1_000;
  const next = await host.restarted();
  for (const n of [2, 7]) move(next, n, 200, 3);
  await pass(next, 1);
  return { host: next, images };
};

/** The VMs as `source` leaves them, for the daemon after those two. */
export function afterSource(clock: SteppingClock): SmallHypervisor {
  const hypervisor = new SmallHypervisor(clock);
  const job = { ...NO_JOB, type: "unbounded", dataTotalBytes: MIB, memoryIteration: 3 } as const;
  const outgoing = [1, 2, 4, 7];
  for (const n of [1, 2, 3, 4, 5, 6, 7]) {
    const operation = n === 6 ? "save" : "migrationOut";
    const runState = n === 2 ? "postCopy" : "running";
    const isOut = n === 6 || outgoing.includes(n);
    hypervisor.put(vm(n), { runState }, isOut ? { ...job, operation } : NO_JOB);
  }
  return hypervisor;
}

/**
 * Arrived (1), arrived but not confirmed (2), refused by libvirt (3), cancelled by the engine (4), aborted
 * for want of progress (5), saved (6), refused by the destination (7), ended by its guest's end (8).
 */
const ends: Scene = async () => {
  const on = stage({ min_migration_bandwidth: 2 });
  const host = await SmallHost.up(on.options);
  for (const n of [1, 2, 3, 4, 5, 6, 7, 8]) host.hypervisor.put(vm(n));
  const runs = async (n: number, fields = {}): Promise<void> => {
    await host.migrate(vm(n), fields);
    await called(host, n);
    move(host, n, 10);
    await pass(host, 1);
  };

  await runs(1);
  on.answer = WELCOMING;
  host.hypervisor.leave(vm(1));
  await ended(host, 1);
  on.answer = EMPTY;

  await runs(3);
  host.hypervisor.end(vm(3), {
    kind: "refused",
    refusal: { kind: "other", code: 38, message: "Connection reset by peer" },
  });
  await ended(host, 3);

  await runs(4);
  await host.service.cancel(vm(4), "uid 107");

  await runs(5, { progressTimeoutMs: 4_000, stallingLimitMs: 2_000 });
  await ended(host, 5);

  await runs(6, {
    mode: "file",
    dst: path.join(on.images, "vm6.image"),
    dstparams: path.join(on.images, "vm6.json"),
  });
  host.hypervisor.vms.delete(vm(6));
  host.hypervisor.tell({ kind: "guest", vmId: vm(6), change: "stopped", how: "saved" });
  host.hypervisor.end(vm(6), { kind: "ok", value: null });
  await ended(host, 6);

  on.answer = (method) =>
    method === "VM.migrationCreate"
      ? { kind: "error", code: 4, message: "it runs there already" }
      : EMPTY(method);
  await host.migrate(vm(7));
  await ended(host, 7);
  on.answer = EMPTY;

  await runs(8);
  host.hypervisor.vms.delete(vm(8));
  host.hypervisor.tell({ kind: "guest", vmId: vm(8), change: "stopped", how: "shutDown" });
  host.hypervisor.end(vm(8), {
    kind: "refused",
    refusal: { kind: "operationFailed", code: 9, message: "domain is not running" },
  });
  await ended(host, 8);

  await runs(2);
  on.answer = () => SILENT;
  host.hypervisor.leave(vm(2));
  await ended(host, 2);
  return { host, images: on.images };
};

/** As a destination: a slot for VM 1, VM 2 on its way, VM 3 has arrived. */
const destination: Scene = async () => {
  const on = stage({ max_incoming_migrations: 5 });
  const host = await SmallHost.up(on.options);
  for (const n of [1, 2, 3]) await host.service.migrationCreate({ vmId: vm(n) }, "host2");
  for (const n of [2, 3]) {
    host.hypervisor.put(vm(n), { runState: "switching" }, "incoming");
    host.hypervisor.tell({ kind: "guest", vmId: vm(n), change: "started", incoming: true });
  }
  await pass(host, 1);
  host.hypervisor.put(vm(3));
  host.hypervisor.tell({ kind: "guest", vmId: vm(3), change: "resumed", byMigration: true });
  await pass(host, 1);
  await host.event("VM_status", vm(3));
  return { host, images: on.images };
};

export const SCENES: Readonly<Record<string, Scene>> = { source, ended: ends, destination };

/** Plays a scene and keeps its journal below `to`, without what is random or this machine's. */
export async function record(name: string, scene: Scene, to: string): Promise<void> {
  const { host, images } = await scene();
  const folder = path.join(to, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const names = readdirSync(host.folder).filter((each) => each.endsWith(".jsonl"));
  const texts = names.map((each) => readFileSync(path.join(host.folder, each), "utf8"));
  const plain = renamer(texts.join(""), images);
  for (const [at, each] of names.entries()) {
    writeFileSync(path.join(folder, each), plain(texts[at] ?? ""));
  }
}

/** Migrations are numbered in the order in which they were accepted. */
function renamer(whole: string, images: string): (text: string) => string {
  const found = [...whole.matchAll(/"k":"migration","id":"([^"]+)"/g)].map(([, id = ""]) => id);
  const ids = [...new Set(found)].map((id, at): [string, string] => [id, `migration-${at + 1}`]);
  const epoch = /"epoch":"([^"]+)"/.exec(whole)?.[1] ?? "";
  const names: [string, string][] = [...ids, [epoch, "epoch-1"], [images, "/var/lib/images"]];
  return (text) => names.reduce((done, [from, to]) => done.replaceAll(from, to), text);
}

/** A copy of a kept journal, for a daemon to go on with. */
export function copyOf(folder: string): string {
  const copy = path.join(temporaryFolder(), "journal");
  cpSync(folder, copy, { recursive: true });
  return copy;
}
