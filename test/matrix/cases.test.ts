/** The matrix runs tests by name; this checks that each of them exists. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

interface Case {
  readonly title: string;
  readonly file: string;
  readonly test: string;
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const cases = JSON.parse(read("cases.json")) as readonly Case[];

it.each(cases)("$title: exists in $file", ({ file, test }) => {
  expect(read(`../../${file}`)).toContain(`it("${test}"`);
});
