/**
 * The words that explain a migration: a step for each rule, with the numbers that it was decided on.
 * A step that only looked has none.
 */
import { describe, expect, it } from "vitest";
import { downtimeBySchedule, downtimeBySteps } from "../../src/core/downtime.ts";
import type { Input } from "../../src/core/input.ts";
import type { NewMigration } from "../../src/core/new-migration.ts";
import type { Decision } from "../../src/core/turn.ts";
import { GIB_BYTES, MIB_BYTES } from "../../src/core/units.ts";
import type { RefusalKind } from "../../src/core/refusal.ts";
import { estimate, FILE_REQUEST, inPhase, LIMITS, Run, sample } from "./fixtures.ts";

/** What one or more inputs were decided by. */
function decisions(run: Run, act: (run: Run) => unknown): readonly Decision[] {
  const found: Decision[] = [];
  run.onStep = (stepped) => found.push(...stepped.decisions);
  act(run);
  run.onStep = () => {};
  return found;
}

const limits = (fields: Partial<NewMigration["limits"]>) => ({ limits: { ...LIMITS, ...fields } });
const give = (input: Input) => (run: Run) => run.give(input);
const later = (ms: number, act: (run: Run) => unknown) => (run: Run) => {
  run.nowMs += ms;
  act(run);
};
const asked = (run: Run) => {
  run.give({ kind: "cancel" });
  return run;
};
const postCopyCycle = (run: Run) =>
  run.cycle(sample({ processedMiB: 2 }), { runState: "postCopy" });
const failedCycle = (run: Run) =>
  run.cycle(sample({ processedMiB: 2 }), { runState: "postCopyFailed" });
const settling = (ended: RefusalKind | null): Run => {
  const run = inPhase("running");
  run.callEnded(ended);
  return run;
};
const share = {
  maxBandwidthMiBps: 52,
  floorMiBps: 10,
  sourceMigrations: 1,
  destination: "counted",
  destinationMigrations: 1,
  silentQueries: 0,
};
const HERE = { source: "active" } as const;

describe("each rule has its word and its numbers", () => {
  it.each<[string, string, Run, (run: Run) => unknown, Decision["numbers"]]>([
    ["phase", "preparing", inPhase("queued"), give({ kind: "admitted" }), { from: "queued" }],
    [
      "reserved",
      "the destination expects the guest",
      inPhase("preparing"),
      give({ kind: "reserved" }),
      {},
    ],
    ["phase", "postCopy", inPhase("running"), postCopyCycle, { from: "running" }],
    [
      "downtime",
      "found",
      inPhase("preparing", { downtime: downtimeBySchedule(null) }),
      give({ kind: "downtimeFound", foundMs: 300 }),
      { foundMs: 300 },
    ],
    [
      "downtime",
      "first value set before the start",
      inPhase("preparing"),
      give({ kind: "downtimePrepared", appliedMs: 101 }),
      { toMs: 101 },
    ],
    [
      "start",
      "libvirt is called",
      inPhase("preparing"),
      give({
        kind: "prepared",
        sourceMigrations: 2,
        destination: { kind: "silent", silentQueries: 3 },
        runState: "running",
      }),
      {
        ...share,
        bandwidthMiBps: 26,
        postcopy: true,
        sourceMigrations: 2,
        destination: "silent",
        destinationMigrations: null,
        silentQueries: 3,
      },
    ],
    [
      "call",
      "libvirt: success",
      inPhase("running"),
      (run) => run.callEnded(null),
      { libvirtCode: null, libvirtMessage: null },
    ],
    [
      "call",
      "libvirt gave up",
      inPhase("running"),
      (run) => run.callEnded("other"),
      { libvirtCode: 38, libvirtMessage: "libvirt's text" },
    ],
    [
      "guest",
      "it ended here",
      inPhase("running"),
      give({ kind: "guestStopped", how: "shutDown" }),
      { how: "shutDown" },
    ],
    [
      "guest",
      "libvirt says that the job has taken it away from here",
      inPhase("running"),
      give({ kind: "stoppedByJob" }),
      {},
    ],
    [
      "record",
      "libvirt's record of the job",
      inPhase("running"),
      give({ kind: "jobCompleted", stats: sample({ downtimeMs: 80, downtimeNetMs: 66 }) }),
      { downtimeMs: 80, downtimeNetMs: 66, dataProcessedBytes: MIB_BYTES },
    ],
    [
      "location",
      "where the guest is",
      settling("other"),
      (run) => run.location(HERE),
      { source: "active", sourceJob: false, destination: "notAsked" },
    ],
    [
      "outcome",
      "failed",
      settling("operationFailed"),
      (run) => run.location(HERE),
      expect.objectContaining({
        reason: "libvirt",
        code: 102,
        where: "source",
        confirmed: true,
        passes: 1,
      }),
    ],
    [
      "cancel",
      "asked for",
      inPhase("running"),
      give({ kind: "cancel", by: "CN=engine" }),
      { phase: "running", by: "CN=engine" },
    ],
    [
      "stop",
      "cancel",
      inPhase("running"),
      give({ kind: "cancel" }),
      { stalledForMs: 0, progressTimeoutMs: 10_000, unproductivePasses: 0, sinceLastByteMs: 0 },
    ],
    [
      "stop",
      "progressTimeout",
      inPhase("running"),
      later(10_000, (run) => run.cycle(sample())),
      {
        stalledForMs: 10_000,
        progressTimeoutMs: 10_000,
        unproductivePasses: 0,
        sinceLastByteMs: 10_000,
      },
    ],
    [
      "stop",
      "libvirt took the abort",
      asked(inPhase("running")),
      (run) => run.accepted("abort"),
      {},
    ],
    [
      "stop",
      "libvirt did not take the abort, asking again",
      asked(inPhase("running")),
      (run) => run.refused("abort", "invalidState"),
      { libvirtCode: 55, libvirtMessage: "no" },
    ],
    [
      "stalling",
      "noData",
      inPhase("running", limits({ stallingLimitMs: 2_000 })),
      later(4_000, (run) => run.cycle(sample())),
      expect.objectContaining({
        count: 2,
        stalledForMs: 4_000,
        stallingLimitMs: 2_000,
        timeoutInMs: 6_000,
      }),
    ],
    [
      "stalling",
      "over",
      inPhase("running", limits({ stallingLimitMs: 2_000 })),
      (run) => {
        run.nowMs += 4_000;
        run.cycle(sample());
        run.nowMs += 1;
        run.cycle(sample({ processedMiB: 9 }));
      },
      expect.objectContaining({ progressing: true }),
    ],
    [
      "pass",
      "unproductive",
      inPhase("running"),
      (run) => run.cycle(sample({ memoryIteration: 2, processedMiB: 129, remainingMiB: 127 })),
      { pass: 2, passSizeBytes: null, bestPassBytes: 128 * MIB_BYTES, unproductivePasses: 1 },
    ],
    [
      "pass",
      "productive",
      inPhase("running"),
      (run) => {
        run.cycle(sample({ memoryIteration: 2, processedMiB: 2, remainingMiB: 30 }));
        run.nowMs += 200;
        run.cycle(
          sample({ memoryIteration: 2, processedMiB: 9, remainingMiB: 20, ...estimate(40) }),
        );
      },
      {
        pass: 2,
        passSizeBytes: 40 * MIB_BYTES,
        bestPassBytes: 128 * MIB_BYTES,
        unproductivePasses: 0,
      },
    ],
    [
      "bandwidth",
      "17 MiB/s",
      inPhase("running"),
      (run) => run.cycle(sample({ processedMiB: 2 }), { sourceMigrations: 3 }),
      { ...share, beforeMiBps: 52, sourceMigrations: 3 },
    ],
    [
      "downtime",
      "104 ms",
      inPhase("running", { downtime: downtimeBySteps(500, 5, 10, GIB_BYTES) }),
      (run) => run.cycle(sample({ memoryIteration: 2, processedMiB: 102 })),
      { owner: "steps", step: 1, beforeMs: 101, pass: 2 },
    ],
    ["downtime", "300 ms put back", settling("other"), (run) => run.location(HERE), {}],
    [
      "postcopy",
      "asked for",
      inPhase("running"),
      (run) => {
        run.change({ migrationTechnique: "post-copy" });
        run.cycle(sample({ processedMiB: 2 }));
      },
      { pass: 1 },
    ],
    [
      "postcopy",
      "paused",
      inPhase("postCopy"),
      later(10_000, (run) => {
        run.change({ migrationTechnique: "post-copy" });
        postCopyCycle(run);
      }),
      { attempts: 0, askedByEngine: true, addressAnswers: false },
    ],
    [
      "postcopy",
      "resumed",
      inPhase("postCopy"),
      later(2_000, (run) => {
        run.accepted("pausePostCopy");
        failedCycle(run);
      }),
      { attempts: 1, askedByEngine: false, addressAnswers: false },
    ],
    [
      "pausedCopy",
      "destroyed",
      inPhase("postCopy"),
      (run) => {
        run.callEnded("other");
        run.locateSurely({ source: "pausedCopy", destination: "active" });
      },
      { reads: 2 },
    ],
    [
      "image",
      "removed",
      inPhase("running", FILE_REQUEST),
      (run) => {
        run.callEnded("other");
        run.location(HERE);
      },
      {},
    ],
    [
      "note",
      "cannot begin yet, trying again later",
      inPhase("preparing"),
      give({ kind: "deferred", retryAtMs: 5_000, reason: "full" }),
      { reason: "full", retryInMs: 5_000, deferrals: 1 },
    ],
  ])("%s: %s", (rule, what, run, act, numbers) => {
    const found = decisions(run, act).filter((each) => each.rule === rule && each.what === what);
    expect(found).toEqual([{ rule, what, numbers }]);
  });
});

describe("what decided nothing is no line", () => {
  it.each<[string, Run, (run: Run) => unknown]>([
    [
      "a cycle that only looked",
      inPhase("running"),
      (run) => run.cycle(sample({ processedMiB: 2 })),
    ],
    ["one in post-copy", inPhase("postCopy"), postCopyCycle],
    ["one without an answer", inPhase("running"), (run) => run.cycle(null)],
    [
      "a location that is asked again",
      settling(null),
      (run) => run.location({ destination: "incoming" }),
    ],
    [
      "a location while the job goes on",
      inPhase("running"),
      (run) => run.location({ ...HERE, sourceJob: true }),
    ],
    ["a downtime found again", inPhase("preparing"), give({ kind: "downtimeFound", foundMs: 500 })],
    ["a second cancel", asked(inPhase("running")), give({ kind: "cancel" })],
    ["a read-back as expected", inPhase("running"), (run) => run.accepted("setMaxBandwidth", 52)],
  ])("%s", (_name, run, act) => {
    expect(decisions(run, act)).toEqual([]);
  });

  it("an arrival that is not confirmed is asked for each 5 s: only the confirmation is a line", () => {
    const run = settling(null);
    run.location({ destination: "silent" });
    expect(decisions(run, (own) => own.location({ destination: "silent" }))).toEqual([]);
    expect(decisions(run, (own) => own.locateSurely({ destination: "active" }))).toMatchObject([
      { rule: "location", numbers: { destination: "active" } },
    ]);
  });

  it("a pass in mid-sweep that is not smaller: QEMU may count ten of them a second", () => {
    const run = inPhase("running", limits({ progressTimeoutMs: 600_000 }));
    const found = decisions(run, () => {
      for (let pass = 2; pass < 12; pass += 1) {
        run.nowMs += 100;
        run.cycle(sample({ memoryIteration: pass, processedMiB: pass, remainingMiB: 127 }));
      }
    });
    expect(found).toEqual([]);
  });

  it("of many bad passes the first two are told, they are what the hard limit goes by", () => {
    const run = inPhase("running", limits({ progressTimeoutMs: 600_000 }));
    const found = decisions(run, () => {
      for (let pass = 2; pass < 12; pass += 1) {
        run.nowMs += 1_000;
        run.cycle(sample({ memoryIteration: pass, processedMiB: pass * 128, remainingMiB: 127 }));
      }
    });
    expect(found.map(({ numbers }) => numbers["unproductivePasses"])).toEqual([1, 2]);
  });
});

it("what follows stands after what it follows from", () => {
  const run = inPhase("running");
  const found = decisions(run, () => {
    run.nowMs += 10_000;
    run.cycle(sample());
    run.accepted("abort");
    run.callEnded("aborted");
    run.location(HERE);
  });
  expect(found.map(({ rule, what }) => `${rule}: ${what}`)).toEqual([
    "stop: progressTimeout",
    "note: migration does not advance, aborting",
    "stalling: noData",
    "stop: libvirt took the abort",
    "call: libvirt gave up",
    "phase: settling",
    "location: where the guest is",
    "downtime: 300 ms put back",
    "outcome: failed",
    "phase: ended",
  ]);
});
