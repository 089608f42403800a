/** The matrix plays tests by name: each is there. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

interface Case {
  readonly title: string;
  readonly file: string;
  readonly test: string;
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const cases = JSON.parse(read("cases.json")) as readonly Case[];

it.each(cases)("$title: $file has it", ({ file, test }) => {
  expect(read(`../../${file}`)).toContain(`it("${test}"`);
});
