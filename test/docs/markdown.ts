/**
 * The README and the guides as data: their text, links and fenced blocks. A block after
 * `<!-- run: WHERE -->` is one that a reader runs as it stands, and so does
 * test/hosts/readme.test.ts. Knows nothing of what the guides say.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

export const ROOT = path.resolve(import.meta.dirname, "../..");
export const GUIDES_FOLDER = "src/docs";

export interface Page {
  /** From the top of the repository. */
  readonly name: string;
  readonly text: string;
}

export interface RunnableBlock {
  /** What stands after `run:`. */
  readonly where: string;
  readonly script: string;
}

export function page(name: string): Page {
  return { name, text: readFileSync(path.join(ROOT, name), "utf8") };
}

/** README.md and what is written by hand in src/docs. */
export function handWritten(): readonly Page[] {
  const guides = readdirSync(path.join(ROOT, GUIDES_FOLDER)).filter((name) => name.endsWith(".md"));
  return ["README.md", ...guides.map((name) => `${GUIDES_FOLDER}/${name}`)].map(page);
}

/** Without fenced blocks, in which nothing is a link or a heading. */
export function proseOf(text: string): string {
  return text.replace(/^```[^]*?^```$/gm, "");
}

export function runnableBlocks(text: string): readonly RunnableBlock[] {
  const marked = text.matchAll(/^<!-- run: (.+) -->\n```sh\n([^]*?)^```$/gm);
  return [...marked].map(([, where = "", script = ""]) => ({ where, script }));
}

export function linksOf(text: string): readonly string[] {
  return [...proseOf(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? "");
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...proseOf(text).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading ?? "");
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^a-z0-9 _-]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}
