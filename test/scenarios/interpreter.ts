/**
 * Plays a scenario: commands in, what an engine and libvirt would see of it out. One migration, whose
 * clock only the script moves. What libvirt takes at once is reported back at once (bandwidth,
 * downtime, read-back), unless `libvirt refuses <effect> <kind>`; everything else is answered by the
 * script (`took`, `refused`). The commands are listed in run.test.ts.
 */
import { firstDowntime } from "../../src/core/downtime.ts";
import type { Effect, EffectDone } from "../../src/core/effect.ts";
import type { Changes } from "../../src/core/input.ts";
import type { RefusalKind } from "../../src/core/refusal.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import type { DestinationCount } from "../../src/core/migration.ts";
import type { GuestStopped, RunState } from "../../src/core/run-state.ts";
import { passesLeftToSchedule } from "../../src/core/schedule.ts";
import { GIB_BYTES, MIB_BYTES } from "../../src/core/units.ts";
import { FILE_REQUEST, NOT_BEGUN, refusal, Run, sample } from "../core/fixtures.ts";
import { Arguments, callEnd, guestHabits, refusalKind, scheduleIn } from "./arguments.ts";
import { describeEffect } from "./describe-effect.ts";
import { GuestModel } from "./guest-model.ts";

type Answered = EffectDone["effect"];
const ANSWERED: readonly Answered[] = [
  "abort",
  "startPostCopy",
  "setMaxDowntime",
  "setMaxBandwidth",
  "readMaxBandwidth",
  "probeAddress",
  "pausePostCopy",
  "resumePostCopy",
  "destroyPausedCopy",
];
const STOPPED: readonly GuestStopped[] = ["shutDown", "destroyed", "crashed"];

export class Interpreter {
  #run = new Run();
  #stats: JobStats | null = NOT_BEGUN;
  /** Of a job that somebody else began; null: it is the call's. */
  #jobBeganAtMs: number | null = null;
  #source = 1;
  #destination: DestinationCount = {
    kind: "counted",
    migrations: 1,
    askedAtMs: Number.MAX_SAFE_INTEGER,
  };
  /** null: of no account. */
  #runState: RunState | null = null;
  readonly #refusing = new Map<string, RefusalKind>();
  #lastStatus = "";
  #phase = "queued";
  #lines: string[] = [];

  /** Plays one line and returns what it led to. */
  play(line: string): string[] {
    this.#lines = [];
    const [command = "", ...words] = line.split(/\s+/);
    this.#command(command, new Arguments(words));
    return this.#lines;
  }

  #command(command: string, args: Arguments): void {
    const run = this.#run;
    switch (command) {
      case "migrate":
        return this.#migrate(args);
      case "admit":
        return this.#told(run.give({ kind: "admitted" }));
      case "prepared": {
        const foundMs = args.ms("found");
        if (foundMs !== undefined) this.#told(run.give({ kind: "downtimeFound", foundMs }));
        const appliedMs = args.ms("applied") ?? null;
        return this.#told(run.give({ kind: "downtimePrepared", appliedMs }));
      }
      case "begin":
        return this.#begin(args);
      case "not-begun": {
        return this.#told(run.give({ kind: "notBegun", refusal: refusal("other") }));
      }
      case "sample":
        return this.#sample(args);
      case "advance":
        run.nowMs += args.firstMs();
        return;
      case "cycle":
        this.#hosts(args);
        return this.#cycle(args.has("woken"));
      case "cycles":
        this.#hosts(args);
        return this.#cycles(args.firstNumber(), args.bytes("sending") ?? 0);
      case "pass":
        return this.#pass(args);
      case "guest":
        return this.#guest(args);
      default:
        return this.#answer(command, args);
    }
  }

  #answer(command: string, args: Arguments): void {
    const run = this.#run;
    switch (command) {
      case "libvirt":
        return this.#libvirt(args);
      case "took":
        return this.#told(run.accepted(answered(args.first())));
      case "refused":
        return this.#told(run.refused(answered(args.first()), refusalKind(args.second())));
      case "change":
        return this.#say(`change: ${run.change(changes(args))}`);
      case "cancel":
        return this.#told(run.give({ kind: "cancel" }));
      case "stopped-migrated":
        return this.#told(run.give({ kind: "stoppedByJob" }));
      case "guest-stopped":
        return this.#told(run.give({ kind: "guestStopped", how: stopped(args.first()) }));
      case "daemon-down":
      case "host-down":
        return this.#down(command === "host-down", args);
      case "call-ended":
        return this.#told(run.callEnded(callEnd(args.first())));
      case "location":
        return this.#location(args);
      case "record":
        this.#say(JSON.stringify(run.migration.end?.outcome ?? run.migration.stop));
        return;
      default:
        throw new Error(`no command ${command}`);
    }
  }

  #migrate(args: Arguments): void {
    const memoryBytes = args.bytes("memory") ?? GIB_BYTES;
    const steps = args.number("steps");
    const maxMs = args.ms("downtime") ?? 500;
    const postCopyOff = args.has("no-postcopy");
    const schedule = scheduleIn(args);
    const limits = {
      progressTimeoutMs: args.ms("timeout") ?? 10_000,
      timeoutJudgesPasses: !passesLeftToSchedule(schedule ?? undefined, undefined),
      stallingLimitMs: args.ms("stalling") ?? 0,
      maxBandwidthMiBps: args.number("max") ?? 52,
      minBandwidthMiBps: args.number("min") ?? 10,
      postcopyStallTimeoutMs: args.ms("postcopy-stall") ?? 10_000,
    };
    this.#run = new Run({
      limits,
      memoryBytes,
      schedule,
      downtime: firstDowntime(
        {
          ...(schedule === null ? {} : { convergenceSchedule: schedule }),
          ...(steps === undefined && (schedule === null || args.ms("downtime") !== undefined)
            ? { downtimeMs: maxMs }
            : {}),
        },
        {
          maxDowntimeMs: maxMs,
          downtimeSteps: steps ?? 1,
          downtimeDelaySecondsPerGiB: args.number("delay") ?? 100,
        },
        memoryBytes,
      ),
      postCopy: postCopyOff
        ? { possible: false, unavailableReason: "parallel" }
        : { possible: true, unavailableReason: null },
      ...(args.has("file") ? FILE_REQUEST : {}),
    });
    this.#told(this.#run.effects);
  }

  /** For so long; then another daemon goes on with what the journal knows. */
  #down(host: boolean, args: Arguments): void {
    const run = this.#run;
    run.nowMs += args.firstMs();
    const asked = run.restore(host ? "hostDown" : "daemonDown");
    this.#say(
      `taken over ${run.migration.phase} unwatched=${run.migration.call.returned?.unwatched}`,
    );
    this.#told(asked);
  }

  #begin(args: Arguments): void {
    this.#hosts(args);
    this.#told(
      this.#run.give({
        kind: "prepared",
        sourceMigrations: this.#source,
        destination: this.#destination,
        runState: args.has("paused") ? "suspended" : "running",
      }),
    );
    // The count asked before the call lacks this migration; libvirt shows it from then on.
    if (this.#destination.kind === "counted") {
      this.#destination = {
        kind: "counted",
        migrations: this.#destination.migrations + 1,
        askedAtMs: Number.MAX_SAFE_INTEGER,
      };
    }
  }

  #hosts(args: Arguments): void {
    this.#source = args.number("source") ?? this.#source;
    const said = args.text("destination");
    if (said === undefined) return;
    const silentQueries = Number(said.split(":")[1] ?? 0);
    this.#destination = said.startsWith("silent")
      ? { kind: "silent", silentQueries }
      : said.startsWith("unknown")
        ? { kind: "unknown", silentQueries }
        : { kind: "counted", migrations: Number(said), askedAtMs: Number.MAX_SAFE_INTEGER };
  }

  /** Names what changes; the rest of the last sample stays. */
  #sample(args: Arguments): void {
    const inPostCopy = args.has("failed") ? "postCopyFailed" : "postCopy";
    this.#runState = args.has("postcopy") ? inPostCopy : null;
    if (args.has("no-answer")) {
      this.#stats = null;
      return;
    }
    if (args.has("new-job")) this.#jobBeganAtMs = this.#run.nowMs;
    const file = this.#run.migration.facts.mode === "file";
    const operation = file ? "save" : "migrationOut";
    if (args.has("no-job")) this.#stats = { ...NOT_BEGUN, type: "none" };
    else if (args.has("not-begun")) this.#stats = { ...NOT_BEGUN, operation };
    else {
      const known = this.#stats !== null && this.#stats.dataTotalBytes > 0;
      const before = known && this.#stats !== null ? this.#stats : sample({ operation });
      this.#stats = { ...before, ...args.stats() };
    }
  }

  /** What libvirt shows of the job now: it counts the time from the job's beginning. */
  #shown(stats: JobStats): JobStats {
    const beganAtMs = this.#jobBeganAtMs ?? this.#run.migration.call.madeAtMs ?? this.#run.nowMs;
    return { ...stats, timeElapsedMs: this.#run.nowMs - beganAtMs };
  }

  #cycle(woken: boolean): void {
    this.#told(
      this.#run.cycle(this.#stats === null ? null : this.#shown(this.#stats), {
        timer: !woken,
        ...(this.#runState === null ? {} : { runState: this.#runState }),
        sourceMigrations: this.#source,
        destination: this.#destination,
      }),
    );
  }

  /** So many cycles, a second apart, each after so many bytes more. */
  #cycles(count: number, sendingBytes: number): void {
    for (let i = 0; i < count; i += 1) {
      this.#run.nowMs += 1_000;
      if (this.#stats !== null) {
        const { dataProcessedBytes, dataRemainingBytes } = this.#stats;
        this.#stats = {
          ...this.#stats,
          dataProcessedBytes: dataProcessedBytes + sendingBytes,
          dataRemainingBytes: Math.max(0, dataRemainingBytes - sendingBytes),
        };
      }
      this.#cycle(false);
    }
  }

  /**
   * A pass: its event with the sample taken at once (`missed`: none), then its cycles, until all of it
   * is sent or for so long (`for`), where QEMU synchronises again in mid-sweep.
   */
  #pass(args: Arguments): void {
    const sizeBytes = args.bytes("size") ?? 0;
    const rateBytes = args.bytes("rate") ?? MIB_BYTES;
    const before =
      this.#stats !== null && this.#stats.dataTotalBytes > 0
        ? this.#stats
        : sample({ dataTotalBytes: sizeBytes, processedMiB: 0, memoryIteration: 0 });
    const iteration = (before.memoryIteration ?? 0) + 1;
    this.#stats = {
      ...before,
      dataTotalBytes: Math.max(before.dataTotalBytes, sizeBytes),
      dataRemainingBytes: sizeBytes,
      memoryIteration: iteration,
      memoryBytesPerSecond: rateBytes,
    };
    if (!args.has("missed")) {
      const passStart = { iteration, tookMs: 1 };
      const taken = { stats: this.#shown(this.#stats), atMs: this.#run.nowMs, passStart };
      this.#told(this.#run.give({ kind: "passBegan", sample: taken }));
    }
    const passMs = args.ms("for") ?? Math.ceil(sizeBytes / rateBytes) * 1_000;
    this.#cycles(passMs / 1_000, rateBytes);
  }

  /** A guest of these habits, until it arrives or something is decided; what repeats is not shown. */
  #guest(args: Arguments): void {
    const run = this.#run;
    const model = new GuestModel(guestHabits(args));
    const untilMs = run.nowMs + (args.ms("for") ?? 0);
    while (run.nowMs < untilMs && !model.arrives && run.migration.stop === null) {
      const boundary = model.runToNext();
      run.nowMs = model.nowMs;
      this.#stats = model.stats();
      if (boundary !== null) {
        const passStart = { iteration: boundary, tookMs: 1 };
        const taken = { stats: this.#shown(this.#stats), atMs: run.nowMs, passStart };
        this.#told(run.give({ kind: "passBegan", sample: taken }));
      } else this.#cycle(false);
    }
    this.#lines = this.#lines.filter((line) => !/s (status|readMaxBandwidth)/.test(line));
    const { advance } = run.migration;
    const what = model.arrives ? "arrives" : "goes on";
    this.#say(`guest ${what} pass=${advance?.pass} sweep=${advance?.sweep.number}`);
  }

  #libvirt(args: Arguments): void {
    if (args.first() === "refuses") this.#refusing.set(args.second(), refusalKind(args.third()));
    else this.#refusing.clear();
  }

  #location(args: Arguments): void {
    const downtimeMs = args.ms("downtime");
    const record =
      downtimeMs === undefined ? null : { ...sample(), type: "completed" as const, downtimeMs };
    this.#told(this.#run.location(args.location(), record));
  }

  /** Shows what one input led to, and gives libvirt's answers to it. */
  #told(effects: readonly Effect[]): void {
    const { phase } = this.#run.migration;
    if (phase !== this.#phase) this.#say(`phase ${this.#phase} -> ${phase}`);
    this.#phase = phase;
    for (const effect of effects) {
      const line = describeEffect(effect);
      const repeated = line.startsWith("status") && line === this.#lastStatus;
      if (line.startsWith("status")) this.#lastStatus = line;
      if (!repeated) this.#say(line);
      this.#libvirtAnswers(effect);
    }
  }

  #libvirtAnswers(effect: Effect): void {
    const refused = this.#refusing.get(effect.kind);
    const name = ANSWERED.find((one) => one === effect.kind);
    if (name !== undefined && refused !== undefined) {
      return this.#told(this.#run.refused(name, refused));
    }
    if (effect.kind === "setMaxBandwidth") {
      return this.#told(this.#run.accepted("setMaxBandwidth", effect.maxBandwidthMiBps));
    }
    if (effect.kind === "setMaxDowntime") {
      return this.#told(this.#run.accepted("setMaxDowntime", effect.maxDowntimeMs));
    }
    if (effect.kind === "readMaxBandwidth") {
      const result = { kind: "ok", value: this.#run.migration.bandwidth.appliedMiBps } as const;
      this.#told(
        this.#run.give({ kind: "effectDone", effect: "readMaxBandwidth", asked: null, result }),
      );
    }
  }

  #say(line: string): void {
    this.#lines.push(`${(this.#run.nowMs / 1_000).toFixed(1)}s ${line}`);
  }
}

function answered(name: string): Answered {
  const found = ANSWERED.find((one) => one === name);
  if (found === undefined) throw new Error(`no effect ${name} is answered by a script`);
  return found;
}

function stopped(how: string): GuestStopped {
  const found = STOPPED.find((one) => one === how);
  if (found === undefined) throw new Error(`no guest stops by ${how}`);
  return found;
}

function changes(args: Arguments): Changes {
  const technique = args.text("technique");
  const given: { -readonly [K in keyof Changes]?: Changes[K] | undefined } = {
    downtimeMs: args.ms("downtime"),
    maxBandwidthMiBps: args.number("max"),
    stallingLimitMs: args.ms("stalling"),
    progressTimeoutMs: args.ms("timeout"),
  };
  const named = Object.entries(given).filter(([, value]) => value !== undefined);
  const all: Changes = Object.fromEntries(named);
  if (technique !== "post-copy" && technique !== "pre-copy") return all;
  return { ...all, migrationTechnique: technique };
}
