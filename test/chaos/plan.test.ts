/**
 * A plan is the same every time it is drawn, and describes every step completely.
 */
import { describe, expect, it } from "vitest";
import { actsFrom, readChaosOptions } from "./options.ts";
import { allActs, drawRound, planLines } from "./plan.ts";
import { Random } from "./random.ts";

const OPTIONS = { seed: 7, acts: actsFrom("all"), maxGuests: 3, maxWaves: 2 };
const ROUNDS = Array.from({ length: 40 }, (_, index) => index + 1);

describe("a plan", () => {
  it("is the same for one seed and round, whatever was drawn before", () => {
    const all = ROUNDS.map((round) => planLines(drawRound(OPTIONS, round)));

    for (const [index, lines] of all.toReversed().entries()) {
      const round = ROUNDS.length - index;
      expect(planLines(drawRound(OPTIONS, round))).toEqual(lines);
    }
    expect(new Set(all.map((lines) => lines.slice(1).join("\n"))).size).toBe(ROUNDS.length);
  });

  it("differs for another seed", () => {
    const other = drawRound({ ...OPTIONS, seed: 8 }, 1);

    expect(planLines(other)).not.toEqual(planLines(drawRound(OPTIONS, 1)));
  });

  it("has a migration of each guest in each wave, ordered by time", () => {
    for (const round of ROUNDS) {
      const { guests, waves } = drawRound(OPTIONS, round);
      for (const wave of waves) {
        expect(wave.filter(({ act }) => act === "migrate")).toHaveLength(guests.length);
        expect(wave.map(({ atMs }) => atMs)).toEqual(
          wave.map(({ atMs }) => atMs).toSorted((one, other) => one - other),
        );
      }
    }
  });

  it("draws only the chosen acts, and each of them", () => {
    const drawn = (acts: ReadonlySet<string>): Set<string> =>
      new Set(
        ROUNDS.flatMap((round) => drawRound({ ...OPTIONS, acts }, round).waves)
          .flat()
          .map(({ act }) => act),
      );

    expect(drawn(actsFrom("cancel,cut-link"))).toEqual(new Set(["migrate", "cancel", "cut-link"]));
    expect(drawn(actsFrom("all"))).toEqual(
      new Set(["migrate", ...allActs.map(({ name }) => name)]),
    );
  });

  it("switches no migration to post-copy unless that is among the acts", () => {
    const acts = actsFrom("-post-copy");
    const text = ROUNDS.flatMap((round) => planLines(drawRound({ ...OPTIONS, acts }, round)));

    expect(text.filter((line) => /post-?copy/.test(line))).toEqual([]);
  });
});

describe("chance", () => {
  it("is the same on every machine", () => {
    const random = new Random(42);
    const values = Array.from({ length: 3 }, () => random.integer(0, 999_999));
    expect(values).toEqual([601_103, 448_290, 852_465]);
  });

  it("stays within its bounds and reaches both", () => {
    const random = new Random(1);
    const values = Array.from({ length: 500 }, () => random.integer(3, 5));
    expect([...new Set(values)].toSorted((one, other) => one - other)).toEqual([3, 4, 5]);
  });
});

describe("the command line", () => {
  it("repeats one round", () => {
    const args = "--seed 5 --round 3 --acts -cancel".split(" ");
    expect(readChaosOptions(args)).toMatchObject({ seed: 5, firstRound: 3, rounds: 1 });
    expect(readChaosOptions(args).acts.has("cancel")).toBe(false);
  });

  it.each([
    { args: ["--minutes", "0"], says: /--minutes 0/ },
    { args: ["--seed", "x"], says: /--seed x/ },
    { args: ["--acts", "dance"], says: /no such act: dance/ },
    { args: ["--rond", "1"], says: /--rond/ },
  ])("refuses $args", ({ args, says }) => {
    expect(() => readChaosOptions(args)).toThrow(says);
  });
});
