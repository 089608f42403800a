/**
 * A recorded list of inputs replays: given again to `step`, with the times at which they came, they lead
 * to the state that the running daemon had, and to the one that its journal gives back. A whole monitor
 * on small-host.ts, with a journal on disk, and a second daemon on the same journal.
 */
import { expect, it, onTestFinished } from "vitest";
import type { Input } from "../../../src/core/input.ts";
import type { Migration } from "../../../src/core/migration.ts";
import { step } from "../../../src/core/step.ts";
import { listSegments, readSegment } from "../../../src/journal/segments.ts";
import { MigrationRun } from "../../../src/monitor/migrations/run.ts";
import { replay } from "../../../src/monitor/recovery/replay.ts";
import { wholeState } from "../../../src/monitor/recovery/state.ts";
import { BOOT, HOST } from "../../journal/fixtures.ts";
import { called, ended, handClock, move, pass, vm } from "../../journal/formats/scenes.ts";
import { SmallHost, WELCOMING } from "../small-host.ts";

interface Recording {
  readonly begins: Migration;
  readonly inputs: { readonly input: Input; readonly atMs: number }[];
}

/** Every input of every run, from now on, as it would stand in a file. */
function record(nowMs: () => number): ReadonlyMap<MigrationRun, Recording> {
  const recordings = new Map<MigrationRun, Recording>();
  const own = Object.getOwnPropertyDescriptors(MigrationRun.prototype);
  const kept: Pick<MigrationRun, "decide"> = Object.create(null, { decide: own.decide });
  MigrationRun.prototype.decide = function recorded(this: MigrationRun, input: Input): void {
    const known = recordings.get(this) ?? { begins: this.migration, inputs: [] };
    recordings.set(this, known);
    known.inputs.push({ input: JSON.parse(JSON.stringify(input)), atMs: nowMs() });
    kept.decide.call(this, input);
  };
  onTestFinished(() => {
    Object.defineProperty(MigrationRun.prototype, "decide", own.decide);
  });
  return recordings;
}

function replayed({ begins, inputs }: Recording): Migration {
  return inputs.reduce(
    (migration, { input, atMs }) => step(migration, input, atMs).migration,
    begins,
  );
}

it("arrived, aborted by its limit, changed and cancelled, and taken over by the next daemon", async () => {
  const clock = handClock(100_000);
  const recordings = record(() => clock.monotonicMs());
  const vars = { max_outgoing_migrations: 4, migration_monitor_interval: 1 };
  const first = await SmallHost.up({ clock, vars, destination: WELCOMING });
  for (const n of [1, 2, 3, 4]) first.hypervisor.put(vm(n));
  await first.migrate(vm(1), { maxBandwidthMiBps: 40 });
  await called(first, 1);
  move(first, 1, 10);
  await pass(first, 2);
  first.hypervisor.leave(vm(1));
  await ended(first, 1);
  await first.migrate(vm(2), { progressTimeoutMs: 4_000, stallingLimitMs: 2_000 });
  await called(first, 2);
  move(first, 2, 10);
  await ended(first, 2);
  await first.migrate(vm(3));
  await called(first, 3);
  move(first, 3, 10);
  await pass(first, 1);
  await first.service.changeParams(vm(3), { downtimeMs: 900, maxBandwidthMiBps: 20 }, "uid 107");
  await pass(first, 1);
  await first.service.cancel(vm(3), "uid 107");
  await ended(first, 3);
  await first.migrate(vm(4));
  await called(first, 4);
  move(first, 4, 10);
  await pass(first, 1);

  const next = await first.restarted();
  move(next, 4, 20);
  await pass(next, 2);
  next.hypervisor.vms.delete(vm(4));
  await ended(next, 4);

  const runs = [...recordings];
  expect(runs).toHaveLength(5);
  for (const [run, recording] of runs) expect(replayed(recording)).toEqual(run.migration);
  const files = await listSegments(next.folder);
  const owner = { host: HOST, bootId: BOOT };
  const segments = await Promise.all(files.map((file) => readSegment(file, owner)));
  const journaled = new Map(replay(segments, BOOT).migrations.map((each) => [each.id, each]));
  const last = runs.filter(([run]) => !run.live);
  expect(last).toHaveLength(4);
  for (const [run, recording] of last) {
    const found = journaled.get(run.id)?.migration;
    expect(found === undefined ? null : wholeState(found)).toEqual(wholeState(replayed(recording)));
  }
});
