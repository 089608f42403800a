/** Medians and ratios of the benchmark, on figures that can be reckoned by hand. */
import { expect, it } from "vitest";
import { figuresOf, type Round, spreadOf, tableOf } from "./figures.ts";

const round = (yardstickMs: number, otherMs: number): Round =>
  new Map([
    ["C", { cpuMs: yardstickMs, wallMs: 100, samples: 10 }],
    ["other", { cpuMs: otherMs, wallMs: 200, samples: 20 }],
  ]);

it.each([
  [[3], { median: 3, least: 3, most: 3 }],
  [[4, 1], { median: 2.5, least: 1, most: 4 }],
  [[9, 1, 2], { median: 2, least: 1, most: 9 }],
  [[10, 9, 1, 2], { median: 5.5, least: 1, most: 10 }],
])("the spread of %j", (values, spread) => {
  expect(spreadOf(values)).toEqual(spread);
});

it("ratios are of the same round: a machine at half its speed changes none", () => {
  const [yardstick, other] = figuresOf([round(10, 40), round(20, 80), round(10, 60)], "C");
  expect(yardstick).toMatchObject({ way: "C", ratio: { median: 1, least: 1, most: 1 } });
  expect(yardstick?.cpuMs).toEqual({ median: 1, least: 1, most: 2 });
  expect(other).toMatchObject({ way: "other", ratio: { median: 2, least: 2, most: 3 } });
  expect(other?.wallMs.median).toBe(10);
});

it("the table has a line for each way", () => {
  const lines = tableOf(figuresOf([round(10, 40)], "C"));
  expect(lines).toHaveLength(3);
  expect(lines[2]).toMatch(/^other +2\.0000 .* 2\.00 +2\.00 +2\.00$/);
});
