/** What is remembered of what has ended, and which migrations a restarted daemon restores. */
import { describe, expect, it } from "vitest";
import {
  ENDED_KEPT_MAX,
  ENDED_KEPT_MS,
  type Journaled,
  remembering,
  toRestore,
} from "../../src/core/retention.ts";

it("the newest is in front, and the oldest makes room", () => {
  const full = Array.from({ length: ENDED_KEPT_MAX }, (_, i) => i);
  const next = remembering(-1, full);
  expect([next.length, next[0], next.at(-1)]).toEqual([ENDED_KEPT_MAX, -1, ENDED_KEPT_MAX - 2]);
});

const NOW_MS = 10 * ENDED_KEPT_MS;

function journaled(vmId: string, endedForMs: number | null, sameBoot = true): Journaled {
  const end = endedForMs === null ? null : { atMs: sameBoot ? NOW_MS - endedForMs : 0 };
  return {
    migration: { facts: { vmId }, end },
    sameBoot,
    uptimeSinceMs: sameBoot ? 0 : (endedForMs ?? 0),
  };
}

describe("restored after a restart", () => {
  it.each<[string, readonly Journaled[], readonly number[]]>([
    ["a live one", [journaled("a", null)], [0]],
    ["of one VM the last live one", [journaled("a", null), journaled("a", null)], [1]],
    ["of each VM", [journaled("a", null), journaled("b", null)], [0, 1]],
    ["an ended one beside the live one", [journaled("a", 0), journaled("a", null)], [0, 1]],
    ["just remembered", [journaled("a", ENDED_KEPT_MS - 1)], [0]],
    ["just forgotten", [journaled("a", ENDED_KEPT_MS)], []],
    ["of another boot, by this host's uptime", [journaled("a", 5, false)], [0]],
    ["of another boot, too old", [journaled("a", ENDED_KEPT_MS, false)], []],
  ])("%s", (_name, all, expected) => {
    expect(toRestore(all, NOW_MS).map((each) => all.indexOf(each))).toEqual(expected);
  });
});
