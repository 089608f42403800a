/**
 * Post-copy that stands still: judged by bytes, mended by a pause and resumes, never aborted.
 * post-copy.ts. What it leaves here: paused-copy.test.ts.
 */
import { describe, expect, it } from "vitest";
import type { Effect, EffectDone, EffectResult } from "../../src/core/effect.ts";
import type { CycleInput } from "../../src/core/input.ts";
import { RESUME_ATTEMPTS_MAX } from "../../src/core/post-copy.ts";
import type { RefusalKind } from "../../src/core/refusal.ts";
import { inPhase, kinds, LIMITS, refusal, sample, type Run } from "./fixtures.ts";

const STALL_MS = LIMITS.postcopyStallTimeoutMs;
const MENDING = ["probeAddress", "pausePostCopy", "resumePostCopy"];
const OK: EffectResult = { kind: "ok", value: null };
const NOT_READY: EffectResult = {
  kind: "refused",
  refusal: { kind: "operationFailed", code: 9, message: "not ready" },
};
const refusedWith = (kind: RefusalKind): EffectResult => ({
  kind: "refused",
  refusal: refusal(kind),
});

/** One of these: the account of what is done about it. */
class Stalled {
  readonly run: Run;
  /** `second what` of each effect that mends. */
  readonly done: string[] = [];
  #processedMiB = 2;
  #failed = false;
  readonly #answers: Map<string, EffectResult>;

  constructor(answers: Readonly<Record<string, EffectResult>> = {}) {
    this.run = inPhase("postCopy");
    this.#answers = new Map(Object.entries(answers));
  }

  /** libvirt says from now on that post-copy has failed. */
  failed(failed = true): this {
    this.#failed = failed;
    return this;
  }

  /** So many cycles, a second apart, each after so many MiB. */
  cycles(count: number, sendingMiB = 0): this {
    for (let n = 0; n < count; n += 1) {
      this.run.nowMs += 1_000;
      this.#processedMiB += sendingMiB;
      this.#took(this.cycle());
    }
    return this;
  }

  cycle(fields: Partial<CycleInput> = {}): readonly Effect[] {
    return this.run.cycle(sample({ processedMiB: this.#processedMiB }), {
      runState: this.#failed ? "postCopyFailed" : "postCopy",
      ...fields,
    });
  }

  answer(effect: EffectDone["effect"], result: EffectResult): this {
    this.run.give({ kind: "effectDone", effect, asked: null, result });
    return this;
  }

  /** So many resumes. */
  get resumes(): number {
    return this.done.filter((each) => each.endsWith("resumePostCopy")).length;
  }

  #took(effects: readonly Effect[]): void {
    for (const { kind } of effects) {
      const mends = MENDING.find((one) => one === kind);
      if (mends !== undefined) this.done.push(`${this.run.nowMs / 1_000} ${mends}`);
      const answer = this.#answers.get(kind);
      if (answer !== undefined && isReporting(kind)) this.answer(kind, answer);
    }
  }
}

function isReporting(kind: string): kind is EffectDone["effect"] {
  return MENDING.includes(kind);
}

describe("what is done, and when", () => {
  it("nothing while bytes flow, and nothing below the stall timeout", () => {
    const flowing = new Stalled().cycles(60, 1);
    expect(flowing.done).toEqual([]);
    const still = new Stalled();
    still.run.nowMs += STALL_MS - 1;
    expect(kinds(still.cycle())).toEqual([]);
    still.run.nowMs += 1;
    expect(kinds(still.cycle())).toEqual(["probeAddress"]);
  });

  it("libvirt's `failed` means nothing while bytes flow", () => {
    expect(new Stalled().failed().cycles(60, 1).done).toEqual([]);
  });

  it("the address is asked every 5 s until it answers, then QEMU is paused, again every 5 s", () => {
    const stalled = new Stalled({ probeAddress: { kind: "noAnswer" }, pausePostCopy: OK });
    stalled.cycles(16);
    expect(stalled.done).toEqual(["10 probeAddress", "15 probeAddress"]);
    stalled.answer("probeAddress", OK).cycles(10);
    expect(stalled.done.slice(2)).toEqual(["17 pausePostCopy", "22 pausePostCopy"]);
  });

  it("probe, pause, then in the failed state resume, every 5 s while libvirt refuses", () => {
    const stalled = new Stalled({ probeAddress: OK, pausePostCopy: OK, resumePostCopy: NOT_READY });
    stalled.cycles(11).failed().cycles(12);
    expect(stalled.done).toEqual([
      "10 probeAddress",
      "11 pausePostCopy",
      "12 resumePostCopy",
      "17 resumePostCopy",
      "22 resumePostCopy",
    ]);
    expect(stalled.run.migration.postCopy.recovery).toMatchObject({
      attempts: 3,
      refusalMessage: "not ready",
    });
  });

  it.each([
    [1_999, []],
    [2_000, ["resumePostCopy"]],
  ])("in the failed state bytes are frozen after 2 s: %i ms", (ms, effects) => {
    const stalled = new Stalled().answer("pausePostCopy", OK).failed();
    stalled.run.nowMs += ms;
    expect(kinds(stalled.cycle())).toEqual(effects);
  });

  it("a second resume waits for the first one's answer", () => {
    const stalled = new Stalled().answer("pausePostCopy", OK).failed().cycles(30);
    expect(stalled.done).toEqual(["2 resumePostCopy"]);
  });

  it("the failed state alone is no reason to resume: QEMU is paused first", () => {
    const stalled = new Stalled({ probeAddress: OK, pausePostCopy: OK, resumePostCopy: OK });
    stalled.failed().cycles(13);
    expect(stalled.done).toEqual(["10 probeAddress", "11 pausePostCopy", "12 resumePostCopy"]);
  });

  it.each<[string, EffectResult, readonly string[]]>([
    ["took it", OK, ["resumePostCopy"]],
    ["has nothing to give up", refusedWith("internalError"), ["resumePostCopy", "refused"]],
    ["was not asked: no job", refusedWith("invalidState"), ["refused"]],
    ["was not asked: locked", refusedWith("locked"), ["refused"]],
    ["did not answer", { kind: "noAnswer" }, []],
    ["is still being asked", { kind: "busy" }, []],
  ])("resumed only after a pause that QEMU knows of; it %s", (_name, result, expected) => {
    const stalled = new Stalled({ probeAddress: OK, pausePostCopy: result }).failed().cycles(13);
    const resumed = stalled.resumes > 0;
    expect(resumed).toBe(expected.includes("resumePostCopy"));
    const { paused, refusalMessage } = stalled.run.migration.postCopy.recovery;
    expect(paused).toBe(resumed);
    expect(refusalMessage !== null).toBe(expected.includes("refused"));
  });

  it("a pause that is not taken is asked for again, and one that was taken stays taken", () => {
    const stalled = new Stalled({ probeAddress: OK, pausePostCopy: { kind: "noAnswer" } });
    stalled.failed().cycles(17);
    expect(stalled.done).toEqual(["10 probeAddress", "11 pausePostCopy", "16 pausePostCopy"]);
    stalled.answer("pausePostCopy", OK).answer("pausePostCopy", { kind: "noAnswer" }).cycles(1);
    expect(stalled.resumes).toBe(1);
  });

  it.each<[string, Partial<CycleInput>]>([
    ["a cycle that an event woke", { timer: false }],
    ["a cycle without an answer of libvirt", { sample: null }],
  ])("nothing in %s", (_name, fields) => {
    const stalled = new Stalled().failed();
    stalled.run.nowMs += 60_000;
    expect(kinds(stalled.cycle(fields)).filter((kind) => MENDING.includes(kind))).toEqual([]);
  });

  it.each(["starting", "running", "settling", "ended"] as const)("nothing in %s", (phase) => {
    const run = inPhase(phase);
    run.nowMs += 60_000;
    const effects = run.cycle(sample());
    expect(kinds(effects).filter((kind) => MENDING.includes(kind))).toEqual([]);
  });
});

describe("its bounds", () => {
  /** In the failed state after a pause, and every resume is refused. */
  const refusing = (): Stalled =>
    new Stalled({ pausePostCopy: OK, resumePostCopy: NOT_READY })
      .answer("pausePostCopy", OK)
      .failed();

  it("after so many refused resumes it is left to the engine, which may ask anew", () => {
    const stalled = refusing().cycles(5 * RESUME_ATTEMPTS_MAX + 100);
    expect(stalled.done).toHaveLength(RESUME_ATTEMPTS_MAX);
    expect(stalled.run.change({ migrationTechnique: "post-copy" })).toBe("changed");
    stalled.cycles(1);
    expect(stalled.done.at(-1)).toContain("pausePostCopy");
    stalled.cycles(1);
    expect(stalled.resumes).toBe(RESUME_ATTEMPTS_MAX + 1);
  });

  it("the engine asks: paused without asking the address", () => {
    const stalled = new Stalled({ probeAddress: { kind: "noAnswer" } }).cycles(11);
    stalled.run.change({ migrationTechnique: "post-copy" });
    stalled.cycles(1);
    expect(stalled.done).toEqual(["10 probeAddress", "12 pausePostCopy"]);
  });

  it("the engine asks while it does not stand still: nothing is to be recovered", () => {
    const stalled = new Stalled().cycles(5);
    stalled.run.change({ migrationTechnique: "post-copy" });
    expect(stalled.run.migration.postCopy.recovery.asked).toBe(false);
  });

  it("bytes move: the account begins anew", () => {
    const stalled = refusing().cycles(5 * RESUME_ATTEMPTS_MAX + 100);
    stalled.cycles(1, 1).cycles(2);
    expect(stalled.done).toHaveLength(RESUME_ATTEMPTS_MAX);
    stalled.answer("pausePostCopy", OK).cycles(1);
    expect(stalled.done).toHaveLength(RESUME_ATTEMPTS_MAX + 1);
    expect(stalled.run.migration.postCopy.recovery.attempts).toBe(1);
  });

  it("a pause of one stall, answered late, is none of the next", () => {
    const stalled = new Stalled({ probeAddress: OK }).cycles(11).cycles(1, 1);
    stalled.answer("pausePostCopy", OK).cycles(1, 1).failed().cycles(9);
    expect(stalled.resumes).toBe(0);
  });

  it("what the engine asked in one stall does not hold for the next", () => {
    const stalled = new Stalled().cycles(9);
    stalled.run.nowMs += 1_000;
    stalled.run.change({ migrationTechnique: "post-copy" });
    stalled.cycles(1, 1).cycles(10);
    expect(stalled.done).toEqual(["21 probeAddress"]);
  });

  it("an address that answered in one stall is asked anew in the next", () => {
    const stalled = new Stalled().cycles(10).cycles(1, 1);
    stalled.answer("probeAddress", OK).cycles(1, 1).cycles(10);
    expect(stalled.done).toEqual(["10 probeAddress", "22 probeAddress"]);
  });

  it("a restart of the daemon neither asks at once again nor forgets the attempts", () => {
    const stalled = refusing().cycles(7);
    const { run } = stalled;
    run.restore("daemonDown");
    stalled.cycles(4);
    expect(stalled.done).toEqual(["2 resumePostCopy", "7 resumePostCopy"]);
    stalled.cycles(1);
    expect(run.migration.postCopy.recovery.attempts).toBe(3);
  });
});

describe("what the engine is told", () => {
  it("the alarm at the post-copy stall timeout, once a stall, whatever the progress timeout", () => {
    const stalled = new Stalled();
    stalled.run.migration = {
      ...stalled.run.migration,
      limits: { ...LIMITS, progressTimeoutMs: 1_000, postcopyStallTimeoutMs: 4_000 },
    };
    stalled.cycles(3);
    expect(stalled.run.events("stalling")).toEqual([]);
    stalled.cycles(20);
    expect(stalled.run.events("stalling").map(({ stalling }) => stalling)).toMatchObject([
      { reason: "postcopyStalled", stalledForMs: 4_000, timeoutInMs: 0, aborting: false },
    ]);
    stalled.cycles(1, 1).cycles(4);
    expect(stalled.run.events("stalling").slice(1)).toMatchObject([
      { stalling: { progressing: true } },
      { stalling: { progressing: false, stalledForMs: 4_000 } },
    ]);
  });

  it("neither a cancel, the hard limit nor a schedule aborts", () => {
    const stalled = new Stalled().cycles(5);
    stalled.run.give({ kind: "cancel" });
    stalled.cycles(600).failed().cycles(600);
    expect(kinds(stalled.run.effects)).not.toContain("abort");
    expect(stalled.run.migration).toMatchObject({ phase: "postCopy", stop: null });
  });
});

describe("a resume that comes back", () => {
  it("with success: that is the call's, and the location is asked", () => {
    const stalled = new Stalled().answer("pausePostCopy", OK).failed().cycles(2);
    stalled.run.callEnded("other");
    stalled.run.location({ source: "pausedCopy", sourceJob: true });
    stalled.answer("resumePostCopy", OK);
    expect(stalled.run.migration).toMatchObject({ call: { returned: { succeeded: true } } });
    expect(kinds(stalled.cycle())).toContain("locateGuest");
    stalled.run.location({ source: "notActive", destination: "silent" });
    expect(stalled.run.outcome()).toMatchObject({ outcome: "completed", confirmed: false });
  });

  it("refused: the call's own answer stays, and it is said", () => {
    const paused = new Stalled().answer("pausePostCopy", OK).failed().cycles(2);
    const stalled = paused.answer("resumePostCopy", NOT_READY);
    expect(stalled.run.migration).toMatchObject({ call: { returned: null } });
    expect(stalled.run.effects.at(-1)).toMatchObject({
      kind: "log",
      fields: { effect: "resumePostCopy", libvirtMessage: "not ready" },
    });
  });

  it("a pause or an address that answers is no success of the call", () => {
    const stalled = new Stalled({ probeAddress: OK, pausePostCopy: OK }).cycles(12);
    expect(stalled.run.migration.call.returned).toBeNull();
  });
});
