/** What the README names (npm scripts, files, anchors) exists. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url);
const readme = readFileSync(new URL("README.md", root), "utf8");

describe("README.md", () => {
  it("names no npm script that does not exist", () => {
    const { scripts } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
      scripts: Record<string, string>;
    };
    const named = [...readme.matchAll(/npm (?:run )?([a-z:]+)/g)].map(([, name]) => name ?? "");
    const own = new Set([...Object.keys(scripts), "ci", "install"]);
    expect(named.filter((name) => !own.has(name))).toEqual([]);
  });

  it("links to files and headings that exist", () => {
    const targets = [...readme.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? "");
    const anchors = new Set([...readme.matchAll(/^#+ (.+)$/gm)].map(([, text]) => anchor(text)));
    const broken = targets.filter((target) =>
      target.startsWith("#")
        ? !anchors.has(target.slice(1))
        : !/^https?:/.test(target) && !existsSync(new URL(target.replace(/#.*/, ""), root)),
    );
    expect(broken).toEqual([]);
  });
});

/** A heading's anchor as GitHub makes it. */
function anchor(heading = ""): string {
  return heading
    .toLowerCase()
    .replace(/[^a-z0-9 _-]/g, "")
    .replaceAll(" ", "-");
}
