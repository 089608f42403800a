/**
 * However often, and in whatever order, daemon and host go down before a migration has ended: it ends once,
 * in the same way. After a reboot nothing is called, aborted or steered, whatever job is there, and what was
 * never called was not migrated by us.
 */
import { describe, expect, it } from "vitest";
import type { Location } from "../../src/core/input.ts";
import type { JobStats } from "../../src/core/job-stats.ts";
import type { NewMigration } from "../../src/core/new-migration.ts";
import {
  bringTo,
  ending,
  FILE_REQUEST,
  inPhase,
  kinds,
  type PHASES,
  Run,
  sample,
} from "./fixtures.ts";

type Down = "hostDown" | "daemonDown";

const WAYS: readonly (readonly Down[])[] = [
  ["hostDown"],
  ["hostDown", "daemonDown"],
  ["hostDown", "daemonDown", "daemonDown"],
  ["daemonDown", "hostDown"],
  ["hostDown", "hostDown"],
  ["hostDown", "daemonDown", "hostDown", "daemonDown"],
];
const BOOT_MS = 50;
/** Of the boot before. */
const UPTIME_MS = 3_600_000;

/** From the first reboot on the daemon tries whatever it does with one that waits, or that runs. */
function through(run: Run, way: readonly Down[], tried: (run: Run) => void): void {
  for (const [index, after] of way.entries()) {
    run.nowMs = after === "hostDown" ? BOOT_MS : run.nowMs + 7_000;
    run.restore(after);
    if (index === way.indexOf("hostDown")) run.effects.length = 0;
    if (index >= way.indexOf("hostDown")) tried(run);
  }
}

function daemon(run: Run): void {
  run.give({ kind: "admitted" });
  const destination = { kind: "unknown", silentQueries: 0 } as const;
  run.give({ kind: "prepared", sourceMigrations: 1, destination, runState: "running" });
  run.cycle(sample({ processedMiB: 90 }));
}

/** The times that are of an earlier boot. */
function oldTimes(value: unknown, nowMs: number): readonly string[] {
  return Object.entries(Object(value)).flatMap(([name, each]) => {
    const late = name.endsWith("AtMs") || name.endsWith("SinceMs") || name === "sinceMs";
    if (typeof each === "number")
      return late && each > nowMs && each < Number.MAX_SAFE_INTEGER ? [`${name} ${each}`] : [];
    return typeof each === "object" ? oldTimes(each, nowMs) : [];
  });
}

const RECORD = sample({ type: "completed", operation: "migrationIn", downtimeMs: 80 });
const THERE: Partial<Location> = { destination: "active" };
const HERE: Partial<Location> = { source: "active" };
const ABSENT: Partial<Location> = { destination: "absent" };
const OTHERS: Partial<Location> = { source: "active", sourceJob: true, job: "migrationOut" };
const IMAGE: Partial<Location> = { image: "complete" };
const HERE_STILL = "failed hostRestarted source";
const ANEW = "failed hostRestarted destination";
const GONE = "failed hostRestarted unknown";

type Row = readonly [(typeof PHASES)[number], Partial<Location>, JobStats | null, string];

const REMOTE: readonly Row[] = [
  ...(["queued", "preparing"] as const).flatMap((phase): Row[] => [
    [phase, HERE, null, HERE_STILL],
    [phase, OTHERS, null, HERE_STILL],
    [phase, THERE, RECORD, ANEW],
    [phase, { destination: "left" }, RECORD, ANEW],
    [phase, ABSENT, null, GONE],
  ]),
  ...(["starting", "running", "postCopy"] as const).flatMap((phase): Row[] => [
    [phase, HERE, null, HERE_STILL],
    [phase, OTHERS, null, HERE_STILL],
    [phase, THERE, RECORD, "completed arrived destination"],
    [phase, THERE, null, ANEW],
    [phase, ABSENT, null, phase === "postCopy" ? "failed guestLost nowhere" : GONE],
  ]),
];

const SAVE: readonly Row[] = [
  ["queued", HERE, null, HERE_STILL],
  ["queued", IMAGE, null, GONE],
  ["preparing", IMAGE, null, GONE],
  ["running", IMAGE, null, "completed saved image"],
  ["running", OTHERS, null, HERE_STILL],
];

describe.each(WAYS.map((way) => [way.join(", "), way] as const))("%s", (_name, way) => {
  const holds = (fields: Partial<NewMigration>, [phase, location, record, expected]: Row) => {
    const run = bringTo(phase, new Run(fields, UPTIME_MS));
    through(run, way, daemon);
    expect(oldTimes(run.migration, run.nowMs)).toEqual([]);
    run.locateSurely(location, record);
    expect(ending(run)).toBe(expected);
    expect(run.events("ended")).toHaveLength(1);
    const done = kinds(run.effects).filter((kind) => kind !== "locateGuest");
    expect(done.filter((kind) => kind !== "removeImage")).toEqual([]);
  };

  it.each(REMOTE)("%s, %j", (...row) => holds({}, row));
  it.each(SAVE)("a save %s, %j", (...row) => holds(FILE_REQUEST, row));

  it("a cancel after it has ended nothing", () => {
    const run = inPhase("running");
    through(run, way, () => run.give({ kind: "cancel" }));
    run.locateSurely(HERE);
    expect(ending(run)).toBe(HERE_STILL);
  });

  it("what libvirt says after it is of somebody else's job", () => {
    const run = inPhase("running");
    through(run, way, (each) => {
      each.give({ kind: "stoppedByJob" });
      each.give({ kind: "jobCompleted", stats: sample({ type: "completed" }) });
    });
    run.locateSurely({ ...THERE, endedHere: "migrated" });
    expect(ending(run)).toBe(ANEW);
  });

  it.each(["queued", "preparing"] as const)(
    "%s: what was said of others' jobs is theirs",
    (phase) => {
      const run = inPhase(phase);
      run.give({ kind: "stoppedByJob" });
      through(run, way, daemon);
      run.locateSurely(ABSENT);
      expect(ending(run)).toBe(GONE);
    },
  );
});
