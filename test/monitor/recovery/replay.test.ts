/**
 * From a journal back to what was known: each migration's state as it was, without what was in flight;
 * the events of this boot and their numbers; the reservations. What cannot be believed is left out and
 * named, and never made up for.
 */
import { appendFileSync, rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Migration } from "../../../src/core/migration.ts";
import { segmentPath } from "../../../src/journal/segments.ts";
import { Replayer } from "../../../src/monitor/recovery/replay.ts";
import { ALL_PHASES, bringTo, FILE_REQUEST, sample } from "../../core/fixtures.ts";
import { BOOT, Desk, desk, OTHER_HOST, OTHER_VM, VM, WALL_MS } from "../../journal/fixtures.ts";

/** What of a state is written: the rest begins anew. */
function lasting(migration: Migration): Migration {
  return { ...migration, pending: [], sample: { ...migration.sample, answered: false } };
}

/** Without what is only written along with something else, and shown by the next sample anyway. */
function steady(migration: Migration): object {
  const { advance: _, bandwidth, sample: shown, ...rest } = lasting(migration);
  const { sourceMigrations: _s, destination: _d, ...cap } = bandwidth;
  return { ...rest, cap, dataSinceMs: shown.dataSinceMs };
}

async function only(of: Desk, bootId = BOOT): Promise<Migration> {
  const { migrations } = await of.replayed(bootId);
  const [found] = migrations;
  if (found === undefined || migrations.length > 1) throw new Error("not exactly one migration");
  return found.migration;
}

/** An event of no migration. */
function events(own: Desk, ...numbers: readonly number[]): void {
  own.migrations.events(numbers.map((seq) => ({ seq, method: `|virt|x|${VM}`, params: {} })));
  own.nextSeq = (numbers.at(-1) ?? 0) + 1;
}

const garble = (own: Desk, number: number): void =>
  appendFileSync(segmentPath(own.folder, number), '{"k":"eve\n');

describe("a migration is found as it was", () => {
  it.each(ALL_PHASES)("in phase %s", async (phase) => {
    const own = await desk();
    const { run } = own.accept("m1");
    bringTo(phase, run);
    const found = await only(own);
    expect(found).toEqual(lasting(run.migration));
  });

  it.each(["queued", "preparing", "starting", "running", "settling"] as const)(
    "a save in phase %s",
    async (phase) => {
      const own = await desk();
      const { run } = own.accept("m1", FILE_REQUEST);
      bringTo(phase, run);
      expect(await only(own)).toEqual(lasting(run.migration));
    },
  );

  it("after cycles that only looked, but for what each sample shows", async () => {
    const own = await desk();
    const run = bringTo("running", own.accept("m1").run);
    for (let second = 1; second <= 5; second += 1) {
      run.nowMs += 1_000;
      run.cycle(sample({ processedMiB: second * 10 }), { timer: false });
    }
    expect(steady(await only(own))).toEqual(steady(run.migration));
  });

  it.each(["running", "postCopy"] as const)(
    "a look that changes nothing is not written: %s",
    async (phase) => {
      const own = await desk();
      const run = bringTo(phase, own.accept("m1").run);
      const before = own.text(1);
      for (let processedMiB = 3; processedMiB < 9; processedMiB += 1) {
        run.nowMs += 100;
        run.cycle(sample({ processedMiB }), { timer: false, runState: phase });
      }
      expect(own.text(1)).toBe(before);
    },
  );

  it("with what it was decided on, in full, as soon as something is decided", async () => {
    const own = await desk();
    const run = bringTo("running", own.accept("m1").run);
    run.nowMs += 1_000;
    run.cycle(sample({ processedMiB: 50 }));
    run.give({ kind: "cancel" });
    expect(await only(own)).toEqual(lasting(run.migration));
  });

  it("carried from segment to segment, and on by the next daemon", async () => {
    const own = await desk({ limits: { segmentBytes: 0 } });
    const written = own.accept("m1");
    bringTo("postCopy", written.run);
    await own.journal.close();
    expect(await only(own)).toEqual(lasting(written.run.migration));
    const next = own.restarted();
    next.live.push(written);
    await next.begin();
    for (const number of [1, 2, 3, 4]) rmSync(segmentPath(own.folder, number), { force: true });
    expect(await only(next)).toEqual(lasting(written.run.migration));
  });

  it("with its request, target and times", async () => {
    const own = await desk({ nowMs: 50 });
    const { run } = own.accept("m1");
    run.nowMs = 700;
    bringTo("preparing", run);
    const [found] = (await own.replayed()).migrations;
    expect(found).toMatchObject({
      id: "m1",
      request: { vmId: VM, dst: "host2" },
      target: { mode: "remote", host: "host2", port: 54_321 },
      acceptedAtWallMs: WALL_MS + 50,
      lastWallMs: WALL_MS + 700,
      sameBoot: true,
    });
  });

  it("of another boot it says so, and has no events", async () => {
    const own = await desk();
    bringTo("running", own.accept("m1").run);
    const replayed = await own.replayed("boot-2");
    expect(replayed.migrations).toMatchObject([
      { sameBoot: false, migration: { phase: "running" } },
    ]);
    expect(replayed).toMatchObject({ events: [], epoch: null, nextSeq: 1, reservations: [] });
  });

  it("carried over a restart of the host it is of the new boot", async () => {
    const own = await desk();
    const written = own.accept("m1");
    await own.journal.close();
    const next = own.restarted({ bootId: "boot-2" });
    next.live.push(written);
    await next.begin();
    expect((await next.replayed()).migrations).toMatchObject([{ sameBoot: true }]);
  });
});

describe("several", () => {
  it("in the order of their acceptance, each by its own lines", async () => {
    const own = await desk();
    const first = own.accept("m1");
    const second = own.accept("m2", { vmId: OTHER_VM });
    bringTo("running", second.run);
    bringTo("preparing", first.run);
    const { migrations } = await own.replayed();
    expect(
      migrations.map(({ id, migration }) => [id, migration.facts.vmId, migration.phase]),
    ).toEqual([
      ["m1", VM, "preparing"],
      ["m2", OTHER_VM, "running"],
    ]);
  });

  it("two of one VM are two: which is the VM's own is not decided here", async () => {
    const own = await desk();
    bringTo("ended", own.accept("m1").run);
    own.accept("m2");
    const { migrations } = await own.replayed();
    expect(migrations.map(({ id, migration }) => [id, migration.phase])).toEqual([
      ["m1", "ended"],
      ["m2", "queued"],
    ]);
  });

  it("one whose beginning is no longer there is not known", async () => {
    const own = await desk();
    const { run } = own.accept("m1");
    own.live.length = 0;
    await own.journal.close();
    const next = await own.restarted().begin();
    rmSync(segmentPath(own.folder, 1));
    next.journal.append({ k: "step", id: "m1", d: { phase: "running" }, wallMs: 1, atMs: 1 });
    expect(run.migration.phase).toBe("queued");
    expect(await next.replayed()).toMatchObject({ migrations: [], troubles: [] });
  });
});

const END = { atMs: 1, cleared: false, departureOver: null };

describe("what cannot be believed is left out, and named", () => {
  it.each<[string, object, unknown]>([
    [
      "an unknown phase",
      { phase: "flying" },
      expect.stringMatching(/^phase: expected .*got "flying"/),
    ],
    [
      "text for a number",
      { facts: { memoryBytes: "much" } },
      'facts.memoryBytes: expected number, got "much"',
    ],
    [
      "a negative count",
      { evidence: { pausedCopyReads: -1 } },
      "evidence.pausedCopyReads: expected >=0, got -1",
    ],
    ["a part that is missing", { end: { atMs: 1 } }, "end.outcome is missing (and 2 more)"],
    [
      "a VM id that is none",
      { facts: { vmId: "../../etc/passwd" } },
      expect.stringMatching(/^facts\.vmId: expected/),
    ],
    [
      "another VM than was asked for",
      { facts: { vmId: OTHER_VM } },
      `vmId: expected ${VM}, as in the request, got ${OTHER_VM}`,
    ],
    [
      "a phase without the call that led to it",
      { phase: "running" },
      "call.madeAtMs: expected number in phase running, got null",
    ],
    [
      "a call without its clocks",
      { call: { madeAtMs: 1 } },
      "advance: expected object once the call is made, got null",
    ],
    [
      "an unknown outcome",
      { end: { ...END, outcome: { outcome: "perhaps" } } },
      expect.stringMatching(/^end\.outcome\.outcome: expected .*"perhaps" \(and 9 more\)/),
    ],
  ])("%s", async (_name, d, why) => {
    const own = await desk();
    own.accept("m1");
    own.accept("m2", { vmId: OTHER_VM });
    own.journal.append({ k: "step", id: "m1", d, wallMs: 1, atMs: 1 });
    const { migrations, unusable, troubles } = await own.replayed();
    expect(migrations.map(({ id }) => id)).toEqual(["m2"]);
    expect(unusable).toMatchObject([{ id: "m1", live: true, why }]);
    expect(troubles).toEqual([]);
  });

  it.each<[string, object]>([
    ["of no kind", { id: "m1" }],
    ["of a kind that nobody knows", { k: "more", id: "m1", d: { phase: "ended" } }],
    ["without a change", { k: "step", id: "m1" }],
    ["with a change that is none", { k: "step", id: "m1", d: 7, e: 7, x: 7 }],
    ["whose name is none", { k: "step", id: { toString: 1 }, d: { phase: "ended" } }],
    ["whose name is an object's own", { k: "step", id: "__proto__", d: { phase: "ended" } }],
  ])("a record %s changes nothing", async (_name, record) => {
    const own = await desk();
    const { run } = own.accept("m1");
    own.journal.append({ ...record });
    expect(await only(own)).toEqual(lasting(run.migration));
  });

  it("another host's segment, and lines that cannot be read", async () => {
    const elsewhere = await desk({ host: OTHER_HOST });
    elsewhere.accept("m0");
    await elsewhere.journal.close();
    const own = await elsewhere.restarted().begin();
    own.accept("m1");
    garble(own, 2);
    own.accept("m2", { vmId: OTHER_VM });
    const { migrations, troubles } = await own.replayed();
    expect(migrations.map(({ id }) => id)).toEqual(["m1", "m2"]);
    expect(troubles).toEqual([
      expect.stringContaining("host9"),
      expect.stringContaining("1 unreadable"),
    ]);
  });
});

describe("events and their numbers", () => {
  const seqs = async (own: Desk): Promise<readonly number[]> =>
    (await own.replayed()).events.map(({ seq }) => seq);

  it("go on within a boot, also over daemons", async () => {
    const own = await desk();
    bringTo("running", own.accept("m1").run);
    const told = own.nextSeq - 1;
    events(own, told + 1, told + 2);
    await own.journal.close();
    const next = await own.restarted({ nextSeq: told + 3 }).begin();
    events(next, told + 3);
    const { epoch, nextSeq, ...replayed } = await next.replayed();
    expect({ epoch, nextSeq }).toEqual({ epoch: "epoch-1", nextSeq: told + 4 });
    expect(replayed.events.map(({ seq }) => seq)).toEqual(
      Array.from({ length: told + 3 }, (_, at) => at + 1),
    );
  });

  it("of a quiet daemon are none, but their numbers go on", async () => {
    const own = await desk({ nextSeq: 41 });
    expect(await own.replayed()).toMatchObject({ epoch: "epoch-1", nextSeq: 41, events: [] });
  });

  it("another run of numbers begins anew", async () => {
    const own = await desk();
    events(own, 1, 2);
    await own.journal.close();
    const next = await own.restarted({ epoch: "epoch-2", nextSeq: 1 }).begin();
    events(next, 3);
    expect(await next.replayed()).toMatchObject({
      epoch: "epoch-2",
      nextSeq: 4,
      events: [{ seq: 3 }],
    });
  });

  it("on a line that cannot be read may have been told: the epoch is not gone on with", async () => {
    const own = await desk();
    events(own, 1, 2);
    garble(own, 1);
    const { epoch, nextSeq } = await own.replayed();
    expect(epoch).toBeNull();
    expect(nextSeq).toBe(3);
  });

  it("that are none may have been told, too", async () => {
    const own = await desk();
    events(own, 1, 2);
    own.journal.append({ k: "events", e: [{ seq: 3, method: 7 }] });
    expect(await own.replayed()).toMatchObject({ epoch: null, nextSeq: 3 });
  });

  it("on a last line that breaks off were told to nobody: the epoch goes on", async () => {
    const own = await desk();
    events(own, 1, 2);
    appendFileSync(segmentPath(own.folder, 1), '{"k":"events","e":[{"seq":3');
    expect(await own.replayed()).toMatchObject({ epoch: "epoch-1", nextSeq: 3 });
  });

  it("a later segment has the epoch again that an unreadable line ended", async () => {
    const own = await desk();
    events(own, 1, 2);
    garble(own, 1);
    await own.journal.close();
    const next = await own.restarted({ nextSeq: 9 }).begin();
    events(next, 9);
    expect(await next.replayed()).toMatchObject({
      epoch: "epoch-1",
      nextSeq: 10,
      events: [{ seq: 9 }],
    });
  });

  it("a gap while the disk failed: those before it are gone, not its beginning", async () => {
    const own = await desk();
    events(own, 1, 2, 3);
    await own.journal.close();
    const next = await own.restarted({ nextSeq: 6 }).begin();
    expect(await seqs(next)).toEqual([]);
    events(next, 6, 7);
    expect(await seqs(next)).toEqual([6, 7]);
  });

  it("those of the line that a new segment begins with are no gap", async () => {
    const own = await desk({ limits: { segmentBytes: 0 } });
    events(own, 1, 2);
    own.nextSeq = 5;
    events(own, 3, 4);
    expect(await own.replayed()).toMatchObject({ nextSeq: 5 });
    expect(await seqs(own)).toEqual([1, 2, 3, 4]);
  });
});

it("reservations: the last of this boot", async () => {
  const own = await desk();
  const reservation = { vmId: VM, source: "host2", reservedAtMs: 7 };
  const other = { vmId: OTHER_VM, source: "host3", reservedAtMs: 9 };
  own.migrations.slots(new Map([[VM, reservation]]));
  own.migrations.slots(
    new Map([
      [VM, reservation],
      [OTHER_VM, other],
    ]),
  );
  expect((await own.replayed()).reservations).toEqual([reservation, other]);
  own.migrations.slots(new Map());
  expect((await own.replayed()).reservations).toEqual([]);
  own.journal.append({ k: "slots", slots: [{ vmId: "none" }] });
  expect((await own.replayed()).reservations).toEqual([]);
  expect((await own.replayed("boot-2")).reservations).toEqual([]);
});

it("a journal segment by segment is the journal at once", async () => {
  const own = await desk({ limits: { segmentBytes: 0 } });
  bringTo("running", own.accept("m1").run);
  own.accept("m2", { vmId: OTHER_VM });
  events(own, own.nextSeq, own.nextSeq + 1);
  garble(own, 2);
  const replayer = new Replayer(BOOT);
  let segments = 0;
  await own.journal.readEach((segment) => {
    segments += 1;
    replayer.add(segment);
  });
  expect(segments).toBeGreaterThan(3);
  expect(replayer.result()).toEqual(await own.replayed());
});
