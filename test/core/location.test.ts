/**
 * What follows from where the guest was read: only two reads that lie apart are two; a destination that
 * it has left again; a guest paused for a switchover whose job is over; how long an unknown location is
 * asked for. What the engine is told: outcome.test.ts, outcome-unwatched.test.ts.
 */
import { describe, expect, it } from "vitest";
import { READ_SPACING_MS, SETTLE_MAX_MS } from "../../src/core/evidence.ts";
import type { Location } from "../../src/core/input.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import { UNDECIDED_MAX_MS } from "../../src/core/location.ts";
import type { GuestStopped } from "../../src/core/run-state.ts";
import { broken, ending, inPhase, type Run, sample, unwatched } from "./fixtures.ts";

const ARRIVED = "completed arrived destination";
const NOT_KNOWN = "failed unknown unknown?";
const LOST = "failed guestLost nowhere";
const STAYED = "failed libvirt source";

const THERE: Partial<Location> = { destination: "active" };
const ABSENT: Partial<Location> = { destination: "absent" };
const SILENT: Partial<Location> = { destination: "silent" };
const LEFT: Partial<Location> = { destination: "left" };
const INCOMING: Partial<Location> = { destination: "incoming" };
const SWITCHING = { source: "switching" } as const;

/** Reads, each so long after the one before, and how it has ended then. */
function after(run: Run, reads: readonly (readonly [number, Partial<Location>])[]): string | null {
  for (const [ms, location] of reads) {
    run.nowMs += ms;
    run.location(location);
  }
  return ending(run);
}

describe("two reads are two only a second apart", () => {
  const PAIRS: readonly [string, Partial<Location>, string][] = [
    ["there", THERE, ARRIVED],
    ["there, the source silent", { source: "unknown", destination: "active" }, ARRIVED],
    ["on neither host", ABSENT, LOST],
    ["paused for the switchover, there", { ...SWITCHING, ...THERE }, ARRIVED],
    ["paused for the switchover, not there", { ...SWITCHING, ...ABSENT }, STAYED],
  ];

  it.each(PAIRS)("%s", (_name, at, expected) => {
    const run = broken();
    const below = READ_SPACING_MS - 1;
    const early = [0, 0, below].map((ms) => [ms, at] as const);
    expect(after(run, early)).toBeNull();
    expect(after(run, [[1, at]])).toBe(expected);
  });

  it.each(PAIRS)("one that says otherwise between them begins anew: %s", (_name, at, expected) => {
    const run = broken();
    const reads = [at, INCOMING, at].map((location) => [READ_SPACING_MS, location] as const);
    expect(after(run, reads)).toBeNull();
    expect(after(run, [[READ_SPACING_MS, at]])).toBe(expected);
  });

  it("the first of another kind counts at once, the second a second after it", () => {
    const run = broken();
    run.location(ABSENT);
    run.nowMs += 1;
    run.location(THERE);
    expect(after(run, [[READ_SPACING_MS - 1, THERE]])).toBeNull();
    expect(after(run, [[1, THERE]])).toBe(ARRIVED);
  });

  it("a read of the daemon before does not count", () => {
    const run = broken();
    run.location(THERE);
    run.nowMs += READ_SPACING_MS;
    run.restore("daemonDown");
    expect(after(run, [[0, THERE]])).toBeNull();
    expect(after(run, [[READ_SPACING_MS, THERE]])).toBe(ARRIVED);
  });

  it("one is enough where libvirt said that it left", () => {
    for (const byEvent of [false, true]) {
      const run = inPhase("running");
      if (byEvent) run.give({ kind: "stoppedByJob" });
      run.callEnded(byEvent ? "other" : null);
      expect(after(run, [[0, THERE]])).toBe(ARRIVED);
    }
  });
});

describe("a late confirmation", () => {
  function unconfirmed(): Run {
    const run = broken();
    expect(after(run, [[SETTLE_MAX_MS, SILENT]])).toBe(NOT_KNOWN);
    return run;
  }

  it.each<[string, (readonly [number, Partial<Location>])[], string]>([
    ["one read", [[5_000, THERE]], NOT_KNOWN],
    [
      "two, less than a second apart",
      [
        [5_000, THERE],
        [READ_SPACING_MS - 1, THERE],
      ],
      NOT_KNOWN,
    ],
    [
      "two",
      [
        [5_000, THERE],
        [READ_SPACING_MS, THERE],
      ],
      ARRIVED,
    ],
    [
      "silence between them",
      [
        [5_000, THERE],
        [5_000, SILENT],
        [5_000, THERE],
      ],
      NOT_KNOWN,
    ],
    ["left again: one is enough", [[5_000, LEFT]], ARRIVED],
  ])("%s", (_name, reads, expected) => {
    expect(after(unconfirmed(), reads)).toBe(expected);
  });

  it.each<[string, JobStats | null, string]>([
    ["where it may have been started anew: it is only found", null, "failed unknown destination"],
    ["with a record of its arrival", sample({ type: "completed" }), ARRIVED],
  ])("in the next boot, whose times begin anew, %s", (_name, record, expected) => {
    const run = unconfirmed();
    run.location(THERE);
    run.nowMs = 50;
    run.restore("hostDown");
    expect(after(run, [[0, THERE]])).toBe(NOT_KNOWN);
    run.nowMs += READ_SPACING_MS;
    run.location(THERE, record);
    expect(ending(run)).toBe(expected);
  });
});

it.each<[string, (run: Run) => void]>([
  ["waited when the host was rebooted", (run) => run.restore("hostDown")],
  ["waited when it was given up", (run) => run.give({ kind: "abandoned" })],
])(
  "no arrival is confirmed late of one that %s, whatever the destination has",
  (_name, happens) => {
    const run = inPhase("preparing");
    happens(run);
    const silent = { source: "unknown", ...SILENT } as const;
    const reads = [0, UNDECIDED_MAX_MS].map((ms) => [ms, silent] as const);
    expect(after(run, reads)).toBe(NOT_KNOWN);
    run.locateSurely(THERE, sample({ type: "completed" }));
    expect(ending(run)).toBe("failed unknown destination");
  },
);

it.each<[string, () => Run, Partial<Location>, string | null]>([
  ["watched", broken, LEFT, ARRIVED],
  ["in post-copy", () => broken("postCopy"), LEFT, ARRIVED],
  ["the daemon was down", () => unwatched("daemonDown"), LEFT, ARRIVED],
  ["the host was down", () => unwatched("hostDown"), LEFT, "failed hostRestarted destination"],
  // It may be on its way back: where it is active decides.
  ["it runs here", broken, { source: "active", ...LEFT }, STAYED],
  ["libvirt here is silent", broken, { source: "unknown", ...LEFT }, null],
])("it had arrived there and has gone on, one read; %s", (_name, make, location, expected) => {
  expect(after(make(), [[0, location]])).toBe(expected);
});

describe("paused for the switchover", () => {
  it.each<[Location["destination"], string | null, string | null]>([
    ["active", null, ARRIVED],
    ["left", ARRIVED, ARRIVED],
    ["absent", null, STAYED],
    ["incoming", null, null],
    ["silent", null, null],
    ["notAsked", null, null],
  ])(
    "%s there: its job over, after one read and after two; its job goes on",
    (destination, one, two) => {
      const run = broken();
      const at = { ...SWITCHING, destination };
      expect(after(run, [[0, at]])).toBe(one);
      if (one === null) expect(after(run, [[READ_SPACING_MS, at]])).toBe(two);
      const waits = broken();
      waits.nowMs += 100 * SETTLE_MAX_MS;
      if (destination !== "incoming") waits.locateSurely({ ...at, sourceJob: true });
      expect(ending(waits)).toBeNull();
    },
  );

  it("stayed, and a cancel was decided before: cancelled", () => {
    const run = inPhase("running");
    run.give({ kind: "cancel" });
    run.callEnded("aborted");
    run.locateSurely({ ...SWITCHING, ...ABSENT });
    expect(ending(run)).toBe("cancelled cancelled source");
  });
});

describe("no wait is without an end", () => {
  it.each<[string, Partial<Location>]>([
    ["gone", SILENT],
    ["gone when libvirtd was not there: it may have gone over", { ...SILENT, endedHere: "unseen" }],
    ["paused for the switchover", { ...SWITCHING, ...SILENT }],
    ["paused for the switchover, nobody to ask", SWITCHING],
  ])("%s, nobody says where to: a minute from the call's return", (_name, at) => {
    const run = broken();
    expect(after(run, [[SETTLE_MAX_MS - 1, at]])).toBeNull();
    expect(after(run, [[1, at]])).toBe(NOT_KNOWN);
    expect(run.events("vmStatus").map(({ status }) => status.kind)).toEqual(["migrationSource"]);
  });

  it.each<[string, Partial<Location>, number, string]>([
    ["libvirt says nothing of it", { source: "unknown", ...ABSENT }, UNDECIDED_MAX_MS, NOT_KNOWN],
    ["half arrived", INCOMING, UNDECIDED_MAX_MS, NOT_KNOWN],
    ["to be switched over", { ...SWITCHING, ...INCOMING }, UNDECIDED_MAX_MS, NOT_KNOWN],
    ["taken apart here", { source: "ending", ...ABSENT }, SETTLE_MAX_MS, STAYED],
  ])(
    "%s: so long from the first such read, and anew after another",
    (_name, at, maxMs, expected) => {
      const run = broken();
      const below = maxMs - 1;
      expect(
        after(run, [
          [100 * maxMs, at],
          [below, at],
        ]),
      ).toBeNull();
      run.location({ source: "active", sourceJob: true });
      expect(
        after(run, [
          [0, at],
          [below, at],
        ]),
      ).toBeNull();
      expect(after(run, [[1, at]])).toBe(expected);
    },
  );

  it("a silent destination: a minute from the silence on, not from the takeover", () => {
    const run = inPhase("running");
    run.restore("daemonDown");
    for (let n = 2; n < 100; n += 1) {
      run.nowMs += 1_000;
      run.cycle(sample({ processedMiB: n, timeElapsedMs: run.nowMs }));
      run.location({ source: "active", sourceJob: true });
    }
    expect(after(run, [[0, SILENT]])).toBeNull();
  });

  it("taken apart here, and arrived: it has arrived", () => {
    const run = broken();
    run.locateSurely({ source: "ending", destination: "active" });
    expect(ending(run)).toBe(ARRIVED);
  });
});

describe("libvirt said that the guest ended here, and nobody there answers", () => {
  it.each<[GuestStopped, Location["destination"], string]>([
    ["destroyed", "silent", "failed guestStopped nowhere"],
    ["destroyed", "notAsked", "failed guestStopped nowhere"],
    ["crashed", "silent", "failed guestCrashed nowhere"],
  ])("%s in pre-copy, %s: lost at once", (how, destination, expected) => {
    const run = inPhase("running");
    run.give({ kind: "guestStopped", how });
    run.callEnded("other");
    expect(after(run, [[0, { destination }]])).toBe(expected);
  });

  it("in post-copy it runs over there: asked for a minute", () => {
    const run = inPhase("postCopy");
    run.give({ kind: "guestStopped", how: "destroyed" });
    run.callEnded("other");
    expect(after(run, [[0, SILENT]])).toBeNull();
    expect(after(run, [[SETTLE_MAX_MS, SILENT]])).toBe(NOT_KNOWN);
  });
});
