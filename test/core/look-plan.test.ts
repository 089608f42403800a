/** Who is asked in a look: whoever is not idle, always; the idle ones in turn, each in time. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { LOOK_AT_EACH_WITHIN_MS, type LookedAt, notAskedIn } from "../../src/core/look-plan.ts";

const idle = (vmId: string, askedAtMs: number): LookedAt => ({ vmId, askedAtMs, isIdle: true });

it.each<[string, readonly LookedAt[], number, readonly string[]]>([
  ["nobody is known", [], 1_000, []],
  ["one idle VM is asked in each look", [idle("a", 0)], 1_000, []],
  [
    "of ten a second's share, the longest unasked",
    "bcdefghij"
      .split("")
      .map((id) => idle(id, 5))
      .concat(idle("a", 1)),
    1_000,
    "bcdefghij".split(""),
  ],
  [
    "whoever is not idle is asked",
    [{ vmId: "a", askedAtMs: 9, isIdle: false }, idle("b", 1), idle("c", 2)],
    1,
    ["c"],
  ],
  [
    "after a long rest everybody",
    "abc".split("").map((id) => idle(id, 0)),
    LOOK_AT_EACH_WITHIN_MS,
    [],
  ],
])("%s", (_name, vms, sinceLookMs, expected) => {
  expect([...notAskedIn(vms, sinceLookMs)].toSorted()).toEqual(expected);
});

it("each is asked within the time, however looks and VMs fall", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.array(fc.integer({ min: 50, max: 3_000 }), { minLength: 1, maxLength: 200 }),
      (count, gapsMs) => {
        const askedAtMs = new Map(Array.from({ length: count }, (_, id) => [String(id), 0]));
        let nowMs = 0;
        for (const gapMs of gapsMs) {
          nowMs += gapMs;
          const vms = [...askedAtMs].map(([vmId, at]) => idle(vmId, at));
          const resting = notAskedIn(vms, gapMs);
          for (const vmId of askedAtMs.keys()) if (!resting.has(vmId)) askedAtMs.set(vmId, nowMs);
          const longestMs = nowMs - Math.min(...askedAtMs.values());
          expect(longestMs).toBeLessThanOrEqual(LOOK_AT_EACH_WITHIN_MS);
        }
      },
    ),
  );
});
