/**
 * README.md and the guides hold together: short enough, every link leads somewhere, and whatever they
 * name (npm scripts, verbs, events, configuration keys) exists. Whether their commands work is
 * test/hosts/readme.test.ts's.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { events } from "../../src/wire/events.ts";
import { anchorsOf, handWritten, linksOf, page, ROOT, runnableBlocks } from "./markdown.ts";

const README_LINES_MAX = 200;
/** What test/hosts/readme.test.ts can run. */
const PLACES = new Set(["host-a", "both", "both, as the daemon", "the VM's host"]);
const pages = handWritten();

const matches = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([whole, name]) => name ?? whole);

describe("README.md", () => {
  it(`has at most ${README_LINES_MAX} lines`, () => {
    expect(page("README.md").text.trimEnd().split("\n").length).toBeLessThanOrEqual(
      README_LINES_MAX,
    );
  });

  it("leads to every guide", () => {
    const linked = new Set(linksOf(page("README.md").text).map((link) => link.split("#")[0]));
    const guides = pages.map(({ name }) => name).filter((name) => name !== "README.md");
    expect(guides.filter((name) => !linked.has(name))).toEqual([]);
  });
});

describe.each(pages)("$name", ({ name, text }) => {
  it("links to files and headings that exist", () => {
    const broken = linksOf(text).filter((link) => {
      if (/^https?:/.test(link)) return false;
      const [target = "", anchor] = link.split("#");
      const file = target === "" ? name : path.posix.join(path.posix.dirname(name), target);
      if (!existsSync(path.join(ROOT, file))) return true;
      return anchor !== undefined && !anchorsOf(page(file).text).has(anchor);
    });
    expect(broken).toEqual([]);
  });

  it("names no npm script that does not exist", () => {
    const { scripts } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const known = new Set([...Object.keys(scripts), "ci", "install"]);
    const named = matches(text, /(?<=^|`|&& )npm (?:run )?([a-z:]+)/gm);
    expect(named.filter((script) => !known.has(script))).toEqual([]);
  });

  it("names no verb, event or key of the configuration that does not exist", () => {
    const reference = ["verbs", "events", "configuration"]
      .map((each) => page(`src/docs/reference/${each}.md`).text)
      .join("\n");
    const named = [
      ...matches(text, /(?<!\$)\b(?:VM|Host)\.[a-z]\w+/g),
      ...matches(text, /\bVM_\w+/g),
      ...matches(text, /`((?:vars|addresses|ssl|access|libvirt|peer|journal|log)\.[a-z_]+)`/g),
    ];
    expect(named.filter((each) => !reference.includes(each))).toEqual([]);
  });

  it("marks no block to be run where nobody runs it", () => {
    const marks = matches(text, /^<!-- run: (.+) -->$/gm);
    expect(marks.filter((where) => !PLACES.has(where))).toEqual([]);
    expect(runnableBlocks(text)).toHaveLength(marks.length);
  });
});

describe("the events that the engine guide shows", () => {
  const shown = [...page("src/docs/engine.md").text.matchAll(/^```json\n([^]*?)^```$/gm)].map(
    ([, text = ""]): unknown => JSON.parse(text),
  );
  const namesOf = (value: unknown): readonly string[] => Object.keys(Object(value)).toSorted();
  const declared = (name: keyof typeof events): readonly string[] => namesOf(events[name].fields);

  it("have the fields that are declared, and no others", () => {
    const [ended, stalling] = shown as [{ params: Record<string, unknown> }, unknown];
    const [fields] = Object.values(ended.params);
    expect(namesOf(fields)).toEqual(declared("VM_migration_ended"));
    expect(namesOf(stalling)).toEqual(declared("VM_migration_stalling"));
  });
});
