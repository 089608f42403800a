/**
 * Waiting for the disk: it is asked once at a time, however many wait, since a disk that hangs would
 * else take every thread of Node's pool; nobody waits longer than the deadline; and what was appended
 * while it was asked is asked for once more. The disk's answers are the test's here.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { desk, type Desk } from "./fixtures.ts";

type Answer = (error: NodeJS.ErrnoException | null) => void;

/** What the disk has been asked for and not answered. */
const asked: Answer[] = [];
/** How often it was asked. */
let count = 0;

beforeEach(() => {
  asked.length = 0;
  count = 0;
  vi.spyOn(fs, "fdatasync").mockImplementation((_fd, answer) => {
    count += 1;
    asked.push(answer);
  });
  syncBuiltinESMExports();
});

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

/** Until everything that could happen by itself has. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function answer(error: NodeJS.ErrnoException | null = null): void {
  asked.shift()?.(error);
}

/** Asks for it, and says of whoever has his answer. */
function wait(own: Desk, name: string, done: string[]): void {
  void own.journal.durable().then(() => done.push(name));
}

const limits = { durableMs: 50 };
/** Only the disk ends it. */
const patient = { durableMs: 60_000 };

it("those that ask while the disk is asked share the next time", async () => {
  const own = await desk({ limits: patient });
  const done: string[] = [];
  wait(own, "first", done);
  await settled();
  for (const name of ["second", "third", "fourth", "fifth"]) wait(own, name, done);
  await settled();
  expect([count, asked.length, done]).toEqual([1, 1, []]);
  answer();
  await settled();
  expect([count, asked.length, done]).toEqual([2, 1, ["first"]]);
  wait(own, "sixth", done);
  answer();
  await settled();
  expect([count, asked.length, done.length]).toEqual([3, 1, 5]);
  answer();
  await settled();
  expect([count, asked.length, done.at(-1)]).toEqual([3, 0, "sixth"]);
});

it("one that hangs holds up nobody beyond the deadline, and is the only one", async () => {
  const own = await desk({ limits });
  await Promise.all(Array.from({ length: 20 }, () => own.journal.durable()));
  for (let n = 0; n < 20; n += 1) void own.journal.durable();
  await settled();
  expect(count).toBe(1);
  expect(own.lines.join("")).toContain("the journal is not on disk in time");
  expect(own.journal.failing).toBeNull();
  answer();
  await settled();
  expect(count).toBe(2);
  answer();
});

it("an error is the journal's, and the next segment's disk is asked again", async () => {
  const own = await desk({ limits: { ...patient, retryMs: 0 } });
  const done: string[] = [];
  wait(own, "first", done);
  await settled();
  wait(own, "second", done);
  answer(Object.assign(new Error("EIO: i/o error"), { code: "EIO" }));
  await settled();
  expect(done).toEqual(["first", "second"]);
  expect(own.journal.failing).toContain("EIO");
  own.journal.append({ n: 1 });
  expect(own.journal.failing).toBeNull();
  wait(own, "third", done);
  await settled();
  answer();
  await settled();
  expect([count, done.at(-1)]).toEqual([2, "third"]);
});
