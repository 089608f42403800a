/**
 * What a guest's serial files prove, for every position at which a migration may split a line.
 */
import { describe, expect, it } from "vitest";
import { readSerial, unbrokenFault } from "./serial.ts";

const line = (count: number): string => `#${count.toString(16).padStart(8, "0")}\n`;
const lines = (first: number, last: number): string =>
  Array.from({ length: last - first + 1 }, (_, i) => line(first + i)).join("");

describe("a count is unbroken", () => {
  it.each([
    { name: "on one host", files: [lines(1, 20)] },
    { name: "moved between two lines", files: [lines(1, 9), lines(10, 20)] },
    { name: "moved there and back", files: [lines(1, 5) + lines(11, 20), lines(6, 10)] },
    { name: "with an unfinished last line", files: [`${lines(1, 20)}#0000`] },
    ...Array.from({ length: 9 }, (_, i) => ({
      name: `split after ${i + 1} characters`,
      files: [lines(1, 9) + line(10).slice(0, i + 1), line(10).slice(i + 1) + lines(11, 20)],
    })),
    {
      name: "split on the way there and on the way back",
      files: [`${lines(1, 4)}#00000${"006\n"}${lines(7, 20)}`, `005\n#00000`],
    },
  ])("$name", ({ files }) => {
    expect(unbrokenFault(files, 20)).toBeUndefined();
  });
});

describe("a count is broken", () => {
  it.each([
    { name: "one is missing", files: [lines(1, 9), lines(11, 20)], fault: "count 10 of 20" },
    { name: "the first is missing", files: [lines(2, 20)], fault: "count 1 of 20" },
    {
      name: "the guest ran on both hosts",
      files: [lines(1, 12), lines(12, 20)],
      fault: "12 twice",
    },
    { name: "it restarted", files: [lines(1, 9) + lines(1, 20)], fault: "1 twice" },
    {
      name: "only the end of a line was printed",
      files: [lines(1, 9), `000a\n${lines(11, 20)}`],
      fault: "count 10 of 20",
    },
    {
      name: "a page lost a write",
      files: [`${lines(1, 20)}BAD 00000001 00000002 00000003\n`],
      fault: "lost a write",
    },
  ])("$name", ({ files, fault }) => {
    expect(unbrokenFault(files, 20)).toContain(fault);
  });

  it("nothing was ever printed", () => {
    expect(unbrokenFault(["", ""], 0)).toBe("never printed a count");
  });
});

it("a file's counts are in the order of printing", () => {
  expect(readSerial(lines(14, 17)).counts).toEqual([14, 15, 16, 17]);
});
