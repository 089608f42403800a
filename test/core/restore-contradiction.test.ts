/** What the journal may not say of a migration, as no step ever leaves it so. */
import { expect, it } from "vitest";
import { contradictionIn } from "../../src/core/restore.ts";
import { ALL_PHASES, inPhase } from "./fixtures.ts";

it.each(ALL_PHASES)("%s as it is reached does not contradict itself", (phase) => {
  expect(contradictionIn(inPhase(phase).migration)).toBeNull();
});

it.each(["starting", "running", "postCopy"] as const)("%s without a call", (phase) => {
  const { migration } = inPhase(phase);
  const call = { ...migration.call, madeAtMs: null };
  expect(contradictionIn({ ...migration, call })).toMatch(/^call\.madeAtMs: /);
});

it("a call without its clocks", () => {
  const { migration } = inPhase("running");
  expect(contradictionIn({ ...migration, advance: null })).toMatch(/^advance: /);
});

it("an end without an outcome, and an outcome before the end", () => {
  const { migration } = inPhase("ended");
  expect(contradictionIn({ ...migration, end: null })).toMatch(/^end: expected object/);
  expect(contradictionIn({ ...migration, phase: "settling" })).toMatch(/^end: expected null/);
});
