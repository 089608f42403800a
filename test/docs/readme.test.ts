/**
 * The README says what the code does: its tables are held to their sources, row by row, and what it
 * names (npm scripts, files, anchors) exists. Nobody edits the tables by hand:
 * `REWRITE_README=1 npx vitest run --config test/vitest.config.ts --project unit test/docs` does.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { migrationFields } from "./migration-fields.ts";
import { NO_TEXT, readmeTables } from "./tables.ts";

const REWRITE = process.env["REWRITE_README"] === "1";
const root = new URL("../../", import.meta.url);
const readmeFile = new URL("README.md", root);
const CLOSING = "<!-- end -->";

const tables = readmeTables();

function opening(name: string): string {
  return `<!-- table: ${name} -->`;
}

/** The text between a table's markers, or why there is none. */
function tableIn(readme: string, name: string): string {
  const parts = readme.split(`${opening(name)}\n`);
  if (parts.length !== 2) {
    throw new Error(
      `README.md has ${parts.length - 1} tables "${name}". Where it belongs, write\n${opening(name)}\n${CLOSING}\nand run this test with REWRITE_README=1`,
    );
  }
  return (parts[1]?.split(CLOSING, 1)[0] ?? "").trimEnd();
}

function rewritten(readme: string): string {
  const marked = [...tables].filter(([name]) => readme.includes(opening(name)));
  return marked.reduce(
    (text, [name, table]) =>
      text.replace(`${opening(name)}\n${tableIn(text, name)}`, () => `${opening(name)}\n${table}`),
    readme.replaceAll(`-->\n${CLOSING}`, `-->\n\n${CLOSING}`),
  );
}

function linesNotIn(some: string, others: string): readonly string[] {
  const known = new Set(others.split("\n"));
  return some.split("\n").filter((line) => line !== "" && !known.has(line));
}

if (REWRITE) writeFileSync(readmeFile, rewritten(readFileSync(readmeFile, "utf8")));
const readme = readFileSync(readmeFile, "utf8");

describe("README.md", () => {
  it("has a text for everything that the code only names", () => {
    const bare = [...tables.values()].flatMap((table) => table.split("\n"));
    expect(bare.filter((row) => row.includes(NO_TEXT))).toEqual([]);
  });

  it.each([...tables.keys()])("has the table of %s as the code declares it", (name) => {
    const shown = tableIn(readme, name);
    const declared = tables.get(name) ?? "";
    expect({
      rowsToPaste: linesNotIn(declared, shown),
      rowsToTakeOut: linesNotIn(shown, declared),
    }).toEqual({ rowsToPaste: [], rowsToTakeOut: [] });
    expect(shown, "the order of the rows").toBe(declared);
  });

  it("has no table that the code does not declare", () => {
    const marked = [...readme.matchAll(/^<!-- table: (.*) -->$/gm)].map(([, name]) => name);
    expect(marked.filter((name) => !tables.has(name ?? ""))).toEqual([]);
    expect(readme.split(CLOSING).length - 1).toBe(marked.length);
  });

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
        : !/^https?:/.test(target) && !existsSync(new URL(target, root)),
    );
    expect(broken).toEqual([]);
  });
});

describe("Host.getMigrations", () => {
  const source = readFileSync(new URL("src/monitor/wire-stats.ts", root), "utf8");
  const builders = [
    "migrationToWire",
    "parametersToWire",
    "sizesToWire",
    "capsToWire",
    "stopToWire",
    "scheduleToWire",
    "deferralToWire",
  ];

  /** The names of the members that the function's object has: `name: value`. */
  function membersIn(builder: string): readonly string[] {
    const [, body = ""] =
      new RegExp(`function ${builder}\\([^]*?return \\{([^]*?)\\n\\}`).exec(source) ?? [];
    const members = body.matchAll(/(\w+): |^ +(\w+),$/gm);
    return [...members].map(([, name, short]) => name ?? short ?? "");
  }

  it("has the fields that the README names, and no others", () => {
    const built = builders.flatMap(membersIn);
    const named = Object.keys(migrationFields).map((name) => name.split(".").at(-1) ?? "");
    expect(built.length).toBeGreaterThan(0);
    expect([...new Set(built)].toSorted()).toEqual([...new Set(named)].toSorted());
  });
});

/** A heading's anchor as GitHub makes it. */
function anchor(heading = ""): string {
  return heading
    .toLowerCase()
    .replace(/[^a-z0-9 _-]/g, "")
    .replaceAll(" ", "-");
}
