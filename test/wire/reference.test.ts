/** The reference in src/docs/reference is what the code declares. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { referenceFiles } from "../../src/docs/reference.ts";

const folder = new URL("../../src/docs/reference/", import.meta.url);
const files = referenceFiles();

describe("src/docs/reference (if it differs: npm run docs)", () => {
  it.each([...files])("%s", (name, text) => {
    expect(readFileSync(new URL(name, folder), "utf8")).toBe(text);
  });

  it("has no other file", () => {
    expect(readdirSync(folder).toSorted()).toEqual([...files.keys()].toSorted());
  });
});
