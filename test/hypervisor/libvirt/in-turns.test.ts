/** Many calls, a few at a time: one that hangs holds up its own worker alone. */
import { expect, it } from "vitest";
import { inTurns } from "../../../src/hypervisor/libvirt/in-turns.ts";

const SOON_MS = 10;
const LONG_MS = 60_000;
const hang = (): Promise<void> => new Promise(() => undefined);

it("each item has one turn, and no more calls are out than allowed", async () => {
  const ended: number[] = [];
  let out = 0;
  let outMax = 0;
  await inTurns([1, 2, 3, 4, 5], { atOnce: 2, deadlineMs: LONG_MS }, async (item) => {
    out += 1;
    outMax = Math.max(outMax, out);
    await Promise.resolve();
    out -= 1;
    ended.push(item);
  });
  expect(ended).toHaveLength(5);
  expect(new Set(ended)).toEqual(new Set([1, 2, 3, 4, 5]));
  expect(outMax).toBe(2);
});

it("one that hangs delays none of the others, and is not waited for beyond the deadline", async () => {
  const ended: string[] = [];
  let end = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    end = resolve;
  });
  const items = ["hangs", "a", "b", "c"];
  await inTurns(items, { atOnce: 2, deadlineMs: SOON_MS }, async (item) => {
    if (item === "hangs") await held;
    ended.push(item);
  });
  expect(ended).toEqual(["a", "b", "c"]);
  end();
  await held;
  await Promise.resolve();
  expect(ended).toEqual(["a", "b", "c", "hangs"]);
});

it("whose turn has not come at the deadline is not called, then or later", async () => {
  const called: string[] = [];
  let end = (): void => undefined;
  const first = new Promise<void>((resolve) => {
    end = resolve;
  });
  await inTurns(["first", "second"], { atOnce: 1, deadlineMs: SOON_MS }, async (item) => {
    called.push(item);
    await first;
  });
  end();
  await first;
  await Promise.resolve();
  expect(called).toEqual(["first"]);
});

it("a call that rejects ends the wait", async () => {
  const fails = inTurns(["a", "b"], { atOnce: 2, deadlineMs: LONG_MS }, (item) =>
    item === "a" ? Promise.reject(new Error("a defect")) : hang(),
  );
  await expect(fails).rejects.toThrow("a defect");
});

it("nothing to call is done at once", async () => {
  await inTurns([], { atOnce: 4, deadlineMs: LONG_MS }, hang);
});
