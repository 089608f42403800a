/**
 * That the rules of tidy.test.ts see what they are to see: a measure that misses functions would
 * pass whatever the code became.
 */
import { expect, it } from "vitest";
import { blocksOf, importsOf } from "./source-text.ts";

const SOURCE = `import { a } from "./a.ts";
import type {
  B,
} from "../b.ts";
export * from "c";

export async function plain(x: number): Promise<void> {
  if (x > 1) {
    await d(
      x,
    );
  }
}

function wrapped(
  one: string,
  other: string,
): string {
  return one;
}

const arrow = (
  one: string,
): string => {
  return one;
};

class K {
  async #method<T>(x: T): Promise<T> {
    return x;
  }

  static make(
    x: number,
  ): K {
    return new K();
  }
}

describe("a group", () => {
  it("a test", async () => {
    await import("./late.ts");
  });
});
`;

it("measures functions, methods, arrow functions and tests, from signature to closing brace", () => {
  const blocks = blocksOf(SOURCE.split("\n"));
  expect(blocks.map(({ first, last }) => [first, last])).toEqual([
    [7, 13],
    [15, 20],
    [22, 26],
    [29, 31],
    [33, 37],
    [41, 43],
  ]);
});

it("finds imports of values and types, re-exports and dynamic ones", () => {
  expect(importsOf(SOURCE)).toEqual(["./a.ts", "../b.ts", "c", "./late.ts"]);
});
