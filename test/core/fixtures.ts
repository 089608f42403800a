/**
 * Builders for the core's tables: a sample, a request, a migration in each phase. They only call the
 * core's own functions; nothing here imitates anything. A table names what differs from the defaults:
 * 52 MiB/s at most and 10 at least, 10 s of progress timeout, stall events off, a guest of 1 GiB.
 */
import { foreignMigration } from "../../src/core/adopt.ts";
import { observePreCopy } from "../../src/core/advance.ts";
import { mayChange } from "../../src/core/change.ts";
import { downtimeByEngine } from "../../src/core/downtime.ts";
import type { Effect, EffectDone } from "../../src/core/effect.ts";
import type { CoreEvent, Outcome } from "../../src/core/event.ts";
import { READ_SPACING_MS } from "../../src/core/evidence.ts";
import type { AdvanceSample, Changes, CycleInput, Input, Location } from "../../src/core/input.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import type { Advance, Limits, Migration, Unwatched } from "../../src/core/migration.ts";
import { type NewMigration, newMigration } from "../../src/core/new-migration.ts";
import type { Refusal, RefusalKind } from "../../src/core/refusal.ts";
import type { RunState } from "../../src/core/run-state.ts";
import { holdInvariants } from "./invariants.ts";
import { step } from "../../src/core/step.ts";
import { type Stepped, beginTurn } from "../../src/core/turn.ts";
import { GIB_BYTES, MIB_BYTES } from "../../src/core/units.ts";

export const LIMITS: Limits = {
  progressTimeoutMs: 10_000,
  timeoutJudgesPasses: true,
  stallingLimitMs: 0,
  maxBandwidthMiBps: 52,
  minBandwidthMiBps: 10,
  postcopyStallTimeoutMs: 10_000,
};

export const TOTAL_BYTES = 128 * MIB_BYTES;

/** A sample of a migration with data; the numbers in MiB. */
export function sample(
  fields: Partial<JobStats> & { remainingMiB?: number; processedMiB?: number } = {},
): JobStats {
  const { remainingMiB = 100, processedMiB = 1, ...rest } = fields;
  return {
    type: "unbounded",
    operation: "migrationOut",
    timeElapsedMs: 0,
    dataTotalBytes: TOTAL_BYTES,
    dataProcessedBytes: processedMiB * MIB_BYTES,
    dataRemainingBytes: remainingMiB * MIB_BYTES,
    memoryIteration: 1,
    ...rest,
  };
}

/** Before the first data every counter is there and 0. */
export const NOT_BEGUN: JobStats = {
  type: "unbounded",
  operation: "migrationOut",
  timeElapsedMs: 100,
  dataTotalBytes: 0,
  dataProcessedBytes: 0,
  dataRemainingBytes: 0,
};

/** QEMU's own figure for a pass of so many MiB: 1000 ms at that rate. */
export function estimate(passMiB: number): Partial<JobStats> {
  return { downtimeMs: 1000, memoryBytesPerSecond: passMiB * MIB_BYTES };
}

export function request(fields: Partial<NewMigration> = {}): NewMigration {
  return {
    vmId: "vm1",
    vmName: "guest",
    mode: "remote",
    destination: "host2",
    memoryBytes: GIB_BYTES,
    limits: LIMITS,
    downtime: downtimeByEngine(null, 500),
    schedule: null,
    postCopy: { possible: true, unavailableReason: null },
    runState: "running",
    ...fields,
  };
}

export const FILE_REQUEST: Partial<NewMigration> = {
  mode: "file",
  destination: "/images/vm1",
  downtime: null,
  postCopy: { possible: false, unavailableReason: "the VM is being saved to a file" },
};

/** As the next daemon goes on with it. */
export function nextDaemon(
  migration: Migration,
  after: "daemonDown" | "hostDown",
  nowMs: number,
  uptimeSinceMs = 0,
): Migration {
  return step(migration, { kind: "restore", after, uptimeSinceMs, lastAtMs: null }, nowMs)
    .migration;
}

/** As a turn takes it in. */
export function observed(advance: Advance, taken: AdvanceSample): Advance {
  return observePreCopy(advance, taken, beginTurn({ pending: [] }, 0));
}

type Asked = EffectDone["effect"];

/** One migration with its own clock, which only the test moves, and all effects so far. */
export class Run {
  migration: Migration;
  nowMs: number;
  readonly effects: Effect[] = [];
  /** Told of each step, as the journal is. */
  onStep: (stepped: Stepped, input: Input) => void = () => {};

  constructor(fields: Partial<NewMigration> = {}, nowMs = 0) {
    this.nowMs = nowMs;
    this.migration = newMigration(request(fields), nowMs);
    this.give({ kind: "accepted" });
  }

  /** Asked for its place it is here. */
  found(runState: RunState = "running"): readonly Effect[] {
    return this.location({ source: "active", runState });
  }

  /** Gives one input and returns its effects. */
  give(input: Input): readonly Effect[] {
    const before = this.migration;
    const stepped = step(before, input, this.nowMs);
    holdInvariants({ ...stepped, before, input, nowMs: this.nowMs });
    this.migration = stepped.migration;
    this.effects.push(...stepped.effects);
    this.onStep(stepped, input);
    return stepped.effects;
  }

  change(changes: Changes): string {
    const { kind } = mayChange(this.migration, changes);
    this.give({ kind: "change", changes });
    return kind === "possible" ? "changed" : kind;
  }

  /** The daemon, or its host, went down; another daemon goes on `lateMs` from now. */
  restore(after: "daemonDown" | "hostDown", lateMs = 0): readonly Effect[] {
    this.nowMs += lateMs;
    return this.give({ kind: "restore", after, uptimeSinceMs: 0, lastAtMs: null });
  }

  /** From here on it is another party's, which the engine has asked this daemon to look after. */
  adopt(stats: JobStats, inPostCopy = false): void {
    const { facts, limits } = this.migration;
    const { vmId, vmName, memoryBytes } = facts;
    this.migration = foreignMigration({ vmId, vmName, memoryBytes, limits }, this.nowMs);
    this.give({ kind: "adopt", stats, inPostCopy });
    this.effects.length = 0;
  }

  /** `stats` null: libvirt did not answer. */
  cycle(stats: JobStats | null, fields: Partial<CycleInput> = {}): readonly Effect[] {
    return this.give({
      kind: "cycle",
      timer: true,
      sample: stats === null ? null : { stats, atMs: this.nowMs },
      sourceMigrations: 1,
      destination: { kind: "counted", migrations: 1, askedAtMs: Number.MAX_SAFE_INTEGER },
      ...fields,
    });
  }

  location(location: Partial<Location>, record: JobStats | null = null): readonly Effect[] {
    const seen: Location = {
      source: "notActive",
      sourceJob: false,
      destination: "notAsked",
      ...location,
    };
    return this.give({ kind: "location", location: seen, record });
  }

  /** Read as often, and so far apart, as it takes to be sure: the clock goes on, unless it ends at once. */
  locateSurely(location: Partial<Location>, record: JobStats | null = null): readonly Effect[] {
    const late = this.migration.phase === "ended";
    const effects = this.location(location, record);
    if (this.migration.phase === "ended" && !late) return effects;
    this.nowMs += READ_SPACING_MS;
    return [...effects, ...this.location(location, record)];
  }

  accepted(effect: Asked, asked = 0): readonly Effect[] {
    const result = { kind: "ok", value: null } as const;
    return this.give({ kind: "effectDone", effect, asked, result });
  }

  refused(effect: Asked, kind: RefusalKind): readonly Effect[] {
    const result = { kind: "refused", refusal: refusal(kind) } as const;
    return this.give({ kind: "effectDone", effect, asked: null, result });
  }

  /** null: it succeeded. */
  callEnded(how: RefusalKind | Refusal | null): readonly Effect[] {
    const refused = typeof how === "string" ? refusal(how, "libvirt's text") : how;
    return this.give({ kind: "callEnded", refusal: refused });
  }

  events<K extends CoreEvent["kind"]>(kind: K): Extract<CoreEvent, { kind: K }>[] {
    return this.effects.flatMap((effect) =>
      effect.kind === "event" && isEvent(effect.event, kind) ? [effect.event] : [],
    );
  }

  outcome(): Outcome {
    const [event, ...more] = this.events("ended");
    if (event === undefined || more.length > 0) throw new Error("not exactly one ended event");
    return event.outcome;
  }
}

/** How it ended, in a line, with `?` if that is not confirmed; null: it has not. */
export function ending({ migration }: Run): string | null {
  const outcome = migration.end?.outcome;
  if (outcome === undefined) return null;
  return `${outcome.outcome} ${outcome.reason} ${outcome.where}${outcome.confirmed ? "" : "?"}`;
}

/** Its call has failed, nobody knows yet where the guest is. */
export function broken(phase: "starting" | "running" | "postCopy" = "running"): Run {
  const run = inPhase(phase);
  run.callEnded("other");
  return run;
}

/** Whose end nobody watched; a second after its call. */
export function unwatched(
  by: Unwatched,
  from: "starting" | "running" | "postCopy" | "settling" = "running",
  fields: Partial<NewMigration> = {},
): Run {
  const run = by === "foreign" ? new Run(fields) : inPhase(from, fields);
  run.nowMs += 1_000;
  if (by === "foreign") {
    run.adopt(sample());
    if (from !== "starting") run.cycle(sample({ processedMiB: 2 }));
    if (from === "postCopy") run.cycle(sample({ processedMiB: 3 }), { runState: "postCopy" });
  } else run.restore(by);
  run.effects.length = 0;
  return run;
}

function isEvent<K extends CoreEvent["kind"]>(
  event: CoreEvent,
  kind: K,
): event is Extract<CoreEvent, { kind: K }> {
  return event.kind === kind;
}

export const PHASES = ["queued", "preparing", "starting", "running", "postCopy"] as const;

export const ALL_PHASES = [...PHASES, "settling", "ended"] as const;

/** A migration brought to a phase in the way the daemon does it, its clock at the call's time. */
export function inPhase(
  phase: (typeof ALL_PHASES)[number],
  fields: Partial<NewMigration> = {},
): Run {
  return bringTo(phase, new Run(fields));
}

/** The same for one that is in the queue. */
export function bringTo(phase: (typeof ALL_PHASES)[number], run: Run): Run {
  if (phase === "queued") return run;
  run.give({ kind: "admitted" });
  const appliedMs = run.migration.downtime?.wantedMs ?? null;
  if (appliedMs !== null) {
    run.give({ kind: "downtimeFound", foundMs: 300 });
    run.give({ kind: "downtimePrepared", appliedMs });
  }
  if (phase === "preparing") return run;
  const destination = {
    kind: "counted",
    migrations: 0,
    askedAtMs: Number.MAX_SAFE_INTEGER,
  } as const;
  run.give({
    kind: "prepared",
    sourceMigrations: 1,
    destination,
    runState: run.migration.evidence.runState,
  });
  if (phase === "starting") return run;
  const operation = run.migration.facts.mode === "file" ? "save" : "migrationOut";
  run.cycle(sample({ operation }));
  if (phase === "running") return run;
  if (phase === "postCopy") {
    run.cycle(sample({ processedMiB: 2 }), { runState: "postCopy" });
    return run;
  }
  run.callEnded(null);
  if (phase === "ended") run.location({ destination: "active" });
  return run;
}

/** libvirt's numbers, which logs and messages show. */
const CODES: Readonly<Record<RefusalKind, number>> = {
  noVm: 42,
  invalidState: 55,
  locked: 68,
  aborted: 78,
  operationFailed: 9,
  internalError: 1,
  tooLarge: 39,
  other: 38,
};

export function refusal(kind: RefusalKind, message = "no"): Refusal {
  return { kind, code: CODES[kind], message };
}

/** Of a start with post-copy. */
export const POSTCOPY_REFUSED: Refusal = {
  ...refusal(
    "internalError",
    "internal error: unable to execute QEMU command 'migrate-set-capabilities': Postcopy is not supported",
  ),
  refusesPostCopy: true,
};

/** Kinds of the effects other than events and log lines. */
export function kinds(effects: readonly Effect[]): string[] {
  return effects.flatMap(({ kind }) => (kind === "event" || kind === "log" ? [] : [kind]));
}
